"""A database and its model on one walk: the open claims of the steps, and the comparison after each.

The steps themselves are in `queue_machine`.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixed_time import ManualClock
from hypothesis.stateful import RuleBasedStateMachine, invariant
from queue_model import CRASH_BUDGET, LEASE_MS, MAX_RETRIES, SILENCE_MS, Attempt, Model, Refused, Task

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import LeaseLost, StateError, SwarmError
from swarm_shared.domain.models import Role, Stage, Status, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import Lifelines
from swarm_shared.reaping import Limits, Reaping
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.queue.recovery import OpenAttempt
from swarm_shared.store.requests.steering import MustStop

WORKERS = 3
BUDGETS = Budgets(max_retries=MAX_RETRIES, crash_budget=CRASH_BUDGET)


class QueueWalk(RuleBasedStateMachine):
    """One database and one model, starting from an empty queue."""

    def __init__(self) -> None:
        super().__init__()
        # These walks are about rows: if there is a disk in memory they need not wait for another one.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        self._folder = tempfile.TemporaryDirectory(prefix="swarm-model-", dir=memory)
        self.clock = ManualClock()
        path = Path(self._folder.name) / "tasks.db"
        self.db = TaskDatabase(path, clock=self.clock, rng=random.Random(1))
        self.db.recovery.note_boot()
        self.model = Model(self.clock)
        self.workers = [self.register(n) for n in range(WORKERS)]
        self.hands: dict[int, Claim] = {}  # by run: the claim that each worker considers its own
        self.leases = {worker.run: self.clock.mono + LEASE_MS for worker in self.workers}
        self.over: set[int] = set()  # runs whose row has ended
        self.stale: list[Claim] = []
        self.tokens: dict[int, int] = {}
        # No process is ever killed here: it only reports what it would reclaim.
        limits = Limits(orphan_timeout_ms=SILENCE_MS, overdue_ms=0)
        self.judge = Reaping(
            self.db.recovery,
            self.db.workers,
            clock=self.clock,
            budgets=BUDGETS,
            limits=limits,
            lifelines=Lifelines(Path(self._folder.name)),
        )

    def teardown(self) -> None:
        damage = self.db.connection.rows("PRAGMA integrity_check") + self.db.connection.rows("PRAGMA foreign_key_check")
        self.db.close()
        self._folder.cleanup()
        assert damage == [("ok",)]

    # ───── invariants ─────

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        rows = self.db.connection.dicts("SELECT * FROM tasks ORDER BY seq")
        assert [row["id"] for row in rows] == list(self.model.tasks)
        for row in rows:
            task = self.model.tasks[row["id"]]
            if task.due_within:
                first, last = task.due_within
                assert first <= row["due_mono"] <= last
                task.due, task.due_within = row["due_mono"], None
            shown = Status.NOT_STARTED if row["status"] == Status.WAITING_FILES else row["status"]
            assert (row["id"], shown) == (row["id"], self.model.shown(task))
            stored = {
                "priority": task.priority,
                "chain": task.chain,
                "due_mono": task.due,
                "hold_reason": task.hold_reason,
                "failures": task.failures,
                "crashes": task.crashes,
                "landing_failures": task.refused,
                "attempt_count": task.attempts,
                "note": task.note,
                "blockers": len(self.model.unmet(task)),
                "open_attempt": task.open.claim.attempt if task.open else None,
            }
            assert {"id": row["id"], **{name: row[name] for name in stored}} == {"id": row["id"], **stored}
            assert row["lease_token"] >= self.tokens.get(row["seq"], 0), "a token went back"
            self.tokens[row["seq"]] = row["lease_token"]

    @invariant()
    def counters_and_attempts_agree_with_the_rows(self) -> None:
        count = "SELECT status, count(*) FROM tasks GROUP BY 1 ORDER BY 1"
        kept = "SELECT status, sum(tasks) AS n FROM counters GROUP BY 1 HAVING n <> 0 ORDER BY 1"
        assert self.db.connection.rows(kept) == self.db.connection.rows(count)
        tried = self.db.connection.rows(
            """SELECT t.id, count(*), max(a.number) FROM attempts AS a JOIN tasks AS t ON t.seq = a.task
               WHERE a.kind = 'work' GROUP BY 1 ORDER BY 1"""
        )
        assert tried == sorted((i, t.attempts, t.attempts) for i, t in self.model.tasks.items() if t.attempts)
        running = self.db.connection.rows("SELECT id FROM attempts WHERE ended_at IS NULL ORDER BY 1")
        assert running == sorted((task.open.claim.attempt,) for task in self.model.open() if task.open)

    @invariant()
    def a_lease_holds_for_its_owner_alone(self) -> None:
        for claim in (*self.hands.values(), *self.stale[-5:]):
            assert self.db.queue.owns(claim) == (self.owner(claim) is not None)

    @invariant()
    def only_lost_attempts_look_orphaned(self) -> None:
        expected = {task.spec.id for task in self.model.open() if task.open and self.is_orphan(task.open)}
        assert {orphan.task_id for orphan in self.judge.orphans()} == expected

    # ───── shortcuts ─────

    def register(self, n: int) -> Claimant:
        me = ProcessId.mine()
        run = self.db.workers.register(f"worker-{n}", me, me, lease_s=LEASE_MS / 1000)
        return Claimant(run=run, worker_id=f"worker-{n}", agent_cli="command")

    def given(self, worker: Claimant, expected: Task | None, claim: Claim | None) -> None:
        assert (claim and claim.task_id) == (expected and expected.spec.id)
        if claim is None or expected is None:
            return
        assert claim.token > self.tokens.get(claim.task, 0)
        if not claim.landing:
            assert (claim.note, claim.number) == (expected.note, expected.attempts + 1)
        self.model.claimed(expected, claim)
        self.hands[worker.run] = claim

    def held(self, pick: int, *, landing: bool = False) -> tuple[Claim, Task | None]:
        """A claim that a worker considers its own, and its task if it has it."""
        claims = [claim for claim in self.hands.values() if claim.landing or not landing]
        claim = claims[pick % len(claims)]
        return claim, self.owner(claim)

    def task_of(self, claim: Claim) -> Task | None:
        """The task that the claim's attempt has open, with or without the lease."""
        return next((t for t in self.model.open() if t.open and t.open.claim.attempt == claim.attempt), None)

    def owner(self, claim: Claim) -> Task | None:
        task = self.task_of(claim)
        return task if task and task.open and task.open.ending is None else None

    def open(self, pick: int) -> tuple[Task, Attempt, OpenAttempt]:
        tasks = list(self.model.open())
        task = tasks[pick % len(tasks)]
        assert task.open is not None
        row = next(r for r in self.db.recovery.open_attempts() if r.attempt == task.open.claim.attempt)
        return task, task.open, row

    def is_orphan(self, attempt: Attempt) -> bool:
        run = attempt.claim.run
        return (
            attempt.ending is not None
            or run in self.over
            or self.hands.get(run) != attempt.claim
            or self.clock.mono > self.leases[run]
            or self.clock.mono - attempt.progress > SILENCE_MS
        )

    def any_task(self, pick: int) -> Task:
        return list(self.model.tasks.values())[pick % len(self.model.tasks)]

    def session(self, claim: Claim, role: Role, stage: Stage) -> None:
        self.db.queue.open_session(claim, role=role, name="agent", stage=stage, prompt="do it")

    def apply(self, verb: Verb, task: Task, argument: dict[str, Any]) -> None:
        with self.db.connection.transaction():
            done = self.db.steering.apply(verb, task.spec.id, argument, actor="test")
        if isinstance(done, MustStop):
            raise StateError(done.why)  # the model refuses it: no agent is stopped on this walk

    def both(self, real: Callable[[], object], model: Callable[[], None]) -> bool:
        """Do it on both, or check that both refuse it and change nothing."""
        try:
            model()
        except Refused:
            before = self.snapshot()
            with pytest.raises(SwarmError):
                real()
            assert self.snapshot() == before
            return False
        real()
        return True

    def lost(self, write: Callable[[], object]) -> None:
        before = self.snapshot()
        with pytest.raises(LeaseLost):
            write()
        assert self.snapshot() == before

    def snapshot(self) -> list[list[tuple[Any, ...]]]:
        tables = ("tasks", "attempts", "dependencies", "definitions", "sessions")
        return [self.db.connection.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]
