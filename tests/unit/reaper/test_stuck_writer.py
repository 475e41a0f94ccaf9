"""A stuck writer: found after a while, killed only if it is ours and makes no progress, otherwise reported."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_harness import QueueHarness
from trees import wait_until

from swarm_reaper.stuck_writer import StuckWriter
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat

HOLD = """
import sys
from swarm_shared.database import TaskDatabase
with TaskDatabase(sys.argv[1]) as database, database.connection.transaction():
    print("held", flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows who holds a lock")


class Held(QueueHarness):
    """A database whose write lock another process holds from the first `hold` on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.writer = StuckWriter(self.db)
        self.holder = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.readline()\n" + HOLD, str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        found = ProcessId.of(self.holder.pid)
        assert found is not None
        self.identity = found

    def hold(self) -> None:
        assert self.holder.stdin is not None
        assert self.holder.stdout is not None
        self.holder.stdin.write("go\n")
        self.holder.stdin.flush()
        assert self.holder.stdout.readline() == "held\n"

    def stop(self) -> None:
        self.holder.send_signal(signal.SIGSTOP)
        wait_until(lambda: (s := read_stat(self.holder.pid)) is not None and s.state == "T", "it is stopped")

    def look_for(self, seconds: int) -> None:
        for _ in range(seconds):
            self.writer.run_once()
            self.clock.pass_s(1)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    held = Held(tmp_path)
    yield held
    held.holder.kill()
    held.holder.communicate()
    held.db.close()


def test_a_stopped_process_of_this_swarm_is_killed_after_five_seconds(held: Held) -> None:
    held.db.swarm.register_service("dashboard", held.identity)
    held.hold()
    held.stop()
    held.look_for(5)
    assert held.identity.is_alive()
    held.look_for(2)
    assert held.holder.wait(10) == -signal.SIGKILL
    held.look_for(2)
    assert held.writer.holder is None


def test_a_busy_process_of_this_swarm_is_reported_but_lives(held: Held, caplog: pytest.LogCaptureFixture) -> None:
    held.db.workers.register("worker-1", held.identity, held.identity, lease_s=120)
    held.hold()
    with caplog.at_level(logging.ERROR):
        held.look_for(8)
    assert held.identity.is_alive()
    assert held.writer.holder is not None
    assert held.writer.holder.name == "worker-1"
    assert caplog.text.count("writer_stuck") == 1


def test_a_worker_whose_lease_ran_out_while_it_holds_the_lock_is_killed(held: Held) -> None:
    held.db.workers.register("worker-1", held.identity, held.identity, lease_s=3)
    held.hold()
    held.look_for(8)
    assert held.holder.wait(10) == -signal.SIGKILL


def test_an_unrelated_process_that_holds_the_lock_is_reported_but_never_killed(
    held: Held, caplog: pytest.LogCaptureFixture
) -> None:
    held.hold()
    held.stop()
    with caplog.at_level(logging.ERROR):
        held.look_for(10)
    assert held.identity.is_alive()
    assert held.writer.holder is not None
    assert (held.writer.holder.name, held.writer.holder.stopped) == (None, True)
    assert str(held.holder.pid) in caplog.text
