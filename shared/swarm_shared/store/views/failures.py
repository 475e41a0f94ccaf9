"""Failures in groups: one problem, however many tasks it has stopped."""

from __future__ import annotations

from typing import Any

from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Status
from swarm_shared.store.engine.data_access import DataAccess, from_json
from swarm_shared.store.sql import SQL
from swarm_shared.store.views.verdicts import output_end

SAMPLE_TASKS = 5
OUTPUT_LINES = 5
CANCELLED_SCANNED = 1_000
HELD_SCANNED = 10_000


class Failures(DataAccess):
    """Reads only; what is counted here is kept by the transactions that move tasks."""

    def groups(self, limit: int) -> list[dict[str, Any]]:
        """The problems that have stopped tasks which are failed or held now, the largest groups first.

        Returns:
            Dictionaries with `fingerprint`, `cause` (builder, check, validator, time, landing, crash or unreadable),
            `sample` (one line of one such failure), `tasks` (how many are failed or held with it now), of these
            `failed` and `held`, `blocked` (how many tasks need one of the first hundred of them), `attempts` (how many
            ended with it ever), `newest_at` (ISO 8601, the newest such attempt's end), `task_ids` (a few of them,
            in import order) and `output` (the end of what the first failing check of one of them printed; may be
            empty).
        """
        return [self._shown(row) for row in self._db.dicts(SQL["problem_groups"], {"limit": limit})]

    def causes(self, limit: int) -> list[dict[str, Any]]:
        """The problems that have stopped failed tasks, the newest first among the largest `limit`.

        Returns:
            As `groups`, without `blocked`, `task_ids` and `output`, which cost a look at the tasks.
        """
        found = [row for row in self._db.dicts(SQL["problem_groups"], {"limit": limit}) if row["failed"]]
        found.sort(key=lambda row: row["newest_at"] or 0, reverse=True)
        return [row | {"newest_at": iso(row["newest_at"])} for row in found]

    def totals(self) -> dict[str, int]:
        """How many groups there are, and how many tasks are in them: `groups`, `tasks`, of these `failed`, `held`."""
        groups, failed, held = self._db.row(SQL["problem_totals"]) or (0, 0, 0)
        return {"groups": groups, "tasks": failed + held, "failed": failed, "held": held}

    def imported(self) -> dict[str, Any]:
        """Failed tasks without an attempt that says why, as their file has them: `tasks`, and a few `task_ids`."""
        failed = sum(n for status, n, _ in self._db.rows(SQL["counters"]) if status == Status.FAILED)
        number = failed - self.totals()["failed"]
        if number <= 0:
            return {"tasks": 0, "task_ids": []}
        return {"tasks": number, "task_ids": [row[1] for row in self._imported(SAMPLE_TASKS)]}

    def imported_seqs(self, limit: int) -> list[int]:
        """The `seq` of tasks that were imported as failed, in import order."""
        return [row[0] for row in self._imported(limit)]

    def failing(self) -> int:
        """How many problems have stopped tasks that are failed now."""
        return int(self._db.value(SQL["problems_failing"]))

    def held_reasons(self) -> list[tuple[str, int]]:
        """Why tasks are held, with the number of tasks, among the first ten thousand held ones; the most first."""
        return [(reason, n) for reason, n in self._db.rows(SQL["held_reasons"], {"among": HELD_SCANNED})]

    def cancelled_in_the_way(self) -> dict[str, Any]:
        """Cancelled tasks that others still need, among the first thousand: `tasks`, and a few `task_ids`."""
        rows = self._db.rows(SQL["cancelled_in_the_way"], {"among": CANCELLED_SCANNED})
        return {"tasks": len(rows), "task_ids": [row[0] for row in rows[:SAMPLE_TASKS]]}

    def task_ids(self, fingerprint: str, *, limit: int) -> list[str]:
        """The tasks that are failed or held with this problem, in import order."""
        return [
            row[0] for row in self._db.rows(SQL["tasks_with_problem"], {"fingerprint": fingerprint, "limit": limit})
        ]

    def failed_with(self, fingerprint: str) -> int | None:
        """The `seq` of a task that is failed with this problem, the first in import order."""
        found: int | None = self._db.value(SQL["failed_with_problem"], {"fingerprint": fingerprint})
        return found

    def _imported(self, limit: int) -> list[tuple[Any, ...]]:
        return self._db.rows(SQL["failed_without_problem"], {"limit": limit})

    def _shown(self, row: dict[str, Any]) -> dict[str, Any]:
        key = {"fingerprint": row["fingerprint"]}
        task_ids = self.task_ids(row["fingerprint"], limit=SAMPLE_TASKS)
        return row | {
            "newest_at": iso(row["newest_at"]),
            "blocked": int(self._db.value(SQL["blocked_by_problem"], key)),
            "task_ids": task_ids,
            "output": self._output(row["fingerprint"], task_ids[0]) if task_ids else "",
        }

    def _output(self, fingerprint: str, task_id: str) -> str:
        checks = self._db.value(SQL["checks_with_problem"], {"id": task_id, "fingerprint": fingerprint})
        failing = [check for check in from_json(checks) or () if not check.get("passed")]
        return output_end(failing[0], OUTPUT_LINES) if failing else ""
