"""A worker that supervisord starts decides for itself whether tasks get worktrees, and never drops them silently."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from swarm_shared.database import TaskDatabase

DEADLINE_S = 60.0


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.db"
    gone = str(tmp_path / "gone" / ".git")
    with TaskDatabase(path) as database:
        database.landings.adopt(repository=gone, ref="refs/heads/swarm/integration", person_ref=None, tip="0" * 40)
    return path


def worker(db: Path, isolation: str) -> subprocess.Popen[str]:
    words = ("--db", str(db), "--project-root", str(db.parent), "--agent-cli", "command", "--isolation", isolation)
    return subprocess.Popen([sys.executable, "-m", "swarm_worker", *words], stderr=subprocess.PIPE, text=True)


def test_a_worker_refuses_to_work_without_the_worktrees_that_tasks_had(db: Path) -> None:
    process = worker(db, "auto")
    _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 3
    assert "earlier tasks had worktrees" in said
    assert "--isolation none" in said


def test_a_worker_configured_to_works_without_them(db: Path) -> None:
    process = worker(db, "none")
    deadline = time.monotonic() + DEADLINE_S
    with TaskDatabase(db) as database:
        while database.swarm.meta("isolation") != "none" and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert database.swarm.meta("isolation") == "none"
        started = database.swarm.started_with()
        while started is None and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
            started = database.swarm.started_with()
        assert started is not None
        assert (started.agent_cli, started.project_root) == ("command", str(db.parent))
        assert set(started.given) == {"agent_cli", "project_root", "isolation"}
    process.terminate()
    process.communicate(timeout=DEADLINE_S)
