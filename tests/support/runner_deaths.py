"""What every runner promises about the remains when things die. `promised_by` names the runners."""

from __future__ import annotations

import itertools
import random
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from live_swarm import wait_until
from runner_engines import AGENTS_ELSEWHERE, CONTAINED, FOLLOWED, promised_by
from runner_harness import ESCAPE, Kill, Matrix, RunnerHarness, is_free, kill, kill_one_of

from swarm_shared.domain.models import HoldReason, Status, TaskSpec

# Overlapping attempts of one task would meet at its lock. A command that is ended by a signal is not an overlap.
LEDGER = """flock -n -E 99 $AMPLIFIER_SWARM_TASK_ID.lock sh -c 'echo start >> ledger; sleep 1'
code=$?
[ $code != 99 ] || echo overlap >> ledger
exit $code"""
LONG_S = 300.0
OF_THE_ENGINE = 0.3  # the share of each event; the others are kills of our own processes
VICTIMS = [("client",), ("worker",), ("keeper",), ("worker", "keeper"), ("worker", "keeper", "client")]


@promised_by(*CONTAINED)
def test_the_escapee_of_a_session_ends_with_it(runner: RunnerHarness) -> None:
    swarm = runner.swarm
    swarm.add(TaskSpec(id="b", name="b", run=ESCAPE + "while flock -n held true; do :; done"))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("b", Status.COMPLETED, s=60)
    assert is_free(swarm.project / "held")
    assert runner.runs() == []


@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
@promised_by(*CONTAINED)
def test_after_a_kill_nothing_is_left_and_the_task_is_run_again(
    runner: RunnerHarness, victims: tuple[str, ...]
) -> None:
    assert_done_again_after_killing(runner, victims)


def assert_done_again_after_killing(runner: RunnerHarness, victims: tuple[str, ...]) -> None:
    """Kill them while a task's first attempt runs, which never ends by itself and leaves a process that hides."""
    swarm, held = runner.swarm, begin_escape(runner)
    swarm.reaper()
    (worker,) = swarm.db.workers.alive()
    assert worker.keeper is not None
    wait_until(runner.clients, swarm.logs)
    pids = {
        "worker": [worker.process.pid],
        "keeper": [worker.keeper.pid],
        "client": runner.clients(),
        "supervisor": runner.supervisors(),
    }
    assert all(pids[victim] for victim in victims)
    kill(*(pid for victim in victims for pid in pids[victim]))
    if {"worker", "keeper"} & {*victims}:
        swarm.worker("worker-2", "--no-validation")
    assert_done_again(runner, held)


def begin_escape(runner: RunnerHarness) -> Path:
    """Run the task `a`, whose first attempt never ends by itself; the file that its escapee locks."""
    swarm = runner.swarm
    swarm.add(TaskSpec(id="a", name="a", run=ESCAPE + "sleep 600", timeout_minutes=1, max_retries=5))
    held = swarm.project / "held"
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: held.exists() and not is_free(held), swarm.logs, s=60)
    return held


def assert_done_again(runner: RunnerHarness, held: Path) -> None:
    swarm = runner.swarm
    swarm.wait_for("a", Status.COMPLETED, s=120)
    assert is_free(held)
    assert len(swarm.attempts("a")) == 2
    wait_until(lambda: runner.runs() == [], runner.runs)
    assert swarm.leftovers() == []


@promised_by(*AGENTS_ELSEWHERE)
def test_a_run_on_a_lost_node_is_unknown_until_the_node_is_back(runner: RunnerHarness) -> None:
    swarm, held = runner.swarm, begin_escape(runner)
    swarm.reaper()
    (worker,) = swarm.db.workers.alive()
    assert worker.keeper is not None
    with runner.lose_node() as node:
        kill(worker.process.pid, worker.keeper.pid)
        swarm.worker("worker-2", "--no-validation")
        swarm.wait_for("a", Status.HELD, s=90)
        task = swarm.db.tasks.get("a")
        assert task["hold_reason"] == HoldReason.NOT_PROVEN_DEAD
        assert node in task["last_error"]
        assert len(swarm.attempts("a")) == 1
    assert_done_again(runner, held)


class Killer:
    """Kills what runs, and starts again what is needed."""

    def __init__(self, runner: RunnerHarness, matrix: Matrix) -> None:
        self._runner, self._swarm, self._sessions = runner, runner.swarm, matrix.sessions
        self._rng = random.Random(7)
        self._own: Mapping[str, Kill] = {
            "client": kill_one_of(runner.clients),
            "worker": kill_one_of(lambda: [worker.process.pid for worker in self._alive()]),
            "keeper": kill_one_of(lambda: [worker.keeper.pid for worker in self._alive() if worker.keeper is not None]),
            "worker and keeper": self._both,
            "reaper": kill_one_of(lambda: [self._reaper.pid]),
        }
        self._faults = runner.faults()
        self.done = Counter(dict.fromkeys((*self._own, *self._faults), 0))
        # One that crashes often would wait longer and longer.
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._reaper = self._swarm.reaper()
        self._workers = [self._worker() for _ in range(self._sessions)]

    def keep_up(self) -> None:
        """Let there be a reaper and all workers."""
        if self._reaper.poll() is not None:
            self._reaper = self._swarm.reaper()
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        self._workers += [self._worker() for _ in range(self._sessions - len(self._workers))]

    def strike(self) -> None:
        time.sleep(self._rng.uniform(0.3, 1.5))  # the moment of the kill is the point of the test
        kills = self._faults if self._faults and self._rng.random() < OF_THE_ENGINE else self._own
        victim = self._rng.choice([*kills])
        self.done[victim] += kills[victim](self._rng)

    def is_done(self) -> bool:
        self.keep_up()
        self._swarm.db.swarm.resume(actor="test")
        return all(row[0] == Status.COMPLETED for row in self._swarm.db.connection.rows("SELECT status FROM tasks"))

    def _worker(self) -> object:
        return self._swarm.worker(next(self._names), "--no-validation")

    def _alive(self) -> list[object]:
        return list(self._swarm.db.workers.alive())

    def _both(self, rng: random.Random) -> int:
        alive = [worker for worker in self._alive() if worker.keeper is not None]
        if not alive:
            return 0
        worker = rng.choice(alive)
        kill(worker.process.pid, worker.keeper.pid)
        return 1


@promised_by(*FOLLOWED)
def test_no_attempt_overlaps_and_none_is_lost_while_everything_is_killed(runner: RunnerHarness) -> None:
    swarm, matrix = runner.swarm, runner.matrix.or_as_asked()
    swarm.settings |= {"SWARM_CRASH_BUDGET": "1000", "SWARM_CRASH_BACKOFF_S": "0", "SWARM_MAX_RETRIES": "1000"}
    swarm.settings |= {"SWARM_STOP_ON_SAME_PROBLEM": "false"}
    ids = [f"t{number}" for number in range(matrix.tasks)]
    swarm.add(*(TaskSpec(id=task, name=task, run=LEDGER, timeout_minutes=0.5) for task in ids))
    began = time.monotonic()
    killer = Killer(runner, matrix)
    ledger = swarm.project / "ledger"
    wait_until(ledger.exists, swarm.logs, s=LONG_S)
    ends = time.monotonic() + matrix.kill_s
    while time.monotonic() < ends:
        killer.keep_up()
        killer.strike()
    runner.mend()
    wait_until(killer.is_done, swarm.logs, s=LONG_S + matrix.tasks)
    lines = ledger.read_text().split()
    took_s = time.monotonic() - began
    size = f"{matrix.tasks} tasks, {matrix.sessions} sessions, {took_s:.0f} s"
    print(f"{runner.name}: {size}, {Counter(lines)}, killed: {dict(killer.done)}")
    assert lines.count("overlap") == 0
    assert lines.count("start") >= matrix.tasks
    assert killer.done.total() > 10
    wait_until(lambda: runner.runs_of_sessions() == [], runner.runs_of_sessions, s=90)
