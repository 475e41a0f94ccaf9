"""Looking around in the queue for the dashboard: short rows, keyset pages, a bounded search, and session output.

Nothing here takes longer at a million tasks than at a thousand; where that means not to look at everything, it says so.
"""

from __future__ import annotations

import heapq
import json
import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from swarm_shared.clock import iso
from swarm_shared.config import MAX_WORKERS
from swarm_shared.errors import NotFound
from swarm_shared.models import GROUP_OF, Group, Status, priority_label
from swarm_shared.sql import SQL
from swarm_shared.store.base import Family, from_json

SEARCH_BATCH = 2_000
SEARCH_TIME_MS = 150
RECENT_EVENTS = 2_000
RECENT_ENDS = 60
MAX_LINE_CHARS = 240
LOG_PIECES = 512
_BEYOND = "\U0010ffff"
_TIMES = ("created_at", "updated_at", "claimed_at", "started_at", "completed_at", "due_at")
# Escape sequences (colours, titles, cursor moves) and other controls, which mean nothing in one line of text.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which tasks are looked for; empty parts do not restrict. Words must all stand in the id or the name."""

    statuses: tuple[Status, ...] = ()
    phase: str | None = None
    words: tuple[str, ...] = ()
    id_prefix: str | None = None

    @property
    def needs_search(self) -> bool:
        """Whether no index gives just the tasks that are looked for."""
        return bool(self.has_text or (self.statuses and self.phase is not None))

    @property
    def has_text(self) -> bool:
        return bool(self.words or self.id_prefix)

    def matches(self, row: dict[str, Any]) -> bool:
        """Whether a short row is among the tasks that are looked for."""
        if self.statuses and row["status"] not in self.statuses:
            return False
        if self.phase is not None and row["phase"] != self.phase:
            return False
        if self.id_prefix is not None and not row["id"].startswith(self.id_prefix):
            return False
        if not self.words:
            return True
        text = f"{row['id']} {row['name']}".casefold()
        return all(word.casefold() in text for word in self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some tasks and where to go on; `total` is None when counting would mean to look at everything."""

    tasks: list[dict[str, Any]]
    cursor: int | None
    total: int | None
    looked_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """Consecutive output of one stream, from byte position `start` to `end`."""

    start: int
    end: int
    stream: int  # 1 standard output, 2 standard error
    text: str


@dataclass(slots=True, kw_only=True)
class _Raw:
    """A log piece while it grows, not yet decoded."""

    start: int
    stream: int
    data: bytearray

    @property
    def end(self) -> int:
        return self.start + len(self.data)


class Browse(Family):
    """Reads only."""

    def page(self, wanted: Filter, *, after: int, limit: int) -> Page:
        """Tasks in import order after the key `after`; a search tells how many tasks it looked at."""
        if wanted.needs_search:
            return self._search(wanted, after, limit)
        rows = self._rows(wanted, after, limit + 1)
        more = len(rows) > limit
        rows = rows[:limit]
        return Page(
            tasks=[_shown(row) for row in rows], cursor=rows[-1]["seq"] if more else None, total=self._count(wanted)
        )

    def recent(self, limit: int) -> dict[str, list[dict[str, Any]]]:
        """Tasks that just ended up held, failed or completed, newest first, with the moment and the log's words."""
        ends = self._db.dicts(SQL["newest_ends"], {"stretch": RECENT_EVENTS, "limit": RECENT_ENDS})
        newest = {end["task"]: end for end in reversed(ends)}
        rows = self._db.dicts(SQL["browse_seqs"], {"seqs": json.dumps(list(newest))})
        held = {row["seq"] for row in rows}
        rows += [r for r in self._by_status(Status.HELD, 0, limit) if r["seq"] not in held]
        found: dict[str, list[dict[str, Any]]] = {"held": [], "failed": [], "completed": []}
        rows.sort(key=lambda row: row["updated_at"], reverse=True)
        for row in rows:
            if row["status"] in found and len(found[row["status"]]) < limit:
                end = newest.get(row["seq"])
                shown = _shown(row) | {"message": end["message"] if end else ""}
                shown["at"] = iso(end["at"] if end else row["updated_at"])
                found[row["status"]].append(shown)
        return found

    def running(self) -> list[dict[str, Any]]:
        """Tasks that a worker has now, oldest first, with the last line that their agent wrote."""
        rows = self._db.dicts(SQL["running_shown"], {"limit": MAX_WORKERS})
        return [
            row
            | {name: iso(row[name]) for name in ("claimed_at", "started_at", "progress_at")}
            | {"last_line": self.last_line(row["attempt"]), "group": str(Group.IN_PROGRESS)}
            for row in rows
        ]

    def last_line(self, attempt: str) -> str:
        """The last line with anything in it that an attempt's newest session wrote, without escape sequences."""
        pieces = [bytes(row[0]) for row in self._db.rows(SQL["last_pieces"], {"attempt": attempt})]
        text = _ESCAPES.sub("", b"".join(reversed(pieces))[-8192:].decode(errors="replace"))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:MAX_LINE_CHARS] if lines else ""

    def log(self, session: int, *, start: int, limit_bytes: int) -> tuple[list[LogPiece], int]:
        """A session's output from byte position `start`, counted from the end when negative, and where to go on.

        A character that is not yet whole at the end is left for the next call.
        """
        end = int(self._db.value(SQL["output_end"], {"session": session}) or 0)
        if start < 0:
            start = max(0, end + start)
        first = self._db.value(SQL["output_piece_at"], {"session": session, "at": start})
        values = {"session": session, "from": start if first is None else first, "limit": LOG_PIECES}
        pieces: list[_Raw] = []
        taken = 0
        for position, stream, _, data in self._db.rows(SQL["read_output"], values):
            begin = max(position, start)
            chunk = bytes(data)[begin - position :][: limit_bytes - taken]
            if not chunk:
                continue
            taken += len(chunk)
            _join(pieces, begin, stream, chunk)
            if taken >= limit_bytes:
                break
        return _finished(pieces, start)

    def events_of(self, task: int, *, limit: int) -> list[dict[str, Any]]:
        """The last events of a task, oldest first."""
        rows = self._db.dicts(SQL["newest_events_of_task"], {"task": task, "limit": limit})
        return [{**row, "timestamp": iso(row["timestamp"]), "data": from_json(row["data"])} for row in reversed(rows)]

    def links(self, task: int, *, limit: int) -> dict[str, list[dict[str, Any]]]:
        """What a task needs and what needs it."""
        values = {"task": task, "limit": limit}
        return {"needs": self._linked("needs_shown", values), "dependents": self._linked("dependents_shown", values)}

    def sessions(self, attempt: str, *, limit: int) -> list[dict[str, Any]]:
        """The newest sessions of an attempt in order, without their prompts."""
        rows = self._db.dicts(SQL["sessions_shown"], {"attempt": attempt, "limit": limit})
        return [
            row | {"started_at": iso(row["started_at"]), "ended_at": iso(row["ended_at"])} for row in reversed(rows)
        ]

    def attempt(self, task_id: str, number: int) -> str:
        """The id of an attempt.

        Raises:
            NotFound: No such task or attempt.
        """
        row = self._db.row(SQL["attempt_numbered"], {"id": task_id, "number": number})
        if row is None:
            raise NotFound(f"task {task_id!r} has no attempt {number}")
        return str(row[0])

    def phases(self, *, limit: int) -> list[str]:
        return [row[0] for row in self._db.rows(SQL["phases"], {"limit": limit})]

    def recent_passes(self, window: int) -> int:
        """How many passes the estimate of the time left rests on."""
        return len(self._db.rows(SQL["recent_attempts"], {"window": window}))

    def _linked(self, name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        rows = self._db.dicts(SQL[name], values)
        return [row | {"group": str(GROUP_OF[Status(row["status"])])} for row in rows]

    def _search(self, wanted: Filter, after: int, limit: int) -> Page:
        """Ids that begin with a word first, by index; then the rest, in import order, for a bounded time."""
        total = None if wanted.has_text else self._count(wanted)
        if total == 0:
            return Page(tasks=[], cursor=None, total=0, looked_at=0)
        found: dict[int, dict[str, Any]] = {}
        if after == 0:
            found = {row["seq"]: row for row in self._rows_by_id(wanted, limit)}
        deadline = self._clock.mono_ms() + SEARCH_TIME_MS
        looked_at, cursor, complete = 0, after, False
        while len(found) < limit and not complete and self._clock.mono_ms() < deadline:
            batch = self._rows(wanted, cursor, SEARCH_BATCH)
            complete = len(batch) < SEARCH_BATCH
            for place, row in enumerate(batch, start=1):
                cursor = row["seq"]
                looked_at += 1
                if row["seq"] not in found and wanted.matches(row):
                    found[row["seq"]] = row
                    if len(found) >= limit:
                        complete = complete and place == len(batch)
                        break
        if total is None and complete and after == 0:
            total = len(found)
        return Page(
            tasks=[_shown(row) for row in found.values()],
            cursor=None if complete else cursor,
            total=total,
            looked_at=looked_at,
        )

    def _rows_by_id(self, wanted: Filter, limit: int) -> list[dict[str, Any]]:
        prefix = wanted.id_prefix or (wanted.words[0] if len(wanted.words) == 1 else None)
        if prefix is None:
            return []
        rows = self._db.dicts(SQL["browse_ids"], {"first": prefix, "beyond": prefix + _BEYOND, "limit": limit})
        return [row for row in rows if wanted.matches(row)]

    def _rows(self, wanted: Filter, after: int, limit: int) -> list[dict[str, Any]]:
        """Rows in import order by the narrowest index; what it does not look at is left to the caller."""
        if wanted.phase is not None and (
            not wanted.statuses
            or self._count(Filter(phase=wanted.phase)) <= self._count(Filter(statuses=wanted.statuses))
        ):
            return self._db.dicts(SQL["browse_phase"], {"phase": wanted.phase, "after": after, "limit": limit})
        if not wanted.statuses:
            return self._db.dicts(SQL["browse_all"], {"after": after, "limit": limit})
        # One statement per status: a list of them would not be read in import order from the index.
        parts = [self._by_status(status, after, limit) for status in wanted.statuses]
        return list(islice(heapq.merge(*parts, key=lambda row: int(row["seq"])), limit))

    def _by_status(self, status: Status, after: int, limit: int) -> list[dict[str, Any]]:
        return self._db.dicts(SQL["browse_status"], {"status": str(status), "after": after, "limit": limit})

    def _count(self, wanted: Filter) -> int:
        return sum(
            int(tasks)
            for phase, status, tasks, _ in self._db.rows(SQL["counters_by_phase"])
            if (wanted.phase is None or phase == wanted.phase) and (not wanted.statuses or status in wanted.statuses)
        )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    group: Group = GROUP_OF[Status(row["status"])]
    shown = row | {name: iso(row[name]) for name in _TIMES}
    hours = row["estimated_hours"]
    return shown | {
        "group": str(group),
        "priority": priority_label(row["priority"]),
        "estimated_hours": None if hours is None else float(hours),
    }


def _join(pieces: list[_Raw], begin: int, stream: int, chunk: bytes) -> None:
    """Append a chunk, to the last piece where it follows on in the same stream, so that characters stay whole."""
    if pieces and pieces[-1].stream == stream and pieces[-1].end == begin:
        pieces[-1].data += chunk
        return
    pieces.append(_Raw(start=begin, stream=stream, data=bytearray(chunk)))


def _finished(pieces: list[_Raw], start: int) -> tuple[list[LogPiece], int]:
    if pieces:
        last = pieces[-1].data
        del last[len(last) - _unfinished_bytes(last) :]
    whole = [
        LogPiece(start=raw.start, end=raw.end, stream=raw.stream, text=raw.data.decode(errors="replace"))
        for raw in pieces
        if raw.data
    ]
    return whole, whole[-1].end if whole else start


def _unfinished_bytes(data: bytearray) -> int:
    """How many bytes at the end begin a UTF-8 character that is not whole yet; 0 to 3."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        length = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return back if length > back else 0
    return 0
