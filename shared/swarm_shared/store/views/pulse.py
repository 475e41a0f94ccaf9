"""The pulse of the swarm: a few figures about its progress, each of bounded cost at any size of the queue."""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.landings import LANDING_LATE_MS
from swarm_shared.store.sql import SQL

WINDOW_MS = 60 * 60 * 1000
READY_SCANNED = 1_000
ATTEMPTS_SCANNED = 2_000


class RecentEnds(Struct, frozen=True, kw_only=True):
    """How attempts ended within the last hour; those that users or providers ended early are not included."""

    ended: int
    failed: int

    @property
    def failing_rate(self) -> float | None:
        """From 0 to 1; None when nothing has ended."""
        return self.failed / self.ended if self.ended else None


class Spend(Struct, frozen=True, kw_only=True):
    """What an agent CLI's attempts have cost in all, as far as reported: `attempts` of them did."""

    agent_cli: str
    attempts: int
    tokens: int
    cost_usd: float


class ToLand(Struct, frozen=True, kw_only=True):
    """Work that passed and waits to land: how many tasks.

    `since` is when the first one passed (wall ms), the task that is being landed included.
    """

    tasks: int
    since: int | None

    def is_late(self, now: int) -> bool:
        return self.since is not None and now - self.since > LANDING_LATE_MS


class Pulse(DataAccess):
    """Reads only."""

    def oldest_ready(self) -> int | None:
        """Since when (wall ms) the longest waiting task has been ready; None when none is.

        In a queue of more than a thousand ready tasks only the first thousand in import order are read.
        """
        found = self._db.value(SQL["oldest_ready"], {"limit": READY_SCANNED})
        return None if found is None else int(found)

    def recent_ends(self) -> RecentEnds:
        """Of the last hour, at most of the last two thousand attempts."""
        since = self._clock.wall_ms() - WINDOW_MS
        ended, failed = self._db.rows(SQL["recent_ends"], {"stretch": ATTEMPTS_SCANNED, "since": since})[0]
        return RecentEnds(ended=ended, failed=failed)

    def spend(self) -> list[Spend]:
        """Per agent CLI, since the database was made."""
        return [
            Spend(agent_cli=name, attempts=attempts, tokens=tokens, cost_usd=float(cost))
            for name, attempts, tokens, cost in self._db.rows(SQL["spend"])
        ]

    def to_land(self) -> ToLand:
        """What waits in the landing queue."""
        since, tasks = self._db.rows(SQL["landing_age"])[0]
        return ToLand(tasks=tasks, since=since)
