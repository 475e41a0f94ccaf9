"""A run whose database was deleted, moved or replaced: the run must end, and the contents of the file are rescued."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError, SwarmError
from swarm_shared.store.engine.rescue import Rescue
from swarm_shared.store.swarm.swarm import EMERGENCY_STOP

LOOK_EVERY_S = 1.0


class DatabaseLost(DatabaseError):
    """The path no longer leads to the file that this run has open."""


class FileWatch:
    """Compares the database's path with the file that was opened, once a second."""

    def __init__(self, database: TaskDatabase) -> None:
        self._db = database
        self._next = 0.0

    def check_if_due(self) -> None:
        """Raises DatabaseLost."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + LOOK_EVERY_S
            self.check()

    def check(self) -> None:
        """Raises DatabaseLost."""
        if change := self._db.connection.file.change():
            raise DatabaseLost(f"{self._db.path} {change} while it was in use")


class Loss:
    """How `start` handles a lost database: copies it immediately, and again when everything has ended."""

    def __init__(self, database: TaskDatabase, lost: DatabaseLost, say: Callable[[str], None]) -> None:
        self._db, self._lost = database, lost
        self._rescue = Rescue(database.connection)
        say(f"{lost.message}: stopping")
        self._rescue.write()
        try:
            # The workers still share the deleted file with us: they interrupt their tasks, which costs no attempt.
            self._db.swarm.set_flag(EMERGENCY_STOP, actor="start", reason=lost.message)
        except DatabaseError as error:
            say(f"the workers are stopped by signals only: {error.message}")

    def conclude(self) -> DatabaseLost:
        """The error to end with; to be called when nothing is running."""
        try:
            self._db.swarm.clear_flag(EMERGENCY_STOP)  # it must not stop the next run on the copy
        except DatabaseError:
            pass  # a `start` takes it back as well
        file = self._rescue.write()
        if file is None:
            return DatabaseLost(
                f"{self._lost.message}, and its contents could not be copied: {self._rescue.problem}",
                hint="restore the newest copy made with: amplifier-swarm backup FILE",
            )
        return DatabaseLost(
            f"{self._lost.message}; everything was stopped, and its contents are in {file}",
            hint=f"continue with the copy: amplifier-swarm start --db {shlex.quote(str(file))}; "
            "or move it back to where the database was",
        )


def loss_of(database: TaskDatabase, error: SwarmError) -> DatabaseLost | None:
    """The loss that caused an error; None if the file is still in place."""
    if isinstance(error, DatabaseLost):
        return error
    try:
        FileWatch(database).check()
    except DatabaseLost as lost:
        return lost
    return None
