"""The reaper's own life: one on duty, a quick end, and no programs left after the death of its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from reaper_harness import ReaperHarness, reaper_harness
from stopwatch import Stopwatch

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status
from swarm_shared.processes.identity import ProcessId

pytestmark = pytest.mark.integration
QUICK_S = 3.0


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReaperHarness]:
    with reaper_harness(tmp_path) as harness:
        yield harness


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def test_below_supervisord_it_waits_for_a_database_and_does_not_create_one(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    log = tmp_path / "log"
    env = {**os.environ, "SUPERVISOR_ENABLED": "1"}
    with log.open("wb") as file:
        process = subprocess.Popen([sys.executable, "-m", "swarm_reaper", "--db", str(path)], env=env, stderr=file)
    try:
        trees.wait_until(lambda: "database_awaited" in log.read_text(), "it waits")
        assert not path.exists()
        TaskDatabase(path).close()
        trees.wait_until(lambda: "duty_taken" in log.read_text(), "it works")
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_it_quickly_with_exit_code_0(harness: ReaperHarness, number: signal.Signals) -> None:
    reaper = harness.reaper()
    watch = Stopwatch()
    reaper.send_signal(number)
    assert reaper.wait(trees.DEADLINE_S) == 0
    assert watch.own_s() < QUICK_S
    assert harness.db.swarm.services()["reaper"].stopped_at is not None


def test_a_second_reaper_watches_and_takes_over_when_the_first_was_killed(harness: ReaperHarness) -> None:
    harness.add("a", "b")
    first = harness.reaper()
    second = harness.reaper(on_duty=False)
    worker = harness.worker("worker-1")
    worker.signal(signal.SIGKILL)
    harness.wait_for("a", Status.NOT_STARTED)
    assert harness.reaper_pid() == first.pid
    first.kill()
    first.wait()
    harness.wait(lambda: harness.reaper_pid() == second.pid, "the second one is on duty")
    worker = harness.worker("worker-2")
    worker.signal(signal.SIGKILL)
    harness.wait(lambda: not harness.db.recovery.open_attempts(), "the attempt is closed")


def test_when_start_dies_everything_ends_and_the_reaper_exits_last(
    harness: ReaperHarness, owner: subprocess.Popen[bytes]
) -> None:
    harness.add("a")
    identity = ProcessId.of(owner.pid)
    assert identity is not None
    reaper = harness.reaper(SWARM_OWNER=f"{identity.pid}:{identity.start_time}")
    worker = harness.worker()  # ignores SIGTERM
    owner.kill()
    owner.wait()
    assert reaper.wait(trees.DEADLINE_S) == 0
    assert worker.me.is_alive() is False
    assert trees.alive(worker.token) == []
    assert "emergency_stop" in harness.db.swarm.flags()
    assert harness.status("a") is Status.NOT_STARTED
    assert harness.attempts("a")[0]["failure_class"] == "interrupted"


def test_when_its_supervisord_dies_it_ends_the_workers_and_exits(harness: ReaperHarness) -> None:
    harness.add("a")
    worker = harness.worker()
    # A parent that starts the reaper and does nothing more.
    script = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"
    env = {**os.environ, "SUPERVISOR_ENABLED": "1", "SWARM_DB": str(harness.path)}
    env.pop("SWARM_OWNER", None)
    parent = subprocess.Popen(
        [sys.executable, "-c", script, sys.executable, "-m", "swarm_reaper"], env=env, stderr=subprocess.DEVNULL
    )
    try:
        harness.wait(harness.reaper_pid, "the reaper is on duty")
        reaper = ProcessId.of(harness.reaper_pid() or 0)
        assert reaper is not None
    finally:
        parent.kill()
        parent.wait()
    harness.wait(lambda: not reaper.is_alive(), "the reaper has left")
    assert worker.me.is_alive() is False
    assert trees.alive(worker.token) == []
    assert harness.status("a") is Status.NOT_STARTED
    assert harness.db.swarm.flags() == {}


def test_a_file_of_another_program_is_refused_in_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear Sir or Madam, " * 500)
    done = subprocess.run(
        [sys.executable, "-m", "swarm_reaper", "--db", str(path)],
        capture_output=True,
        text=True,
        timeout=trees.DEADLINE_S,
        check=False,
    )
    assert done.returncode == 4
    assert "Traceback" not in done.stderr
    assert path.read_text().startswith("Dear Sir")
