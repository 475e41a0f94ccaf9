"""Workers that measure themselves start although modules next to them have names of installed packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bench import cost, landings
from bench.one_worker import measured_worker


@pytest.mark.parametrize("program", [landings.TIMING, cost.COUNTING])
def test_a_worker_that_measures_itself_starts_and_reports(program: str, tmp_path: Path) -> None:
    report = tmp_path / "report"
    done = subprocess.run([*measured_worker(program, report), "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert report.read_text()
