"""Completed tasks whose source cannot be ticked: selects the next one for the user's command, and records the
outcome.
"""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL

TRIES = 8
BACK_OFF_MS, MOST_BACK_OFF_MS = 5_000, 600_000


class Sync(Struct, frozen=True, kw_only=True):
    """A task that a command runs for now; `key` and `path` are those of its source, `tries` counts this one."""

    task: int
    task_id: str
    key: str
    path: str
    tries: int


class Syncs(DataAccess):
    """For one process at a time: the reaper on duty."""

    def begin(self) -> None:
        """Let what an earlier process had begun be tried again: whether it was done is not known."""
        with self._db.transaction():
            self._db.change(SQL["reset_syncs"])

    def take(self) -> Sync | None:
        """The next due task, marked as begun, durably; None when none is due."""
        row = self._db.row(SQL["due_sync"], {"wall": self._clock.wall_ms()})
        if row is None:
            return None
        with self._db.transaction():
            if not self._db.change(SQL["take_sync"], {"task": row[0]}):
                return None
        task, task_id, tries, key, path = row
        return Sync(task=task, task_id=task_id, key=str(key), path=str(path or ""), tries=tries + 1)

    def settle(self, sync: Sync, error: str | None) -> None:
        """Record the outcome: done, to be tried again later, or given up."""
        wall = self._clock.wall_ms()
        again = error is not None and sync.tries < TRIES
        values = {
            "task": sync.task,
            "status": "done" if error is None else "waiting" if again else "given_up",
            "due_at": wall + min(BACK_OFF_MS * 2 ** (sync.tries - 1), MOST_BACK_OFF_MS) if again else 0,
            "error": error,
            "ended_at": None if again else wall,
        }
        with self._db.transaction():
            self._db.change(SQL["settle_sync"], values)
            kind = "synced" if error is None else "sync_failed"
            message = sync.key if error is None else f"try {sync.tries} of {TRIES}: {error}"
            self._event(kind, message, task=sync.task, task_id=sync.task_id)
