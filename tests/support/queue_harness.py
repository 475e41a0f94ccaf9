"""A database with tasks and a worker row, for tests of the store that need no process."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fixed_time import ManualClock

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, Status, TaskSpec
from swarm_shared.domain.routes import Routing
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.policy import AttemptResult, Budgets

PASSED = AttemptResult(outcome=Outcome.PASSED)


def failed(failure: FailureClass, error: str = "it broke", **more: Any) -> AttemptResult:
    return AttemptResult(outcome=Outcome.FAILED, failure_class=failure, error=error, **more)


class QueueHarness:
    """Shortcuts for what the tests of the store do all the time."""

    def __init__(self, folder: Path, *, budgets: Budgets | None = None, routing: Routing | None = None) -> None:
        self.path = folder / "tasks.db"
        self.clock = ManualClock()
        self.db = TaskDatabase(self.path, clock=self.clock, rng=random.Random(1))
        self.budgets = budgets or Budgets(max_retries=2)
        self.routing = routing or Routing()
        self._claimants: dict[str, Claimant] = {}

    def add(self, *specs: TaskSpec | str, **how: Any) -> None:
        """Import tasks; a text is a task of that id."""
        made = [TaskSpec(id=s, name=f"task {s}") if isinstance(s, str) else s for s in specs]
        self.db.imports.run(made, source="a test", actor="test", **how)

    def claimant(self, worker_id: str = "worker-1") -> Claimant:
        if worker_id not in self._claimants:
            me = ProcessId.mine()
            run = self.db.workers.register(worker_id, me, me, lease_s=120)
            self._claimants[worker_id] = Claimant(
                run=run, worker_id=worker_id, agent_cli="command", routing=self.routing
            )
        return self._claimants[worker_id]

    def claim(self, worker_id: str = "worker-1") -> Claim | None:
        return self.db.queue.claim(self.claimant(worker_id))

    def take(self, worker_id: str = "worker-1") -> Claim:
        claim = self.claim(worker_id)
        assert claim is not None, "no task was ready"
        return claim

    def start(self, worker_id: str = "worker-1") -> Claim:
        """Claim and open a builder session."""
        claim = self.take(worker_id)
        self.db.queue.open_session(claim, role=Role.BUILDER, name="agent", stage=Stage.BUILDING, prompt="do it")
        return claim

    def settle(self, claim: Claim, result: AttemptResult = PASSED, answers: Sequence[int] = ()) -> None:
        self.db.queue.settle(claim, result, self.budgets, answers=tuple(answers))

    def run(self, result: AttemptResult = PASSED) -> str:
        """Claim the next task and settle it in this way; returns its id."""
        claim = self.start()
        self.settle(claim, result)
        return claim.task_id

    def status(self, task_id: str) -> Status:
        return Status(self.db.tasks.get(task_id)["status"])

    def task(self, task_id: str) -> dict[str, Any]:
        return self.db.tasks.get(task_id)

    def events(self) -> list[str]:
        return [event["event_type"] for event in self.db.events.newest(1000)]
