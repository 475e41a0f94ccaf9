"""Reads the event log; its ids are the cursor for live updates."""

from __future__ import annotations

from typing import Any

from swarm_shared.domain.clock import iso
from swarm_shared.store.engine.data_access import DataAccess, from_json
from swarm_shared.store.sql import SQL


class Events(DataAccess):
    """The log as dictionaries in the shape of the JSON answers."""

    def since(self, after: int, *, limit: int = 500) -> list[dict[str, Any]]:
        """Events with an id above `after`, oldest first."""
        return [_shown(row) for row in self._db.dicts(SQL["events_since"], {"after": after, "limit": limit})]

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """The last events, oldest first."""
        rows = self._db.dicts(SQL["events_newest"], {"limit": limit})
        return [_shown(row) for row in reversed(rows)]

    def of_task(self, task: int) -> list[dict[str, Any]]:
        """A task's whole log, oldest first."""
        return [_shown(row) for row in self._db.dicts(SQL["events_of_task"], {"task": task})]

    def last_id(self) -> int:
        return int(self._db.value(SQL["last_event_id"]))

    def add(self, kind: str, message: str, *, worker_id: str | None = None) -> None:
        """Record an event that belongs to no task. Joins the caller's transaction or makes its own."""
        if self._db.in_transaction:
            self._event(kind, message, worker_id=worker_id)
            return
        with self._db.transaction(durable=False):
            self._event(kind, message, worker_id=worker_id)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "timestamp": iso(row["timestamp"]), "data": from_json(row["data"])}
