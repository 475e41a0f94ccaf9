"""Documented names: the modules to run with `python -m`, and the import of the database."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_harness import CliHarness, ended_process

from swarm_shared.domain.models import TaskSpec


@pytest.mark.parametrize("module", ["worker", "reaper", "dashboard", "orchestrator"])
def test_each_program_runs_under_its_name(harness: CliHarness, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"amplifier_swarm.{module}", "--help"],
        cwd=harness.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--db" in done.stdout


def test_the_documented_recovery_works_from_python(harness: CliHarness) -> None:
    from amplifier_swarm.database import TaskDatabase

    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim(worker=ended_process(), stage=None)
    with TaskDatabase(str(harness.db)) as db:
        orphans = db.find_orphaned_tasks(timeout_minutes=30)
        assert [orphan["id"] for orphan in orphans] == ["a"]
        assert db.reset_orphaned_tasks(timeout_minutes=30) == 1
        assert db.find_orphaned_tasks() == []
