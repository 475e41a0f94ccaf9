"""New lines of the logs that pages have open, pushed as they are written."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from swarm_dashboard.web.database_reader import Reading
from swarm_shared.domain.errors import NotFound
from swarm_shared.store.views.logs.log_lines import LineIndex, LogLine, LogLines

MOST_LOGS = 8  # that one page follows at once
MOST_LINES = 400  # in one message; a page that is further behind requests the lines that it shows
INDEX_TIME_MS = 30
INDEXES_KEPT = 32


class Wanted(Struct, frozen=True, kw_only=True):
    """One log that a page has open, and how many of its lines the page has."""

    task: str
    attempt: int
    session: int
    have: int


class Follow(Struct, frozen=True, kw_only=True):
    """The message of a page: all logs that it has open, sent each time that they change."""

    logs: list[Wanted]


def wanted_by(message: str | bytes) -> list[Wanted] | None:
    """The logs that a page's message names; None for an unknown message."""
    try:
        return msgspec.json.decode(message, type=Follow).logs[:MOST_LOGS]
    except msgspec.DecodeError:
        return None


class Tail:
    """One page's place in one log."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.have = max(0, wanted.have)
        self.sent: tuple[int, int, bool, int] | None = None
        self.is_up_to_date = False


class LogTails:
    """Reads new lines of followed logs; each session is read once, however many pages follow it."""

    def __init__(self) -> None:
        self._indexes: dict[tuple[str, int], LineIndex] = {}

    def fresh(self, reading: Reading, tail: Tail) -> dict[str, Any] | None:
        """A `lines` message with what the page does not have yet; None when nothing was added."""
        wanted = tail.wanted
        try:
            attempt = reading.log.attempt(wanted.task, wanted.attempt)
        except NotFound:
            return None
        row = reading.log.session(attempt, wanted.session)
        if row is None:
            return None
        index = self._index(attempt, wanted.session)
        store = LogLines(reading.database.connection, reading.database.clock)
        until = reading.database.clock.mono_ms() + INDEX_TIME_MS
        lost_to = row["lost_to"] or 0
        complete = store.extend(wanted.session, index, lost_to=lost_to, until_ms=until)
        tail.is_up_to_date = complete
        if not complete:
            # The page may know more lines than were counted here so far, and would consider them dropped.
            return None
        state = (index.lines, index.end, row["ended_at"] is not None, lost_to)
        if state == tail.sent:
            return None
        # The last line may have been cut where the page's copy ends.
        first = max(0, min(tail.have, index.lines) - 1)
        behind = index.lines - first
        lines = store.read(wanted.session, index, first=first, count=behind) if 0 < behind <= MOST_LINES else []
        tail.sent, tail.have = state, index.lines
        return {
            "type": "lines",
            "session": wanted.session,
            "total": index.lines,
            "complete": complete,
            "ended": state[2],
            "lost": lost_to - (row["lost_from"] or 0),
            "first": first,
            "lines": [shown(line) for line in lines],
        }

    def _index(self, attempt: str, session: int) -> LineIndex:
        # With the attempt's name: session numbers are reused after --clear.
        known = self._indexes.pop((attempt, session), None) or LineIndex()
        self._indexes[attempt, session] = known
        while len(self._indexes) > INDEXES_KEPT:
            del self._indexes[next(iter(self._indexes))]
        return known


def shown(line: LogLine) -> dict[str, Any]:
    """A line as JSON. Most are only text: default values are left out."""
    said: dict[str, Any] = {"text": line.text}
    if line.stream == 2:
        said["err"] = True
    if line.cut_bytes:
        said["cut"] = line.cut_bytes
    if line.after_gap:
        said["gap"] = True
    return said
