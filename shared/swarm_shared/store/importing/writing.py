"""Writing one planned step of an import, or one definition, inside the caller's transaction."""

from __future__ import annotations

from typing import Any

from swarm_shared.domain.models import Status
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.importing.import_plan import NEVER_REWRITTEN
from swarm_shared.store.sql import SQL

CLEAR_BATCH_ROWS = 500


class Writing(DataAccess):
    """Steps as `import_plan` makes them."""

    def apply(self, step: dict[str, Any]) -> bool:
        """Carry out one step; False when it must be repeated in the next transaction."""
        match step["kind"]:
            case "clear":
                values = {"upto": step["upto"], "limit": CLEAR_BATCH_ROWS}
                return self._db.change(SQL["delete_tasks_upto"], values) < CLEAR_BATCH_ROWS
            case "task":
                self._add(step)
            case "rewrite":
                self._rewrite(step)
            case "chain":
                self._db.change(SQL["rechain_task"], {"task": step["seq"], "chain": step["chain"]})
            case "links":
                self._link(step)
            case "answer":
                self._db.change(SQL["finish_control"], {**step["row"], "wall": self._clock.wall_ms()})
        return True

    def _add(self, step: dict[str, Any]) -> None:
        if self._db.row(SQL["task_state"], {"id": step["id"]}) is not None:
            return  # it was added between planning and publishing: its text is kept, and the import can be completed
        wall = self._clock.wall_ms()
        completed_at = wall if step["status"] == Status.COMPLETED else None
        self._db.change(SQL["add_task"], {**step, "wall": wall, "completed_at": completed_at})
        self._db.change(SQL["put_definition"], {"task": self._db.last_id(), "body": step["body"]})
        self._name_cli(step)

    def _rewrite(self, step: dict[str, Any]) -> None:
        row = self._db.row(SQL["task_state"], {"id": step["id"]})
        if row is None or row[3] is not None or Status(row[2]) in NEVER_REWRITTEN:
            return  # it started between planning and publishing: left as it is
        priority = row[11] if step["keeps_priority"] else step["priority"]
        values = {**step, "task": row[0], "priority": priority, "wall": self._clock.wall_ms()}
        self._db.change(SQL["rewrite_task"], values)
        self._db.change(SQL["put_definition"], {"task": row[0], "body": step["body"]})
        self._name_cli(step)

    def _link(self, step: dict[str, Any]) -> None:
        row = self._db.row(SQL["task_state"], {"id": step["id"]})
        if row is None or row[3] is not None:
            return
        self._db.change(SQL["drop_dependencies"], {"task": row[0]})
        for needed in step["needs"]:
            self._db.change(SQL["add_dependency"], {"task": row[0], "needs": needed})
        self._db.change(SQL["settle_blockers"], {"task": row[0]})

    def _name_cli(self, step: dict[str, Any]) -> None:
        if step["agent_cli"]:
            self._db.change(SQL["add_agent_cli"], {"name": step["agent_cli"]})
