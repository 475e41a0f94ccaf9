"""The landing queue for display: the branch, the waiting tasks in order, and recent landings and refusals."""

from __future__ import annotations

from typing import Any

from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.clock import iso
from swarm_shared.store.engine.data_access import DataAccess, from_json
from swarm_shared.store.sql import SQL

LOG_SCANNED = 5_000


class LandingQueue(DataAccess):
    """Read-only; `Landings` has the operations that change the branch."""

    def branch(self) -> dict[str, Any] | None:
        """`branch`, `person_branch` (null: detached), `tip` and `state`; None if tasks have no worktrees.

        The state is `following`, `stopped` (nothing lands until you resume) or `accepting` (you have, and
        the branch is taken as it is found).
        """
        row = self._db.row(SQL["integration"])
        if row is None:
            return None
        _, ref, person_ref, tip, _, state = row
        person = branch_of(person_ref) if person_ref else None
        return {"branch": branch_of(ref), "person_branch": person, "tip": tip, "state": state}

    def landing(self) -> dict[str, Any] | None:
        """The one task that is being landed, with its worker and since when; None when none is."""
        found = self._db.dicts(SQL["being_landed"])
        if not found:
            return None
        return found[0] | {"is_past_return": bool(found[0]["is_past_return"])} | _times(found[0])

    def waiting(self, limit: int) -> list[dict[str, Any]]:
        """Tasks that passed, in the order of their turns; `landing_failures` is how often each was refused before."""
        return [row | _times(row) for row in self._db.dicts(SQL["waiting_to_land"], {"limit": limit})]

    def recent(self, limit: int) -> list[dict[str, Any]]:
        """What landed (with its `commit`) or was refused (with the reason), newest first."""
        rows = self._db.dicts(SQL["recent_landings"], {"stretch": LOG_SCANNED, "limit": limit})
        return [
            {
                "id": row["id"],
                "at": iso(row["at"]),
                "task_id": row["task_id"],
                "name": row["name"] or "",
                "landed": row["type"] == "landed",
                "commit": (from_json(row["data"]) or {}).get("commit"),
                "message": row["message"],
            }
            for row in rows
        ]


def _times(row: dict[str, Any]) -> dict[str, str | None]:
    return {name: iso(row[name]) for name in ("claimed_at", "approved_at") if name in row}
