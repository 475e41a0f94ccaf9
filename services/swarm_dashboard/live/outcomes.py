"""Outcomes of requests, as soon as they are known, for the pages that wait for them."""

from __future__ import annotations

from typing import Any

from swarm_dashboard.payloads import shapes
from swarm_dashboard.web.database_reader import Reading
from swarm_shared.domain.models import Verb
from swarm_shared.store.requests.bulk import Bulk

MOST_NEW = 200  # rows between two polls; beyond it, the page requests its own


class Outcomes:
    """Remembers which requests are open, and reports those that have changed since the last poll."""

    def __init__(self) -> None:
        self._cursor: int | None = None
        self._open: dict[int, str] = {}  # id → what was last reported of its progress
        self._next_expiry = 0

    def forget(self) -> None:
        """Start again: outcomes that exist at the next check count as known."""
        self._cursor, self._open = None, {}

    def is_due(self, now: int) -> bool:
        """Whether an open request has expired, which no commit announces."""
        return bool(self._open) and now > self._next_expiry

    def fresh(self, reading: Reading) -> list[dict[str, Any]]:
        """Rows as `/api/control/<id>` shows them: handled, expired or with new progress since the last call, oldest
        first.
        """
        control, clock = reading.database.control, reading.database.clock
        now = clock.wall_ms()
        if self._cursor is None:
            newest = control.newest(limit=1)
            self._cursor = newest[0].id if newest else 0
            self._open = {row.id: "" for row in control.pending(limit=MOST_NEW)}
            self._note_expiry(reading)
            return []
        added = [row.id for row in control.newest(limit=MOST_NEW) if row.id > self._cursor]
        self._cursor = max(added, default=self._cursor)
        self._open |= dict.fromkeys(added, "")
        changed = []
        for row_id in sorted(self._open):
            row = control.get(row_id)
            is_many = row.verb is Verb.BULK
            progress = Bulk(reading.database.connection, clock).progress(row_id) if is_many else None
            shown = shapes.control(row, now, progress)
            if shown["status"] != "pending":
                del self._open[row_id]
            elif shown.get("progress", "") in ("", self._open[row_id]):
                continue
            else:
                self._open[row_id] = shown["progress"]
            changed.append(shown)
        self._note_expiry(reading)
        return changed

    def _note_expiry(self, reading: Reading) -> None:
        expiries = [row.expires_at for row in reading.database.control.pending(limit=MOST_NEW) if row.id in self._open]
        self._next_expiry = min(expiries, default=0)
