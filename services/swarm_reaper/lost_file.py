"""Detects within a second that the database file was deleted, moved or replaced, and copies its contents in time."""

from __future__ import annotations

import logging

from swarm_shared.database import TaskDatabase
from swarm_shared.program.logs import event
from swarm_shared.store.engine.rescue import Rescue

LOG = logging.getLogger("swarm.reaper")
LOOK_EVERY_MS = 1_000
# A `start` copies the contents and ends everything itself; one that is stopped with Ctrl+Z does not.
START_ACTS_WITHIN_MS = 15_000


class LostFile:
    """Checks whether the path still leads to the open file. A file that was lost once stays lost."""

    def __init__(self, database: TaskDatabase) -> None:
        self._db = database
        self._rescue = Rescue(database.connection)
        self._next_look = 0
        self._since = 0
        self.change: str | None = None  # what happened to the file

    def check_if_due(self) -> None:
        now = self._db.clock.mono_ms()
        if self.change is not None or now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_MS
        self.change = self._db.connection.file.change()
        if self.change is not None:
            self._since = now
            event(LOG, "database_lost", level=logging.ERROR, db=self._db.path, what=self.change)

    def is_ours(self, *, start_lives: bool) -> bool:
        """Whether this reaper has to act: it does if no `start` does."""
        if self.change is None:
            return False
        return not start_lives or self._db.clock.mono_ms() - self._since >= START_ACTS_WITHIN_MS

    def rescue(self) -> None:
        """Copy the contents, or bring the copy up to date."""
        file = self._rescue.write()
        if file is None:
            event(LOG, "database_not_rescued", level=logging.ERROR, reason=self._rescue.problem)
        else:
            event(LOG, "database_rescued", level=logging.WARNING, file=file)
