"""What dies is reaped: its process tree is gone first, then its task continues, soon and only once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from reaper_desk import ReaperDesk, StubbornWorker, reaper_desk
from stopwatch import Stopwatch

from swarm_shared.domain.models import Status
from swarm_shared.processes.identity import ProcessId

pytestmark = pytest.mark.integration
READY = Status.NOT_STARTED


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ReaperDesk]:
    with reaper_desk(tmp_path) as desk:
        yield desk


def kill(*workers: StubbornWorker) -> None:
    for worker in workers:
        worker.signal(signal.SIGKILL)


def tree_below(worker: StubbornWorker) -> list[int]:
    return trees.alive(worker.token)


def test_the_task_of_a_killed_worker_is_ready_again_and_its_tree_is_gone(desk: ReaperDesk) -> None:
    desk.add("a")
    desk.reaper()
    worker = desk.worker()
    desk.wait(lambda: len(tree_below(worker)) == 4, "the agent's tree is up")
    kill(worker)
    watch = Stopwatch()
    desk.wait_for("a", READY)
    assert watch.own_s() < 2, desk.log()
    assert tree_below(worker) == []
    (attempt,) = desk.attempts("a")
    assert (attempt["outcome"], attempt["failure_class"]) == ("failed", "crash")
    assert "died" in attempt["error"]

    def kinds() -> list[str]:
        return [event["event_type"] for event in desk.db.events.newest(20)]

    # The worker's own end is written down after that of its attempt.
    desk.wait(lambda: "worker_crashed" in kinds(), "the end of the worker is told")
    assert kinds()[-3:].count("orphaned") == 1
    assert "requeued" in kinds()


def test_the_token_is_raised_before_the_task_is_assigned_again(desk: ReaperDesk) -> None:
    desk.add("a")
    desk.reaper()
    first = desk.worker()
    kill(first)
    desk.wait_for("a", READY)
    second = desk.worker()
    assert second.attempt != first.attempt
    tokens = desk.db.connection.rows("SELECT token FROM attempts ORDER BY number")
    assert tokens[1][0] >= tokens[0][0] + 2


def test_a_frozen_worker_is_killed_when_its_lease_has_run_out_and_never_wakes_up(desk: ReaperDesk) -> None:
    desk.add("a")
    desk.reaper(SWARM_HEARTBEAT_S="0.2")
    worker = desk.worker(lease_s=0.8)
    worker.signal(signal.SIGSTOP)
    desk.wait_for("a", READY)
    assert worker.process.wait(trees.DEADLINE_S) == 128 + signal.SIGKILL
    assert tree_below(worker) == []
    assert "heartbeat" in desk.attempts("a")[0]["error"]


def test_a_worker_that_renews_its_lease_keeps_its_task(desk: ReaperDesk) -> None:
    desk.add("a", "b")
    desk.reaper(SWARM_HEARTBEAT_S="0.2")
    steady = desk.worker("worker-1", lease_s=0.8)
    frozen = desk.worker("worker-2", lease_s=0.8)
    frozen.signal(signal.SIGSTOP)
    desk.wait_for("b", READY)
    assert desk.status("a") == Status.IN_PROGRESS
    assert steady.me.is_alive()


def test_worker_and_keeper_killed_at_once_leave_nothing_that_bears_their_mark(desk: ReaperDesk) -> None:
    desk.add("a")
    desk.reaper()
    token = trees.fresh_token()
    worker = desk.worker(agent=["/bin/sh", "-c", '(setsid sleep "$1" &); sleep "$1" & wait', "sh", token])
    desk.wait(lambda: len(trees.alive(token)) == 3, "the agent's tree is up")
    # Stopped first, so that the keeper cannot do its work in between.
    worker.keeper.kill(signal.SIGSTOP)
    kill(worker)
    worker.keeper.kill(signal.SIGKILL)
    desk.wait_for("a", READY)
    assert trees.alive(token) == []


def test_many_deaths_at_once_are_all_reaped(desk: ReaperDesk) -> None:
    names = [f"t{number}" for number in range(6)]
    desk.add(*names)
    desk.reaper()
    workers = [desk.worker(f"worker-{number}") for number in range(6)]
    kill(*workers)
    for name in names:
        desk.wait_for(name, READY)
    assert [tree_below(worker) for worker in workers] == [[]] * 6


def test_what_died_while_no_reaper_ran_is_reaped_by_the_next_one(desk: ReaperDesk) -> None:
    desk.add("a")
    worker = desk.worker()
    kill(worker)
    desk.wait(lambda: not tree_below(worker), "the keeper has ended the tree")
    desk.reaper()
    desk.wait_for("a", READY)


def test_the_third_crash_holds_the_task(desk: ReaperDesk) -> None:
    desk.add("a")
    desk.reaper(SWARM_CRASH_BACKOFF_S="0")
    for number in range(3):
        worker = desk.worker(f"worker-{number}")
        kill(worker)
        desk.wait_for("a", *([Status.HELD] if number == 2 else [READY, Status.SCHEDULED]))
    assert desk.db.tasks.get("a")["hold_reason"] == "crashed_repeatedly"


def started_after(ticks: int) -> subprocess.Popen[bytes]:
    """A process with a later start time: two that reuse a pid within one clock tick have the same identity."""
    while True:
        process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
        identity = ProcessId.of(process.pid)
        if identity is not None and identity.start_time > ticks:
            return process
        process.kill()
        process.wait()


def test_a_pid_that_went_to_a_stranger_is_not_signalled(desk: ReaperDesk) -> None:
    desk.add("a")
    worker = desk.worker()
    kill(worker)
    worker.process.wait()
    stranger = started_after(desk.db.connection.value("SELECT max(pid_start) FROM sessions"))
    try:
        # As if the kernel had given the dead worker's and keeper's and agent's numbers to others.
        for change in (
            "UPDATE workers SET pid = ?, tree_gone_at = NULL",
            "UPDATE workers SET keeper_pid = ?",
            "UPDATE sessions SET pid = ?",
        ):
            with desk.db.connection.transaction():
                desk.db.connection.change(change, (stranger.pid,))
        desk.reaper()
        desk.wait_for("a", READY)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_frozen_writer_is_killed_so_that_others_can_write(desk: ReaperDesk) -> None:
    desk.add("a", "b")
    worker = desk.worker()
    desk.reaper()
    worker.signal(signal.SIGUSR1)
    assert worker.read() == {"locked": True}
    worker.signal(signal.SIGSTOP)
    desk.db.connection.busy_timeout_s = 0.1
    assert not desk.db.connection.takes_writes(within_s=0.1)
    assert worker.process.wait(trees.DEADLINE_S) == 128 + signal.SIGKILL
    desk.db.connection.busy_timeout_s = 20
    desk.wait_for("a", READY)
    assert os.path.exists(desk.path)
