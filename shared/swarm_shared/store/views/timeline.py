"""Recent attempts and how they ended, for charts: from the newest back, a bounded number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from msgspec import Struct

from swarm_shared.domain.models import Role
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL

BATCH = 2_000
# An attempt is drawn by its end but found by its claim: one that took longer than this before it ended is not found.
LONGEST_MS = 4 * 3_600_000
_NEWEST = 2**62


class Ran(NamedTuple):
    """One attempt as a stretch of time; milliseconds since 1970, `ended_at` None while it runs.

    A tuple as the statement gives it: a picture is made of up to twenty thousand, and objects would double its cost.
    """

    key: int
    task: int
    kind: str  # work or landing
    number: int
    worker_id: str
    claimed_at: int
    ended_at: int | None
    outcome: str | None  # an `Outcome`
    failure_class: str | None  # a `FailureClass`


class Recent(Struct, frozen=True, kw_only=True):
    """Attempts that ran after `since`, in the order of their claims; before `complete_from` some are missing."""

    attempts: list[Ran]
    since: int
    complete_from: int


class Drawn(NamedTuple):
    """What a picture says of a task; a tuple for the same reason."""

    key: int
    id: str
    status: str  # a `Status`
    attempt_count: int


class Stretch(Struct, frozen=True, kw_only=True):
    """When one session of an attempt ran."""

    role: Role
    started_at: int
    ended_at: int | None


class Timeline(DataAccess):
    """Reads only."""

    def recent(self, since: int, *, limit: int) -> Recent:
        """What ran at or after a moment, at most so many of the newest attempts."""
        found: list[tuple[Any, ...]] = []
        before, claimed_at, whole = _NEWEST, since, False
        looked_at = 0
        while not whole and looked_at < limit:
            batch = self._db.rows(SQL["attempts_before"], {"before": before, "limit": min(BATCH, limit - looked_at)})
            if not batch:
                whole = True
                break
            before, claimed_at = batch[-1][0], batch[-1][5]
            looked_at += len(batch)
            kept = [row for row in batch if row[6] is None or row[6] >= since]
            found += kept
            # A batch that nothing is taken of is too many tries for one to have lasted through all of them.
            whole = claimed_at < since - LONGEST_MS or (not kept and len(batch) == BATCH)
        early = [row for row in self._db.rows(SQL["attempts_open"]) if row[0] < before]
        return Recent(
            attempts=[Ran._make(row) for row in (*early, *reversed(found))],
            since=since,
            complete_from=since if whole else max(since, claimed_at),
        )

    def tasks(self, seqs: Iterable[int]) -> dict[int, Drawn]:
        """Labels of some tasks, by their keys; deleted tasks are left out."""
        rows = self._db.rows(SQL["tasks_drawn"], {"seqs": json.dumps(list(seqs))})
        return {row[0]: Drawn._make(row) for row in rows}

    def stretches(self, attempts: Iterable[int]) -> dict[int, list[Stretch]]:
        """The sessions of some attempts, by the attempts' keys."""
        found: dict[int, list[Stretch]] = {}
        for key, role, started, ended in self._db.rows(SQL["sessions_drawn"], {"attempts": json.dumps(list(attempts))}):
            found.setdefault(key, []).append(Stretch(role=Role(role), started_at=started, ended_at=ended))
        return found
