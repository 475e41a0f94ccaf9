"""Browsing the queue for the dashboard: short rows, keyset pages, and a search of bounded cost.

Nothing here takes longer at a million tasks than at a thousand; where that means not reading everything, it says so.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

from msgspec import Struct

from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import GROUP_OF, Group, Status, priority_label
from swarm_shared.settings.settings import MAX_WORKERS
from swarm_shared.store.engine.data_access import DataAccess, from_json
from swarm_shared.store.sql import SQL
from swarm_shared.store.views.logs.session_log import SessionLog
from swarm_shared.store.views.task_filter import Filter, Found

SEARCH_BATCH = 2_000
SEARCH_TIME_MS = 60  # of a first answer: the page asks on
RECENT_EVENTS = 2_000
RECENT_ENDS = 60
_BEYOND = "\U0010ffff"
_TIMES = ("created_at", "updated_at", "claimed_at", "started_at", "completed_at", "due_at")


class Page(Struct, frozen=True, kw_only=True):
    """Some tasks and where to continue; `total` is None when counting would mean reading everything."""

    tasks: list[dict[str, Any]]
    cursor: int | None
    total: int | None
    looked_at: int | None = None


class Tally(Struct, frozen=True, kw_only=True):
    """How many tasks match, by status; `cursor` is where to count on, None when that is all."""

    by_status: dict[Status, int]
    cursor: int | None


class Browse(DataAccess):
    """Reads only."""

    def page(self, wanted: Filter, *, after: int, limit: int) -> Page:
        """Tasks in import order after the key `after`; a search reports how many tasks it read."""
        if wanted.needs_search:
            return self._search(wanted, after, limit)
        found = self._found(wanted, after, limit + 1)
        more = len(found) > limit
        seqs = [one[0] for one in found[:limit]]
        return Page(tasks=self._shown(seqs), cursor=seqs[-1] if more else None, total=self._count(wanted))

    def tally(self, wanted: Filter, *, after: int = 0) -> Tally:
        """Count what matches: at once and exactly by status and phase, else for a bounded time from a key on."""
        if not wanted.looks_closer:
            return Tally(by_status=self._counts(wanted), cursor=None)
        by_status: Counter[Status] = Counter()
        matches = wanted.matcher()
        deadline = self._clock.mono_ms() + SEARCH_TIME_MS
        while True:
            batch = self._found(wanted, after, SEARCH_BATCH)
            by_status.update(Status(one.status) for one in batch if matches(one))
            if len(batch) < SEARCH_BATCH:
                return Tally(by_status=dict(by_status), cursor=None)
            after = batch[-1].seq
            if self._clock.mono_ms() >= deadline:
                return Tally(by_status=dict(by_status), cursor=after)

    def matching(self, wanted: Filter, *, after: int, limit: int) -> tuple[list[Found], int | None]:
        """Up to `limit` matching tasks, among a bounded number after a key, and where to continue; None at the end."""
        batch = self._found(wanted, after, SEARCH_BATCH)
        found: list[Found] = []
        matches = wanted.matcher()
        for one in batch:
            if matches(one):
                found.append(one)
                if len(found) >= limit:
                    return found, one.seq
        return found, batch[-1].seq if len(batch) == SEARCH_BATCH else None

    def recent(self, limit: int) -> dict[str, list[dict[str, Any]]]:
        """Tasks that just ended up held, failed or completed, newest first, with the time and the log message."""
        ends = self._db.dicts(SQL["newest_ends"], {"stretch": RECENT_EVENTS, "limit": RECENT_ENDS})
        newest = {end["task"]: end for end in reversed(ends)}
        stopped = [one[0] for status in (Status.HELD, Status.FAILED) for one in self._by_status(status, 0, limit)]
        rows = self._db.dicts(SQL["browse_seqs"], {"seqs": json.dumps([*newest, *stopped])})
        found: dict[str, list[dict[str, Any]]] = {"held": [], "failed": [], "completed": []}
        rows.sort(key=lambda row: row["updated_at"], reverse=True)
        for row in rows:
            if row["status"] in found and len(found[row["status"]]) < limit:
                end = newest.get(row["seq"])
                shown = _shown(row) | {"message": end["message"] if end else ""}
                shown["at"] = iso(end["at"] if end else row["updated_at"])
                found[row["status"]].append(shown)
        return found

    def short_rows(self, seqs: Iterable[int]) -> dict[int, dict[str, Any]]:
        """These tasks as `page` shows them, by their `seq`."""
        rows = self._db.dicts(SQL["browse_seqs"], {"seqs": json.dumps(list(seqs))})
        return {row["seq"]: _shown(row) for row in rows}

    def running(self, log: SessionLog) -> list[dict[str, Any]]:
        """Tasks that a worker has now, oldest first, with the last line that their agent wrote."""
        rows = self._db.dicts(SQL["running_shown"], {"limit": MAX_WORKERS})
        return [
            row
            | {name: iso(row[name]) for name in ("claimed_at", "started_at", "progress_at")}
            | {"last_line": log.last_line(row["attempt"]), "group": str(Group.IN_PROGRESS)}
            for row in rows
        ]

    def events_of(self, task: int, *, limit: int) -> list[dict[str, Any]]:
        """The last events of a task, oldest first."""
        rows = self._db.dicts(SQL["newest_events_of_task"], {"task": task, "limit": limit})
        return [{**row, "timestamp": iso(row["timestamp"]), "data": from_json(row["data"])} for row in reversed(rows)]

    def links(self, task: int, *, limit: int) -> dict[str, list[dict[str, Any]]]:
        """What a task needs and what needs it."""
        values = {"task": task, "limit": limit}
        return {"needs": self._linked("needs_shown", values), "dependents": self._linked("dependents_shown", values)}

    def _linked(self, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        rows = self._db.dicts(SQL[name], values)
        return [row | {"group": str(GROUP_OF[Status(row["status"])])} for row in rows]

    def _search(self, wanted: Filter, after: int, limit: int) -> Page:
        """Ids that begin with a word first, by index; then the rest, in import order, for a bounded time."""
        total = None if wanted.looks_closer else self._count(wanted)
        if total == 0:
            return Page(tasks=[], cursor=None, total=0, looked_at=0)
        matching: list[int] = []
        if after == 0:
            matching = [one[0] for one in self._found_by_id(wanted, limit)]
        early = frozenset(matching)
        matches = wanted.matcher()
        deadline = self._clock.mono_ms() + SEARCH_TIME_MS
        looked_at, cursor, complete = 0, after, False
        while len(matching) < limit and not complete and self._clock.mono_ms() < deadline:
            batch = self._found(wanted, cursor, SEARCH_BATCH)
            complete = len(batch) < SEARCH_BATCH
            for place, one in enumerate(batch, start=1):
                cursor = one[0]
                looked_at += 1
                if matches(one) and cursor not in early:
                    matching.append(cursor)
                    if len(matching) >= limit:
                        complete = complete and place == len(batch)
                        break
        if total is None and complete and after == 0:
            total = len(matching)
        return Page(tasks=self._shown(matching), cursor=None if complete else cursor, total=total, looked_at=looked_at)

    def _found_by_id(self, wanted: Filter, limit: int) -> list[Found]:
        prefix = wanted.id_prefix or (wanted.words[0] if len(wanted.words) == 1 else None)
        if prefix is None or wanted.fingerprint is not None:
            return []
        values = {"first": prefix, "beyond": prefix + _BEYOND, "limit": limit}
        return list(filter(wanted.matcher(), self._rows("browse_ids", values)))

    def _found(self, wanted: Filter, after: int, limit: int) -> list[Found]:
        """Tasks in import order by the narrowest index; other conditions are left to the caller."""
        if wanted.fingerprint is not None:
            return self._rows("browse_problem", {"fingerprint": wanted.fingerprint, "after": after, "limit": limit})
        if wanted.phase is not None and (
            not wanted.statuses
            or self._count(Filter(phase=wanted.phase)) <= self._count(Filter(statuses=wanted.statuses))
        ):
            return self._rows("browse_phase", {"phase": wanted.phase, "after": after, "limit": limit})
        if not wanted.statuses:
            return self._rows("browse_all", {"after": after, "limit": limit})
        # One statement per status: a list of them would not be read in import order from the index.
        parts = [self._by_status(status, after, limit) for status in wanted.statuses]
        return list(islice(heapq.merge(*parts), limit))

    def _rows(self, name: str, values: dict[str, Any]) -> list[Found]:
        return list(map(Found._make, self._db.rows(SQL[name], values)))

    def _shown(self, seqs: list[int]) -> list[dict[str, Any]]:
        """Short rows in the order of their keys."""
        rows = {row["seq"]: row for row in self._db.dicts(SQL["browse_seqs"], {"seqs": json.dumps(seqs)})}
        return [_shown(rows[seq]) for seq in seqs if seq in rows]

    def _by_status(self, status: Status, after: int, limit: int) -> list[Found]:
        return self._rows("browse_status", {"status": str(status), "after": after, "limit": limit})

    def _count(self, wanted: Filter) -> int:
        return sum(self._counts(wanted).values())

    def _counts(self, wanted: Filter) -> dict[Status, int]:
        """By the counters, which know status and phase alone."""
        counts: Counter[Status] = Counter()
        for phase, status, tasks, _ in self._db.rows(SQL["counters_by_phase"]):
            if (wanted.phase is None or phase == wanted.phase) and (not wanted.statuses or status in wanted.statuses):
                counts[Status(status)] += int(tasks)
        return dict(counts)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    group: Group = GROUP_OF[Status(row["status"])]
    shown = row | {name: iso(row[name]) for name in _TIMES}
    hours = row["estimated_hours"]
    return shown | {
        "group": str(group),
        "priority": priority_label(row["priority"]),
        "estimated_hours": None if hours is None else float(hours),
    }
