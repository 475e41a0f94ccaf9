"""Reading tasks: single ones, pages, totals, and their history in the shape of the JSON answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from swarm_shared.agents.reading.usage import Usage
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import GROUP_OF, Group, HoldReason, Status, TaskSpec, priority_label
from swarm_shared.program.nearest import Suggester, or_nearest
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess, from_json
from swarm_shared.store.queue.failures.fingerprints import headline
from swarm_shared.store.sql import SQL
from swarm_shared.store.views.browse import Browse
from swarm_shared.store.views.task_filter import EVERY_TASK, Filter
from swarm_shared.taskfile.definition import spec_from_definition

BEHIND_COUNTED = 10_000
EXPORT_BATCH = 500
MAX_NEIGHBOURS = 200  # ids on each side of a mistyped one among which the nearest is looked for
_TIMES = ("created_at", "updated_at", "claimed_at", "started_at", "approved_at", "completed_at", "due_at")
_ATTEMPT_JSON = ("builder_result", "check_results", "validator_result", "must_fix")


def neighbours(connection: Connection, task_id: str) -> list[str]:
    """The ids on each side of one in their order, at most `MAX_NEIGHBOURS` each."""
    return [row[0] for row in connection.rows(SQL["ids_around"], {"id": task_id, "limit": MAX_NEIGHBOURS})]


class Tasks(DataAccess):
    """Reads in autocommit, each short: a long reader would keep the write-ahead log from shrinking."""

    def get(self, task_id: str) -> dict[str, Any]:
        """One task in the shape of `list-tasks`, plus its internal `seq`, `hold_reason`, `note` and similar fields.

        Raises:
            NotFound: No such task.
        """
        rows = self._db.dicts(SQL["task_row"], {"id": task_id})
        if not rows:
            raise self.not_found(task_id)
        return self._shown(rows[0])

    def not_found(self, task_id: str) -> NotFound:
        """The error for an unknown id; it names the nearest one among its neighbours."""
        near = neighbours(self._db, task_id)
        advice = or_nearest(Suggester(near).nearest(task_id), "amplifier-swarm list-tasks shows the ids")
        return NotFound(f"no task {task_id!r}", hint=advice)

    def ids_from(self, prefix: str, *, limit: int) -> list[str]:
        """Ids that begin with a text, in their order."""
        found = [row[0] for row in self._db.rows(SQL["ids_from"], {"id": prefix, "limit": limit})]
        return [each for each in found if each.startswith(prefix)]

    def phases(self, *, limit: int) -> list[str]:
        return [row[0] for row in self._db.rows(SQL["phases"], {"limit": limit})]

    def is_there(self, task_id: str) -> bool:
        return self._db.row(SQL["task_state"], {"id": task_id}) is not None

    def spec(self, task: int) -> TaskSpec:
        """The task as its file states it; its status there is not kept.

        Raises:
            NotFound: No such task.
        """
        body = self._db.value(SQL["definition"], {"task": task})
        if body is None:
            raise NotFound(f"no task with number {task}")
        return spec_from_definition(from_json(body))

    def editable(self, task_id: str) -> TaskSpec:
        """The task as it is now, with its present priority and dependencies.

        Raises:
            NotFound: No such task.
        """
        rows = self._db.dicts(SQL["task_row"], {"id": task_id})
        if not rows:
            raise self.not_found(task_id)
        needs = self._db.rows(SQL["needs_of"], {"task": rows[0]["seq"]})
        return self._spec(rows[0], tuple(needed for needed, *_ in needs))

    def page(
        self,
        *,
        statuses: Sequence[Status] = (),
        phase: str | None = None,
        after: int = 0,
        limit: int = 20,
    ) -> tuple[list[dict[str, Any]], int]:
        """Tasks in import order after the key `after`, and how many match in all (from the counters, so at once)."""
        values = {"after": after, "limit": limit, "phase": phase}
        if statuses:
            pages = [self._db.dicts(SQL["task_page_of_status"], {**values, "status": s}) for s in set(statuses)]
            rows = sorted(chain.from_iterable(pages), key=lambda row: int(row["seq"]))[:limit]
        else:
            rows = self._db.dicts(SQL["task_page"], values)
        return [self._shown(row) for row in rows], self._count(statuses, phase)

    def counts(self) -> dict[Status, tuple[int, float]]:
        """Tasks and estimated hours per stored status; statuses without tasks are left out."""
        rows = self._db.rows(SQL["counters"])
        return {Status(status): (int(n), float(hours)) for status, n, hours in rows if n}

    def summary(self) -> dict[str, Any]:
        """The counted part of the JSON `status`: groups, stored statuses, progress, remaining hours."""
        counts = self.counts()
        groups: dict[str, dict[str, Any]] = {str(g): {"count": 0, "hours": 0.0} for g in Group}
        for status, (n, hours) in counts.items():
            groups[GROUP_OF[status]]["count"] += n
            groups[GROUP_OF[status]]["hours"] += hours
        total = sum(n for n, _ in counts.values())
        groups["total"] = {"count": total, "hours": sum(hours for _, hours in counts.values())}
        for group in groups.values():
            group["hours"] = round(group["hours"], 3)
        done = groups["completed"]["count"]
        left = sum(groups[g]["hours"] for g in ("not_started", "in_progress"))
        return {
            "tasks": groups,
            "by_status": {str(status): n for status, (n, _) in counts.items()},
            "progress": done / total if total else 0.0,
            "remaining_hours": round(left, 3),
        }

    def running(self) -> list[dict[str, Any]]:
        """Tasks that a worker has now, with stage and the time of the last sign of progress (ms)."""
        return self._db.dicts(SQL["running_tasks"])

    def attempts(self, task: int) -> list[dict[str, Any]]:
        """All tries, oldest first, in the shape of `task-info`; `headline` is the line that says what went wrong."""
        return [_tried(row) for row in self._db.dicts(SQL["attempts_of"], {"task": task})]

    def all_attempts(self, task: int) -> list[dict[str, Any]]:
        """As `attempts`, with the attempts at landing (`kind` is `landing`), in the order of their beginning.

        A landing carries the number of the attempt that it was to land.
        """
        return _numbered(self._db.dicts(SQL["all_attempts_of"], {"task": task}))

    def history(self, task: int) -> list[dict[str, Any]]:
        """Of `all_attempts` those that have ended."""
        return _numbered(self._db.dicts(SQL["history_of"], {"task": task}))

    def sessions(self, attempt: str) -> list[dict[str, Any]]:
        """The sessions of an attempt in order; times in milliseconds."""
        return self._db.dicts(SQL["sessions_of_attempt"], {"attempt": attempt})

    def used_by_session(self, task: int, cli_session_id: str) -> Usage:
        """What the runs of one session of the agent CLI have used so far, for a task."""
        tokens, cached_tokens, output_tokens, cost_usd = (
            self._db.row(SQL["used_by_cli_session"], {"task": task, "cli_session_id": cli_session_id}) or (None,) * 4
        )
        return Usage(tokens=tokens, cached_tokens=cached_tokens, output_tokens=output_tokens, cost_usd=cost_usd)

    def needs(self, task: int) -> list[tuple[str, Status]]:
        """What a task waits for or waited for, as (id, status)."""
        return [(i, Status(s)) for i, s, _ in self._db.rows(SQL["needs_of"], {"task": task})]

    def dependents(self, task: int) -> list[tuple[str, Status]]:
        return [(i, Status(s)) for i, s, _ in self._db.rows(SQL["dependents_of"], {"task": task})]

    def behind(self, task: int) -> int:
        """How many tasks depend on it, directly or not; at most ten thousand are counted."""
        return int(self._db.value(SQL["tasks_behind"], {"task": task, "limit": BEHIND_COUNTED}))

    def matching(self, statuses: Sequence[Status], phase: str | None, *, limit: int) -> list[str]:
        """Ids for a bulk verb, in import order."""
        values = {
            "statuses": json.dumps([str(s) for s in statuses]) if statuses else None,
            "phase": phase,
            "after": 0,
            "limit": limit,
        }
        return [row[0] for row in self._db.rows(SQL["ids_matching"], values)]

    def specs(self, wanted: Filter = EVERY_TASK) -> Iterator[TaskSpec]:
        """The matching tasks for an export, in import order, a batch at a time."""
        browse, after = Browse(self._db, self._clock), 0
        while True:
            found, following = browse.matching(wanted, after=after, limit=EXPORT_BATCH)
            seqs = {"seqs": json.dumps([one.seq for one in found])}
            needs: dict[int, list[str]] = {}
            for task, needed in self._db.rows(SQL["needs_for_export"], seqs):
                needs.setdefault(task, []).append(needed)
            for row in self._db.dicts(SQL["tasks_for_export"], seqs):
                yield self._spec(row, tuple(needs.get(row["seq"], ())))
            if following is None:
                return
            after = following

    def _count(self, statuses: Sequence[Status], phase: str | None) -> int:
        rows = self._db.rows(SQL["counters_by_phase"])
        wanted = set(statuses)
        return sum(n for p, s, n, _ in rows if (phase is None or p == phase) and (not wanted or Status(s) in wanted))

    def _spec(self, row: dict[str, Any], needs: tuple[str, ...] | None = None) -> TaskSpec:
        body = from_json(row["body"]) or {}
        body |= {
            "id": row["id"],
            "name": row["name"],
            "phase": row["phase"],
            "type": row["type"],
            "status": row["status"],
            "priority": row["priority"],
            "estimated_hours": row["estimated_hours"],
        }
        if needs is not None:
            body["dependencies"] = list(needs)
        return spec_from_definition(body)

    def _shown(self, row: dict[str, Any]) -> dict[str, Any]:
        spec = self._spec(row)
        last = self._db.dicts(SQL["last_attempt"], {"task": row["seq"]})
        attempt = _attempt_shown(last[0]) if last else {}
        shown: dict[str, Any] = {
            "id": row["id"],
            "name": row["name"],
            "phase": row["phase"],
            "type": row["type"],
            "status": row["status"],
            "group": str(GROUP_OF[Status(row["status"])]),
            "stage": row["stage"],
            "priority": priority_label(row["priority"]),
            "estimated_hours": None if row["estimated_hours"] is None else float(row["estimated_hours"]),
            "description": spec.description,
            "acceptance_criteria": list(spec.acceptance_criteria),
            "files": list(spec.files),
            "design_docs": list(spec.design_docs),
            "dependencies": [needed for needed, _ in self.needs(row["seq"])],
            "worker_id": row["worker_id"],
            "attempt_count": row["attempt_count"],
            "max_retries": row["max_retries"],
            "last_error": row["last_error"],
            "hold_reason": row["hold_reason"],
            "question": attempt.get("question") if row["hold_reason"] == HoldReason.QUESTION else None,
            "cause": self._db.value(SQL["cause_of_stop"], {"task": row["seq"]}),
            "fingerprint": row["fingerprint"],
            "note": row["note"],
            "failures": row["failures"],
            "crashes": row["crashes"],
            "landing_failures": row["landing_failures"],
            "landing_unresolved": row["landing_unresolved"],
            "blockers": row["blockers"],
            "safe_id": row["safe_id"],
            "approved_by": row["approved_by"],
            "has_landed": bool(self._db.value(SQL["has_landed"], {"task": row["seq"]})),
            "seq": row["seq"],
        }
        shown |= {name: iso(row[name]) for name in _TIMES}
        for name in ("builder_session_id", "validator_session_id", "builder_result", "validator_result"):
            shown[name] = attempt.get(name)
        return shown


def _numbered(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    number, shown = 0, []
    for row in rows:
        number = row["number"] if row["kind"] == "work" else number
        shown.append(_tried({**row, "number": number}))
    return shown


def _tried(row: dict[str, Any]) -> dict[str, Any]:
    shown = _attempt_shown(row)
    said = headline(
        cause=shown["cause"], error=shown["error"], checks=shown["check_results"], must_fix=shown["must_fix"]
    )
    return {**shown, "headline": said}


def _attempt_shown(row: dict[str, Any]) -> dict[str, Any]:
    shown = {name: row[name] for name in row if name not in ("token", "progress_mono", "fenced_as", "task")}
    for name in _ATTEMPT_JSON:
        shown[name] = from_json(row[name])
    for name in ("claimed_at", "started_at", "ended_at", "progress_at", "fenced_at"):
        shown[name] = iso(row[name])
    return shown
