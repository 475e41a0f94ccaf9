"""A session's output as numbered lines: any range of it, and a search on the server."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.live.log_tails import shown
from swarm_dashboard.web import params
from swarm_shared.domain.errors import InputError, NotFound
from swarm_shared.store.views.logs.log_lines import Hits, LineIndex, LogLines, holding, telling_errors

MAX_LINES = 400
MAX_NUMBER = 2**53
INDEX_TIME_MS = 60
SEARCH_TIME_MS = 60
INDEXES_KEPT = 32
ERRORS, TEXT = "errors", "text"


def routes(context: Context) -> Blueprint:
    """`/api/tasks/…/attempts/…/log/…` by GET."""
    logs = Blueprint("logs", __name__, url_prefix="/api/tasks/<task_id:task_id>/attempts/<int:number>/log")
    indexes = _Indexes()

    @contextmanager
    def opened(task_id: str, number: int) -> Iterator[tuple[int, LogLines, LineIndex, dict[str, Any]]]:
        """The session that the request names, and its lines as far as they can be indexed in the available time."""
        reading = context.reader()
        attempt = reading.log.attempt(task_id, min(number, MAX_NUMBER))
        session = params.integer(request.args, "session", 0, low=0, high=MAX_NUMBER)
        row = reading.log.session(attempt, session)
        if row is None:
            raise NotFound(f"attempt {number} of task {task_id!r} has no such session")
        lines = LogLines(reading.database.connection, context.clock)
        with indexes.of(attempt, session) as index:
            until = context.clock.mono_ms() + INDEX_TIME_MS
            complete = lines.extend(session, index, lost_to=row["lost_to"] or 0, until_ms=until)
            known = {
                "total": index.lines,
                "complete": complete,
                "ended": row["ended_at"] is not None,
                "lost": (row["lost_to"] or 0) - (row["lost_from"] or 0),
            }
            yield session, lines, index, known

    @logs.get("/lines")
    def lines(task_id: str, number: int) -> Response:
        count = params.integer(request.args, "count", MAX_LINES, low=1, high=MAX_LINES)
        with opened(task_id, number) as (session, store, index, known):
            first = params.integer(request.args, "first", 0, low=-MAX_NUMBER, high=MAX_NUMBER)
            if first < 0:
                first = max(0, index.lines + first)
            found = store.read(session, index, first=first, count=count)
        return context.answer(known | {"first": first, "lines": [shown(line) for line in found]})

    @logs.get("/search")
    def search(task_id: str, number: int) -> Response:
        kind = params.choice(request.args, "kind", TEXT, (TEXT, ERRORS))
        text = params.text(request.args, "q")
        if kind == TEXT and not text:
            raise InputError("a search needs text", hint="q=…, or kind=errors")
        first = params.integer(request.args, "first", 0, low=0, high=MAX_NUMBER)
        sought = telling_errors() if kind == ERRORS else holding(text)
        with opened(task_id, number) as (session, store, index, known):
            until = context.clock.mono_ms() + SEARCH_TIME_MS
            hits: Hits = store.find(session, index, sought, first=first, until_ms=until)
        following = hits.following
        if following is None and not known["complete"]:
            following = known["total"]
        return context.answer(known | {"hits": hits.lines, "next": following})

    return logs


class _Indexes:
    """The indexes of the most recently viewed sessions; each is used by one thread at a time."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[threading.Lock, LineIndex]] = OrderedDict()

    @contextmanager
    def of(self, attempt: str, session: int) -> Iterator[LineIndex]:
        # With the attempt's name: session numbers are reused after --clear.
        with self._guard:
            lock, index = self._kept.setdefault((attempt, session), (threading.Lock(), LineIndex()))
            self._kept.move_to_end((attempt, session))
            while len(self._kept) > INDEXES_KEPT:
                self._kept.popitem(last=False)
        with lock:
            yield index
