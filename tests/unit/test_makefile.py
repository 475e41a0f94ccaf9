"""The targets that people rely on, as `make` itself lists and understands them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PROMISED = ("demo", "test", "run", "import", "check", "bench", "chaos", "mutants", "soak", "clean", "screenshots")


def make(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None:
        pytest.skip("make is missing")
    return subprocess.run(["make", *words], cwd=TOP, capture_output=True, text=True, check=False)


def test_make_alone_shows_every_target_with_what_it_does() -> None:
    shown = make()
    assert shown.returncode == 0, shown.stderr
    told = {line.split()[1]: line.split()[2:] for line in shown.stdout.splitlines() if line.startswith("  make ")}
    assert set(PROMISED) <= set(told)
    assert all(told.values())


def test_every_promised_target_can_be_planned() -> None:
    for target in PROMISED:
        planned = make("--dry-run", target, "TASKS=tasks.yaml")
        assert planned.returncode == 0, planned.stderr
