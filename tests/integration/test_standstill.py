"""A program that hangs is detected, named, and replaced if it is ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from start_harness import Harness, harness, task, until

from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.standstill import Standstills
from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration
NOTICED_S = 20.0
LOAD_S = 10.0


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


def test_a_stopped_reaper_is_reported_killed_and_replaced_and_its_tasks_continue(at: Harness) -> None:
    once = f"if [ -e {at.marker('begun')} ]; then exit 0; fi; touch {at.marker('begun')}; sleep 1000"
    at.add(task("a", once), task("hold", until(at.folder, "go")))
    run = at.start("--workers", "2")
    at.wait_marker("begun")

    def has_beaten() -> bool:
        with TaskDatabase(at.db) as database:
            reaper = database.swarm.services().get("reaper")
            return reaper is not None and bool(reaper.detail.get("supervisord_answers"))

    at.wait_for("the first sign of life", has_beaten)
    reaper = at.pid_of("/swarm-reaper")
    os.kill(reaper, signal.SIGSTOP)
    stopped = time.monotonic()
    with TaskDatabase(at.db) as database:
        [worker] = [w for w in database.workers.alive() if w.worker_id == database.tasks.get("a")["worker_id"]]
    assert worker.keeper is not None
    worker.keeper.kill(signal.SIGSTOP)
    worker.process.kill(signal.SIGKILL)
    worker.keeper.kill(signal.SIGKILL)
    at.wait_for("another reaper", lambda: [pid for pid in at.pids_of("/swarm-reaper") if pid != reaper] or None)
    assert time.monotonic() - stopped < NOTICED_S + LOAD_S
    assert f"the reaper (process {reaper}) has been silent for" in at.notices
    at.wait_for("the task", lambda: at.status("a") is Status.COMPLETED)
    at.marker("go").touch()
    assert at.wait_end(run) == 0, at.everything()
    assert "swarm-reaper has been silent for" in at.everything()


HOLD = """
import apsw, sys
connection = apsw.Connection(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_foreign_process_that_keeps_the_write_lock_is_named_by_status_and_why(at: Harness) -> None:
    at.add(task("a"))
    command = [sys.executable, "-c", HOLD, str(at.db)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        for words in (["status"], ["why", "a"]):
            done = subprocess.run(
                [sys.executable, "-m", "amplifier_swarm", *words], cwd=at.folder, capture_output=True, text=True
            )
            assert f"pid {holder.pid} (python" in done.stdout, done.stdout + done.stderr
            assert "has held the write lock of the database" in done.stdout
        assert holder.stdin is not None
        holder.stdin.close()
    with TaskDatabase(at.db) as database:
        assert Standstills(database.connection, database.clock).found() == []
