"""What ran lately and how it ended, for pictures: attempts from the newest back, a bounded number of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

from swarm_shared.models import FailureClass, Outcome, Role, Status
from swarm_shared.sql import SQL
from swarm_shared.store.base import Family

BATCH = 2_000
# An attempt is drawn by its end but found by its claim: one that took longer than this before it ended is not found.
LONGEST_MS = 4 * 3_600_000
_NEWEST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One attempt as a stretch of time; milliseconds since 1970, `ended_at` None while it runs."""

    key: int
    task: int
    landing: bool
    number: int
    worker_id: str
    claimed_at: int
    ended_at: int | None
    outcome: Outcome | None
    failure_class: FailureClass | None

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        key, task, kind, number, worker_id, claimed_at, ended_at, outcome, failure_class = row
        return cls(
            key=key,
            task=task,
            landing=kind == "landing",
            number=number,
            worker_id=worker_id,
            claimed_at=claimed_at,
            ended_at=ended_at,
            outcome=None if outcome is None else Outcome(outcome),
            failure_class=None if failure_class is None else FailureClass(failure_class),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """Attempts that ran after `since`, in the order of their claims; before `complete_from` some are missing."""

    attempts: list[Ran]
    since: int
    complete_from: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What a picture says of a task."""

    id: str
    status: Status
    attempt_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """When one session of an attempt ran."""

    role: Role
    started_at: int
    ended_at: int | None


class Timeline(Family):
    """Reads only."""

    def recent(self, since: int, *, limit: int) -> Recent:
        """What ran at or after a moment, at most so many of the newest attempts."""
        found: list[tuple[Any, ...]] = []
        before, whole = _NEWEST, False
        while not whole and len(found) < limit:
            batch = self._db.rows(SQL["attempts_before"], {"before": before, "limit": min(BATCH, limit - len(found))})
            whole = not batch or batch[-1][5] < since - LONGEST_MS
            found += batch
            before = found[-1][0] if found else 0
        oldest = before
        early = [row for row in self._db.rows(SQL["attempts_open"]) if row[0] < oldest]
        kept = [row for row in found if row[6] is None or row[6] >= since]
        return Recent(
            attempts=[Ran.from_row(row) for row in (*early, *reversed(kept))],
            since=since,
            complete_from=since if whole else max(since, found[-1][5]),
        )

    def tasks(self, seqs: Iterable[int]) -> dict[int, Drawn]:
        """What is said of some tasks, by their keys; those that are gone are left out."""
        rows = self._db.rows(SQL["tasks_drawn"], {"seqs": json.dumps(list(seqs))})
        return {seq: Drawn(id=name, status=Status(status), attempt_count=n) for seq, name, status, n in rows}

    def stretches(self, attempts: Iterable[int]) -> dict[int, list[Stretch]]:
        """The sessions of some attempts, by the attempts' keys."""
        found: dict[int, list[Stretch]] = {}
        for key, role, started, ended in self._db.rows(SQL["sessions_drawn"], {"attempts": json.dumps(list(attempts))}):
            found.setdefault(key, []).append(Stretch(role=Role(role), started_at=started, ended_at=ended))
        return found
