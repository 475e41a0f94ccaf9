"""The base of all groups of operations: one connection, one clock, and the event log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from swarm_shared.domain.clock import Clock
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.sql import SQL

# Made once: `json.dumps` makes another one for each call that wants anything but its defaults.
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
# A tenth of the time, for what we write ourselves: they refuse what users and agents may write, see `from_json`.
_QUICK = msgspec.json.Encoder()
_QUICKLY_READ = msgspec.json.Decoder()


def to_json(value: object) -> str | None:
    """Compact JSON for a column; None stays null."""
    return None if value is None else _COMPACT.encode(value)


def from_json(text: str | None) -> Any:
    """The value of a JSON column; null stays None."""
    if text is None:
        return None
    try:
        return _QUICKLY_READ.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        return json.loads(text)  # `to_json` writes NaN, Infinity and lone surrogates, which the quick one refuses


class DataAccess:
    """A group of operations on one connection."""

    @property
    def _state_dir(self) -> Path:
        """The folder next to the database that is the swarm's own."""
        return self._db.path.with_name(self._db.path.name + ".swarm")

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._db = connection
        self._clock = clock

    def _event(
        self,
        kind: str,
        message: str = "",
        *,
        task: int | None = None,
        task_id: str | None = None,
        attempt: str | None = None,
        worker_id: str | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        """Append to the execution log, inside the transaction that makes the change."""
        self._db.change(
            SQL["add_event"],
            {
                "at": self._clock.wall_ms(),
                "type": kind,
                "task": task,
                "task_id": task_id,
                "attempt": attempt,
                "worker_id": worker_id,
                "message": message,
                "data": None if data is None else _QUICK.encode(data).decode(),
            },
        )
