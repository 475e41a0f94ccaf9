"""A read-only connection per thread: a reading route cannot change anything, even if it has bugs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.store.views.browse import Browse
from swarm_shared.store.views.dependency_graph import Graph
from swarm_shared.store.views.logs.session_log import SessionLog
from swarm_shared.store.views.pulse import Pulse
from swarm_shared.store.views.timeline import Timeline


class Reading(Struct, frozen=True, kw_only=True):
    """An open database and the views that only the dashboard needs."""

    database: TaskDatabase
    browse: Browse
    pulse: Pulse
    log: SessionLog
    timeline: Timeline
    graph: Graph


class Reader:
    """Opens per thread and after any fork; opens again when the file was replaced."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self._threads = threading.local()

    def __call__(self) -> Reading:
        """This thread's connection.

        Raises:
            DatabaseError: The file is gone or cannot be read.
        """
        known: Reading | None = getattr(self._threads, "reading", None)
        if known is not None and known.database.connection.file.change() is None:
            return known
        self.close()
        database = TaskDatabase(self.path, create=False, read_only=True, clock=self.clock)
        browse = Browse(database.connection, self.clock)
        log = SessionLog(database.connection, self.clock)
        pulse = Pulse(database.connection, self.clock)
        timeline = Timeline(database.connection, self.clock)
        graph = Graph(database.connection, self.clock)
        fresh = Reading(database=database, browse=browse, pulse=pulse, log=log, timeline=timeline, graph=graph)
        self._threads.reading = fresh
        return fresh

    def close(self) -> None:
        """Close this thread's connection."""
        known: Reading | None = getattr(self._threads, "reading", None)
        if known is not None:
            self._threads.reading = None
            known.database.close()

    @contextmanager
    def writing(self) -> Iterator[TaskDatabase]:
        """A short-lived connection that may write, for one control row."""
        with TaskDatabase(self.path, create=False, clock=self.clock) as database:
            yield database
