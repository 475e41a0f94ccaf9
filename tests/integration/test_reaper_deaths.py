"""Dead workers are reaped: first the process tree is gone, then the task continues, soon and only once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from reaper_harness import ReaperHarness, StubbornWorker, reaper_harness
from stopwatch import Stopwatch

from swarm_shared.domain.models import Status
from swarm_shared.processes.identity import ProcessId

pytestmark = pytest.mark.integration
READY = Status.NOT_STARTED


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReaperHarness]:
    with reaper_harness(tmp_path) as harness:
        yield harness


def kill(*workers: StubbornWorker) -> None:
    for worker in workers:
        worker.signal(signal.SIGKILL)


def tree_below(worker: StubbornWorker) -> list[int]:
    return trees.alive(worker.token)


def test_the_task_of_a_killed_worker_is_ready_again_and_its_tree_is_gone(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper()
    worker = harness.worker()
    harness.wait(lambda: len(tree_below(worker)) == 4, "the agent's tree is up")
    kill(worker)
    watch = Stopwatch()
    harness.wait_for("a", READY)
    assert watch.own_s() < 2, harness.log()
    assert tree_below(worker) == []
    (attempt,) = harness.attempts("a")
    assert (attempt["outcome"], attempt["failure_class"]) == ("failed", "crash")
    assert "died" in attempt["error"]

    def kinds() -> list[str]:
        return [event["event_type"] for event in harness.db.events.newest(20)]

    # The worker's own end is written down after that of its attempt.
    harness.wait(lambda: "worker_crashed" in kinds(), "the end of the worker is an event")
    assert kinds()[-3:].count("orphaned") == 1
    assert "requeued" in kinds()


def test_the_token_is_raised_before_the_task_is_assigned_again(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper()
    first = harness.worker()
    kill(first)
    harness.wait_for("a", READY)
    second = harness.worker()
    assert second.attempt != first.attempt
    tokens = harness.db.connection.rows("SELECT token FROM attempts ORDER BY number")
    assert tokens[1][0] >= tokens[0][0] + 2


def test_a_frozen_worker_is_killed_when_its_lease_has_run_out_and_never_wakes_up(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper(SWARM_HEARTBEAT_S="0.2")
    worker = harness.worker(lease_s=0.8)
    worker.signal(signal.SIGSTOP)
    harness.wait_for("a", READY)
    assert worker.process.wait(trees.DEADLINE_S) == 128 + signal.SIGKILL
    assert tree_below(worker) == []
    assert "heartbeat" in harness.attempts("a")[0]["error"]


def test_a_worker_that_renews_its_lease_keeps_its_task(harness: ReaperHarness) -> None:
    harness.add("a", "b")
    harness.reaper(SWARM_HEARTBEAT_S="0.2")
    steady = harness.worker("worker-1", lease_s=0.8)
    frozen = harness.worker("worker-2", lease_s=0.8)
    frozen.signal(signal.SIGSTOP)
    harness.wait_for("b", READY)
    assert harness.status("a") == Status.IN_PROGRESS
    assert steady.me.is_alive()


def test_worker_and_keeper_killed_at_once_leave_no_process_with_their_mark(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper()
    token = trees.fresh_token()
    worker = harness.worker(agent=["/bin/sh", "-c", '(setsid sleep "$1" &); sleep "$1" & wait', "sh", token])
    harness.wait(lambda: len(trees.alive(token)) == 3, "the agent's tree is up")
    # Stopped first, so that the keeper cannot do its work in between.
    worker.keeper.kill(signal.SIGSTOP)
    kill(worker)
    worker.keeper.kill(signal.SIGKILL)
    harness.wait_for("a", READY)
    assert trees.alive(token) == []


def test_many_deaths_at_once_are_all_reaped(harness: ReaperHarness) -> None:
    names = [f"t{number}" for number in range(6)]
    harness.add(*names)
    harness.reaper()
    workers = [harness.worker(f"worker-{number}") for number in range(6)]
    kill(*workers)
    for name in names:
        harness.wait_for(name, READY)
    assert [tree_below(worker) for worker in workers] == [[]] * 6


def test_a_worker_that_died_while_no_reaper_ran_is_reaped_by_the_next_one(harness: ReaperHarness) -> None:
    harness.add("a")
    worker = harness.worker()
    kill(worker)
    harness.wait(lambda: not tree_below(worker), "the keeper has ended the tree")
    harness.reaper()
    harness.wait_for("a", READY)


def test_the_third_crash_holds_the_task(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper(SWARM_CRASH_BACKOFF_S="0")
    for number in range(3):
        worker = harness.worker(f"worker-{number}")
        kill(worker)
        harness.wait_for("a", *([Status.HELD] if number == 2 else [READY, Status.SCHEDULED]))
    assert harness.db.tasks.get("a")["hold_reason"] == "crashed_repeatedly"


def started_after(ticks: int) -> subprocess.Popen[bytes]:
    """A process with a later start time: two that reuse a pid within one clock tick have the same identity."""
    while True:
        process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        identity = ProcessId.of(process.pid)
        if identity is not None and identity.start_time > ticks:
            return process
        process.kill()
        process.wait()


def test_a_pid_reused_by_an_unrelated_process_is_not_signalled(harness: ReaperHarness) -> None:
    harness.add("a")
    worker = harness.worker()
    kill(worker)
    worker.process.wait()
    stranger = started_after(harness.db.connection.value("SELECT max(pid_start) FROM sessions"))
    try:
        # As if the kernel had given the pids of the dead worker, keeper and agent to other processes.
        for change in (
            "UPDATE workers SET pid = ?, tree_gone_at = NULL",
            "UPDATE workers SET keeper_pid = ?",
            "UPDATE sessions SET pid = ?",
        ):
            with harness.db.connection.transaction():
                harness.db.connection.change(change, (stranger.pid,))
        harness.reaper()
        harness.wait_for("a", READY)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_frozen_writer_is_killed_so_that_others_can_write(harness: ReaperHarness) -> None:
    harness.add("a", "b")
    worker = harness.worker()
    harness.reaper()
    worker.signal(signal.SIGUSR1)
    assert worker.read() == {"locked": True}
    worker.signal(signal.SIGSTOP)
    harness.db.connection.busy_timeout_s = 0.1
    assert not harness.db.connection.takes_writes(within_s=0.1)
    assert worker.process.wait(trees.DEADLINE_S) == 128 + signal.SIGKILL
    harness.db.connection.busy_timeout_s = 20
    harness.wait_for("a", READY)
    assert os.path.exists(harness.path)
