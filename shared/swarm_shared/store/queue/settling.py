"""The end of an attempt as its worker reports it: one durable transaction."""

from __future__ import annotations

import random

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import LeaseLost
from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.queue.settlement import Settlement
from swarm_shared.store.sql import SQL


class Settling(DataAccess):
    """What a worker does once an attempt is over."""

    def __init__(self, connection: Connection, clock: Clock, rng: random.Random) -> None:
        super().__init__(connection, clock)
        self._settlement = Settlement(connection, clock, rng)

    def settle(self, claim: Claim, result: AttemptResult, budgets: Budgets, *, answers: tuple[int, ...] = ()) -> None:
        """Close the attempt, move the task and free the worker; on disk when this returns.

        Only to be called when the attempt's process tree is proven gone.

        Args:
            answers: Control rows that this end carries out.

        Raises:
            LeaseLost: The task has another owner; of the result nothing was written.
            DatabaseError: Nothing was written, or only the sync failed; a second call then finds no open attempt.
        """
        with self._db.transaction():
            lost = self._settle(claim, result, budgets, answers)
            counts = lost is None and not claim.landing
            self._db.change(
                SQL["free_worker"],
                {
                    "run": claim.run,
                    "completed": int(counts and result.outcome is Outcome.PASSED),
                    "failed": int(counts and result.failure_class is FailureClass.QUALITY),
                },
            )
        if lost is not None:
            raise LeaseLost(f"task {claim.task_id}: attempt {claim.number} lost its lease") from lost

    def _settle(
        self, claim: Claim, result: AttemptResult, budgets: Budgets, answers: tuple[int, ...]
    ) -> LeaseLost | None:
        try:
            self._settlement.settle(
                claim.task, claim.attempt, result, budgets, worker_id=claim.worker_id, token=claim.token
            )
        except LeaseLost as error:
            self._event(
                "stale_write_refused",
                f"attempt {claim.number} tried to settle without its lease",
                task=claim.task,
                task_id=claim.task_id,
                attempt=claim.attempt,
                worker_id=claim.worker_id,
            )
            return error
        for row in answers:
            self._db.change(
                SQL["finish_control"],
                {
                    "id": row,
                    "status": "done",
                    "handled_by": claim.worker_id,
                    "wall": self._clock.wall_ms(),
                    "result": f"attempt {claim.number} {result.outcome}",
                },
            )
        return None
