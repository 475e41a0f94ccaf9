"""How much of the budgets is used, and the consequences: a warning, a paused queue, a held task.

Only sessions that have ended count. Sessions of unknown cost add nothing and are counted separately.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from swarm_shared.domain.budget import (
    REACHED_EVENT,
    UNKNOWN_COST_EVENT,
    WARN_AT,
    WARNING_EVENT,
    Budget,
    Scope,
    Spent,
    Unit,
    Used,
)
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import HoldReason, Status
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.policy import Move
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import BUDGET_ACTOR, PAUSED, Swarm

HOUR_MS = 3_600_000
STRETCH = 5_000  # sessions that are summed at most when a meter is reset
_META_KEY = "budget"
_SHARED = (Scope.RUN, Scope.DAY)
_RUNS_AGAIN = frozenset({Status.NOT_STARTED, Status.SCHEDULED})


class Spending(DataAccess):
    """Meters of the run and the day, and totals of single tasks."""

    def spent(self, scope: Scope) -> Spent:
        """What the run or the day has used."""
        row = self._db.row(SQL["meter"], {"scope": scope})
        return _spent(row[1:] if row is not None else (0.0, 0, 0, 0, 0, 0))

    def check(self, budget: Budget, *, unpriced: str | None = None) -> None:
        """Report caps that are near or reached, and pause the queue while one is reached; called when a session ends.

        Args:
            unpriced: The models of a session that has just used tokens at a cost that is not known.
        """
        if unpriced is not None and budget.limits(Unit.USD):
            self._report_unpriced(unpriced)
        is_capped = any(True for scope in _SHARED for _ in budget.caps(scope).stated())
        if not is_capped and not self._has_paused():
            return
        with self._db.transaction(durable=False):
            self._begin_day()
            used = [each for scope in _SHARED for each in budget.used(scope, self.spent(scope))]
            for each in used:
                self._report(str(each.scope), each)
            self._pause_or_continue([each for each in used if each.is_reached])

    def only_until_midnight(self) -> bool:
        """Whether the queue is paused only by the budget of the day."""
        if not self._has_paused():
            return False
        return not any(each.is_reached for each in self.stated().used(Scope.RUN, self.spent(Scope.RUN)))

    def begin_run(self) -> None:
        """A run begins: reset its meter, and lift a pause that the budget of the previous run caused."""
        with self._db.transaction():
            self._begin(Scope.RUN, self._clock.wall_ms())
            self._pause_or_continue([])

    def after_attempt(
        self, task: int, task_id: str, attempt: str, worker_id: str | None, move: Move, budget: Budget
    ) -> Move:
        """Hold a task instead of retrying it if its budget is used up; inside the caller's transaction."""
        if not any(True for _ in budget.task.stated()):
            return move
        about = {"task": task, "task_id": task_id, "attempt": attempt, "worker_id": worker_id}
        used = budget.used(Scope.TASK, self._spent_by(task))
        key = f"task:{task}"
        for each in used:
            self._report(key, each, **about)
        reached = [each for each in used if each.is_reached]
        if not reached or move.status not in _RUNS_AGAIN:
            return move
        self._db.change(SQL["forget_caps"], {"key": key})  # once released, its budget starts from zero
        text = "; ".join(f"used {each}" for each in reached)
        return replace(move, status=Status.HELD, event="held", due_in_s=None, hold_reason=HoldReason.BUDGET, text=text)

    def note(self, budget: Budget) -> None:
        """Store the workers' budget for other programs to read."""
        if budget != self.stated():
            Swarm(self._db, self._clock).set_meta(_META_KEY, msgspec.json.encode(budget).decode())

    def stated(self) -> Budget:
        """The budget of the workers started most recently."""
        text = Swarm(self._db, self._clock).meta(_META_KEY)
        try:
            return Budget() if text is None else msgspec.json.decode(text, type=Budget)
        except msgspec.DecodeError:
            return Budget()

    def of_task(self, task: int) -> list[dict[str, Any]]:
        """Each cap of a single task with what it has used; none without such caps."""
        budget = self.stated()
        if not any(True for _ in budget.task.stated()):
            return []
        return [_cap(each) for each in budget.used(Scope.TASK, self._spent_by(task))]

    def of_running(self) -> list[dict[str, Any]]:
        """The caps of running tasks, each with its `task`, the nearest to its cap first; none without such caps."""
        budget = self.stated()
        if not any(True for _ in budget.task.stated()):
            return []
        rows = self._db.rows(SQL["spent_by_running"])
        used = [(each, str(task)) for task, *row in rows for each in budget.used(Scope.TASK, _spent(tuple(row)))]
        return [_cap(each) | {"task": task} for each, task in sorted(used, key=lambda one: -one[0].share)]

    def shown(self) -> dict[str, Any]:
        """For JSON output: usage of run and day, each cap, and the cost of the last hour."""
        budget, since = self.stated(), self._clock.wall_ms() - HOUR_MS
        used = [each for scope in _SHARED for each in budget.used(scope, self.spent(scope))]
        row = {scope: self._db.row(SQL["meter"], {"scope": scope}) or (0,) for scope in _SHARED}
        return {
            **{str(scope): {**asdict(self.spent(scope)), "since": iso(row[scope][0] or None)} for scope in _SHARED},
            "caps": [_cap(each) for each in used],
            "task_caps": {str(unit): cap for unit, cap in budget.task.stated()},
            "hard": budget.hard,
            "usd_last_hour": self._db.value(SQL["spent_lately"], {"since": since, "stretch": STRETCH}),
        }

    def costs(self, by: str, *, limit: int) -> list[dict[str, Any]]:
        """Sessions added up by task, phase, model, route or day; cost and tokens are None if none is known."""
        return self._db.dicts(SQL["costs"], {"by": by, "limit": limit, "wall": self._clock.wall_ms()})

    def _spent_by(self, task: int) -> Spent:
        return _spent(self._db.row(SQL["spent_by_task"], {"task": task}) or ())

    def _report(self, key: str, used: Used, **about: Any) -> None:
        """Write an event when a cap is near or reached, once each."""
        for level, event, share in (("warning", WARNING_EVENT, WARN_AT), ("reached", REACHED_EVENT, 1.0)):
            values = {"key": key, "unit": used.unit, "level": level}
            if used.share >= share and self._db.change(SQL["note_cap"], values):
                self._event(event, f"the budget of this {used.scope}: {used}", data=_cap(used), **about)

    def _report_unpriced(self, models: str) -> None:
        with self._db.transaction(durable=False):
            if self._db.change(SQL["note_cap"], {"key": Scope.RUN, "unit": "cost", "level": "warning"}):
                who = models or "a model that is not named"
                text = f"the budget does not count sessions with {who}: their cost is unknown; add it to `prices`"
                self._event(UNKNOWN_COST_EVENT, text, data={"models": models})

    def _pause_or_continue(self, reached: list[Used]) -> None:
        swarm = Swarm(self._db, self._clock)
        flag = swarm.flags().get(PAUSED)
        if reached and flag is None:
            reason = "; ".join(f"the budget of this {each.scope} is used up, {each}" for each in reached)
            swarm.set_flag(PAUSED, actor=BUDGET_ACTOR, reason=reason)
        elif not reached and flag is not None and flag.actor == BUDGET_ACTOR:
            swarm.clear_flag(PAUSED)
            self._event("resumed", "no budget is used up now")

    def _has_paused(self) -> bool:
        flag = Swarm(self._db, self._clock).flags().get(PAUSED)
        return flag is not None and flag.actor == BUDGET_ACTOR

    def _begin_day(self) -> None:
        midnight = datetime.fromtimestamp(self._clock.wall_ms() / 1000).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        since, known = round(midnight.timestamp() * 1000), self._db.row(SQL["meter"], {"scope": Scope.DAY})
        # In the future: the clock was wrong when that day began.
        if known is None or known[0] < since or known[0] > self._clock.wall_ms():
            self._begin(Scope.DAY, since)

    def _begin(self, scope: Scope, since: int) -> None:
        self._db.change(SQL["begin_meter"], {"scope": scope, "since": since, "stretch": STRETCH})
        self._db.change(SQL["forget_caps"], {"key": scope})


def _spent(row: tuple[Any, ...]) -> Spent:
    usd, tokens, ms, sessions, unpriced, uncounted = row or (0.0, 0, 0, 0, 0, 0)
    return Spent(usd=usd, tokens=tokens, minutes=ms / 60_000, sessions=sessions, unpriced=unpriced, uncounted=uncounted)


def _cap(used: Used) -> dict[str, Any]:
    share = round(used.share, 4)
    return {"scope": used.scope, "unit": used.unit, "used": used.used, "cap": used.cap, "share": share}
