"""Reclaims a task from an attempt, and closes the attempt once its process tree is proven gone.

Rows only; signals and proofs are `swarm_shared.reaping`'s. Each step is safe to crash after: the reason is stored with
the raised token, so that the next process to look finishes the work.
"""

from __future__ import annotations

import random
import sys
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import LeaseLost, StateError
from swarm_shared.domain.models import FailureClass, Outcome, Status
from swarm_shared.domain.runners import Run
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess, from_json, to_json
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.queue.settlement import Settlement
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.workers import WorkerRun

# Longer than the worst wait of a healthy, busy queue, so that only a stuck writer is taken for one.
WRITABLE_WITHIN_S = 0.5
# The user has decided that the task continues: no result of the old attempt holds it.
_FREE = Budgets(max_retries=sys.maxsize, crash_budget=sys.maxsize, crash_backoff_s=0.0)

TAKE_MY_WORD = "amplifier-swarm {} {} --gone"


class Ending(Struct, frozen=True, kw_only=True):
    """What an attempt ends as once nothing of its tree is left; stored when its token is raised."""

    outcome: Outcome
    failure_class: FailureClass | None
    error: str
    control: tuple[int, ...] = ()  # rows that this end answers
    by: str = "reaper"

    @property
    def is_orphaned(self) -> bool:
        """Whether it was unintended: neither requested by a user nor part of a stop of the whole swarm."""
        return self.outcome is Outcome.FAILED and self.failure_class is not FailureClass.INTERRUPTED

    def as_json(self) -> str:
        return (
            to_json(
                {
                    "outcome": self.outcome,
                    "failure_class": self.failure_class,
                    "error": self.error,
                    "control": list(self.control),
                    "by": self.by,
                }
            )
            or ""
        )

    @classmethod
    def from_json(cls, text: str) -> Ending:
        raw = from_json(text)
        return cls(
            outcome=Outcome(raw["outcome"]),
            failure_class=FailureClass(raw["failure_class"]) if raw["failure_class"] else None,
            error=raw["error"],
            control=tuple(raw["control"]),
            by=raw["by"],
        )


def crash(error: str) -> Ending:
    """The end of an attempt whose worker or agent died."""
    return Ending(outcome=Outcome.FAILED, failure_class=FailureClass.CRASH, error=error)


class OpenAttempt(Struct, frozen=True, kw_only=True):
    """An attempt whose process tree is not yet proven gone, with everything needed to judge and end it."""

    attempt: str
    number: int
    task: int
    task_id: str
    status: str
    claimed_at: int
    progress_at: int
    progress_mono: int
    ended: bool  # its end was settled before; only the proof is missing
    ending: Ending | None  # set once it is fenced
    run: int
    worker_id: str
    worker: ProcessId
    hostname: str
    heartbeat_at: int  # of its worker, by the clock of the worker's machine
    worker_over: bool  # its row says stopped or crashed
    worker_has_it: bool  # its row still names this attempt
    keeper: ProcessId | None
    lease_until_mono: int
    tree_gone: bool  # the keeper left its own proof

    def shown(self) -> dict[str, Any]:
        """For the README's `find_orphaned_tasks`."""
        return {
            "id": self.task_id,
            "status": self.status,
            "attempt": self.number,
            "worker_id": self.worker_id,
            "claimed_at": self.claimed_at,
            "last_progress_at": self.progress_at,
        }


class Recovery(DataAccess):
    """The rows' part of reaping."""

    def __init__(self, connection: Connection, clock: Clock, rng: random.Random) -> None:
        super().__init__(connection, clock)
        self._settlement = Settlement(connection, clock, rng)

    def open_attempts(self) -> list[OpenAttempt]:
        """Everything that runs or is not proven gone; as many rows as there are workers, whatever the queue's size."""
        return [_from_row(row) for row in self._db.dicts(SQL["open_attempts"])]

    def recorded_processes(self, attempt: OpenAttempt) -> list[ProcessId]:
        """The session processes that the attempt wrote down."""
        return [
            attempt.worker.beside(row["pid"], row["pid_start"])
            for row in self._db.dicts(SQL["sessions_of_attempt"], {"attempt": attempt.attempt})
            if row["pid"] is not None
        ]

    def open_runs(self, attempt: OpenAttempt) -> list[Run]:
        """What runners have started for it outside its worker's process tree, and is not proven gone."""
        rows = self._db.rows(SQL["open_runs"], {"attempt": attempt.attempt})
        return [Run(runner=runner, name=name, engine=engine) for runner, name, engine in rows]

    def note_run_gone(self, attempt: OpenAttempt, run: Run) -> None:
        values = {"attempt": attempt.attempt, "run_name": run.name, "wall": self._clock.wall_ms()}
        with self._db.transaction():
            self._db.change(SQL["run_is_gone"], values)

    def to_be_proven(self) -> list[ProcessId]:
        """Keepers and services whose end is not written down yet, or whose attempts still wait for their proof."""
        workers = [WorkerRun.from_row(row) for row in self._db.rows(SQL["alive_workers"])]
        services = [ProcessId.from_row(*row[1:6]) for row in self._db.rows(SQL["services"]) if row[8] is None]
        keepers = [worker.keeper for worker in workers] + [attempt.keeper for attempt in self.open_attempts()]
        return [*services, *(keeper for keeper in keepers if keeper is not None)]

    def takes_writes(self) -> bool:
        """Whether the database takes writes now, so that a worker's sign of life could be written."""
        return self._db.takes_writes(within_s=WRITABLE_WITHIN_S)

    def fence(self, attempt: OpenAttempt, ending: Ending, *, if_unmoved: bool = False) -> bool:
        """Raise the task's token with the reason, in one durable transaction.

        Args:
            if_unmoved: Only if neither lease nor progress has been renewed since `attempt` was read: the write lock
                may have come late, and with it the signs of life of everyone else.

        Returns:
            False when the attempt was already fenced (the first reason is kept) or has moved on.
        """
        values = {
            "task": attempt.task,
            "attempt": attempt.attempt,
            "wall": self._clock.wall_ms(),
            "fenced_as": ending.as_json(),
        }
        with self._db.transaction():
            moved = (attempt.lease_until_mono, attempt.progress_mono) != self._db.row(
                SQL["signs_of_life"], {"attempt": attempt.attempt}
            )
            if (if_unmoved and moved) or not self._db.change(SQL["fence_attempt"], values):
                return False
            self._db.change(SQL["fence_task"], values)
            if ending.is_orphaned:
                self._event(
                    "orphaned",
                    ending.error,
                    task=attempt.task,
                    task_id=attempt.task_id,
                    attempt=attempt.attempt,
                    worker_id=attempt.worker_id,
                )
            return True

    def override(self, attempt: OpenAttempt, ending: Ending) -> bool:
        """Replace the reason of an attempt that is being ended by the user's; False when it is over already."""
        values = {"attempt": attempt.attempt, "fenced_as": ending.as_json()}
        with self._db.transaction():
            return bool(self._db.change(SQL["override_ending"], values))

    def close(self, attempt: OpenAttempt, ending: Ending, budgets: Budgets) -> bool:
        """Settle a fenced attempt; only to be called when its tree is proven gone.

        Returns:
            False when another process has proven and closed it.
        """
        with self._db.transaction():
            return self._close(attempt, ending, budgets)

    def take_word(self, attempt: str) -> None:
        """Close an attempt whose tree cannot be proven gone, because the user confirms that it is.

        Joins the caller's transaction.

        Raises:
            StateError: What is left of it can be seen from here, and lives; or it is not waiting for a proof.
        """
        found = next((each for each in self.open_attempts() if each.attempt == attempt), None)
        if found is None:
            raise StateError("it no longer waits for a proof", hint="look again: it may be ready by now")
        known = [found.worker, *([found.keeper] if found.keeper else []), *self.recorded_processes(found)]
        living = [process.describe() for process in known if process.is_alive()]
        if living:
            raise StateError(
                f"processes of attempt {found.number} of task {found.task_id} live: {', '.join(living[:5])}",
                hint="end them; the reaper then has its proof",
            )
        self._close(found, found.ending or crash("ended before"), _FREE)

    def _close(self, attempt: OpenAttempt, ending: Ending, budgets: Budgets) -> bool:
        wall = self._clock.wall_ms()
        status, fenced_as = self._db.row(SQL["task_and_ending"], {"attempt": attempt.attempt}) or ("", None)
        # Read again: a user's request may have come since the caller looked.
        ending = Ending.from_json(fenced_as) if fenced_as else ending
        if status == Status.CANCELLED:
            # Cancelled while it was held as not proven dead: the proof must not bring the task back.
            ending = replace(ending, outcome=Outcome.CANCELLED, failure_class=None)
        result = AttemptResult(
            outcome=ending.outcome,
            failure_class=ending.failure_class,
            error=ending.error,
            out_of_time=ending.failure_class is FailureClass.QUALITY,  # the only fault that is found from outside
        )
        if attempt.ended:
            self._db.change(SQL["prove_gone"], {"task": attempt.task, "attempt": attempt.attempt, "wall": wall})
            return True
        try:
            self._settlement.settle(
                attempt.task,
                attempt.attempt,
                result,
                budgets,
                worker_id=attempt.worker_id,
                keep_results=True,
            )
        except LeaseLost:
            return False
        for row in ending.control:
            self._db.change(
                SQL["finish_control"],
                {
                    "id": row,
                    "status": "done",
                    "handled_by": ending.by,
                    "wall": wall,
                    "result": f"attempt {attempt.number} {ending.outcome}",
                },
            )
        return True

    def hold_unproven(self, attempt: OpenAttempt, seen: str) -> None:
        """Hold a task whose old processes cannot be proven gone; no claim can take it meanwhile."""
        values = {
            "task": attempt.task,
            "attempt": attempt.attempt,
            "wall": self._clock.wall_ms(),
            "error": seen,
        }
        with self._db.transaction():
            if self._db.change(SQL["hold_unproven"], values):
                self._event(
                    "held",
                    seen,
                    task=attempt.task,
                    task_id=attempt.task_id,
                    attempt=attempt.attempt,
                    worker_id=attempt.worker_id,
                )

    def note_boot(self) -> bool:
        """Void what was measured on the monotonic clock of another boot; whether there was one."""
        boot = self._clock.boot_id()
        if self._db.value(SQL["meta"], {"key": "boot"}) == boot:
            return False
        with self._db.transaction():
            self._db.change(SQL["set_meta"], {"key": "boot", "value": boot})
            self._db.change(SQL["void_schedules"])
            self._db.change(SQL["void_hold_times"])
        return True


def _from_row(row: dict[str, Any]) -> OpenAttempt:
    worker = ProcessId.from_row(row["pid"], row["pid_start"], row["boot_id"], row["pid_ns"], row["host_id"])
    return OpenAttempt(
        attempt=row["attempt"],
        number=row["number"],
        task=row["task"],
        task_id=row["task_id"],
        status=row["status"],
        claimed_at=row["claimed_at"],
        progress_at=row["progress_at"],
        progress_mono=row["progress_mono"],
        ended=row["ended_at"] is not None,
        ending=Ending.from_json(row["fenced_as"]) if row["fenced_as"] else None,
        run=row["run"],
        worker_id=row["worker_id"],
        worker=worker,
        hostname=row["hostname"],
        heartbeat_at=row["heartbeat_at"],
        worker_over=row["worker_status"] in ("stopped", "crashed"),
        worker_has_it=row["worker_attempt"] == row["attempt"],
        keeper=worker.beside(row["keeper_pid"], row["keeper_start"]) if row["keeper_pid"] is not None else None,
        lease_until_mono=row["lease_until_mono"],
        tree_gone=row["tree_gone_at"] is not None,
    )
