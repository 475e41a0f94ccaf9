"""What the past runs of a database predict about future tasks."""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL
from swarm_shared.store.views.estimates.critical_path import HOUR_S
from swarm_shared.store.views.estimates.prospect import Prospects


class Experience(Struct, frozen=True, kw_only=True):
    """Averages of past attempts: hours of one that passed, attempts per completed task, dollars per attempt."""

    hours: float | None = None
    attempts_per_task: float = 1.0
    cost_usd: float | None = None


class Experiences(DataAccess):
    """Reads only."""

    def all(self) -> Experience | None:
        """Of the whole database; None before the first task was completed by an attempt."""
        attempts, completed = self._db.rows(SQL["attempts_of_completed"])[0]
        if not completed:
            return None
        usual_s = Prospects(self._db, self._clock).usual_s()
        paid = [(int(number), float(cost)) for _, number, _, cost in self._db.rows(SQL["spend"]) if cost]
        return Experience(
            hours=None if usual_s is None else usual_s / HOUR_S,
            attempts_per_task=attempts / completed,
            cost_usd=sum(cost for _, cost in paid) / sum(number for number, _ in paid) if paid else None,
        )
