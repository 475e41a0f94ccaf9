"""The plan of an import: which tasks are new, get the new text, or are not changed. Read only."""

from __future__ import annotations

import json
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import HoldReason, Source, Status, TaskSpec
from swarm_shared.sources.identity import Known, settle
from swarm_shared.store.engine.data_access import DataAccess, to_json
from swarm_shared.store.sql import SQL
from swarm_shared.taskfile.definition import definition
from swarm_shared.taskfile.graph import cycle_text, find_cycles, levels

READ_BATCH_ROWS = 2_000
NEVER_REWRITTEN = frozenset({Status.CLAIMED, Status.IN_PROGRESS, Status.APPROVED, Status.LANDING, Status.COMPLETED})


_Known = tuple[int, str, bool, int, str]  # seq, status, whether an attempt is open, chain, definition


@dataclass(slots=True)
class Plan:
    """Steps to carry out, rows before the links between them, and what they come to."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    reasons: list[str] = field(default_factory=list)  # why tasks are left as they are, a line each


class Planning(DataAccess):
    """Compares checked tasks with the queue."""

    def plan(self, specs: Sequence[TaskSpec], *, clear: bool, gone: Container[str] = frozenset()) -> Plan:
        """Compare the tasks with the queue; those from a plan of another tool get the ids that they have there.

        Args:
            gone: Paths of sources that no longer exist: their tasks may be those of a renamed file.

        Raises:
            InputError: A dependency leads nowhere or in a circle through tasks of the queue.
        """
        if not clear and any(spec.source is not None for spec in specs):
            specs = settle(specs, self._known(), gone=gone)
        wanted = {spec.id for spec in specs}
        existing = {} if clear else self._existing(wanted)
        bodies = {spec.id: stored(spec) for spec in specs}
        left = {task_id for task_id, known in existing.items() if _is_left(known, bodies[task_id])}
        self._check_links(specs, wanted, left, clear)
        chains = _chains(specs)
        plan = Plan()
        for spec in specs:
            body = bodies[spec.id]
            known = existing.get(spec.id)
            row = task_row(spec, chain=chains[spec.id], body=body)
            if known is None:
                plan.imported += 1
            else:
                seq, status, is_open, chain, old_body = known
                if old_body == body:
                    plan.unchanged += 1
                    if chain != chains[spec.id]:
                        plan.rows.append({"kind": "chain", "seq": seq, "chain": chains[spec.id]})
                    continue
                if spec.id in left:
                    state = "runs" if is_open else f"is {status}"
                    plan.reasons.append(f"{spec.id}: it {state} and is not changed")
                    continue
                plan.updated += 1
                row |= {"kind": "rewrite", "seq": seq}
                row["keeps_priority"] = json.loads(old_body).get("priority") == json.loads(body).get("priority")
            plan.rows.append(row)
            if spec.dependencies or known is not None:
                plan.links.append({"kind": "links", "id": spec.id, "needs": sorted(set(spec.dependencies))})
        return plan

    def _known(self) -> dict[str, Known]:
        """All tasks of the queue with the items that they were made from."""
        found: dict[str, Known] = {}
        after = 0
        while rows := self._db.rows(SQL["known_sources"], {"after": after, "limit": READ_BATCH_ROWS}):
            for task_id, _seq, name, source in rows:
                found[task_id] = Known(name=name, source=Source(**json.loads(source)) if source else None)
            after = rows[-1][1]
        return found

    def _existing(self, wanted: set[str]) -> dict[str, _Known]:
        found: dict[str, _Known] = {}
        for ids in _batched(sorted(wanted)):
            for task_id, seq, status, is_open, _priority, chain, body in self._db.rows(
                SQL["existing_tasks"], {"ids": to_json(ids)}
            ):
                found[task_id] = (seq, status, bool(is_open), chain, body)
        return found

    def _check_links(self, specs: Sequence[TaskSpec], wanted: set[str], left: set[str], clear: bool) -> None:
        """Refuse what would wait forever, also by a circle through tasks of the queue or those left as they are."""
        needs: dict[str, list[str]] = {spec.id: list(spec.dependencies) for spec in specs}
        outside = {needed for spec in specs for needed in spec.dependencies if needed not in wanted}
        if outside:
            missing = sorted(outside if clear else outside - self._existing(outside).keys())
            if missing:
                raise InputError(f"unknown dependency {missing[0]!r}", hint="name a task of the file or of the queue")
        present: dict[str, list[str]] = {}
        if outside or left:
            for task_id, needed in self._db.rows(SQL["existing_needs"], {"ids": to_json(sorted(outside | left))}):
                present.setdefault(task_id, []).append(needed)
        to_be = present | {task_id: needed for task_id, needed in needs.items() if task_id not in left}
        circles = find_cycles(present | needs) or find_cycles(to_be)
        if circles:
            raise InputError(
                "circular dependencies: " + cycle_text(circles[0]), hint="remove one of these dependencies"
            )


def _batched(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids in parts, so that no statement reads more than it should at once."""
    return (ids[start : start + READ_BATCH_ROWS] for start in range(0, len(ids), READ_BATCH_ROWS))


def _is_left(known: _Known, body: str) -> bool:
    """Whether a task that the file states otherwise is past being changed."""
    _, status, is_open, _, old_body = known
    return old_body != body and (is_open or Status(status) in NEVER_REWRITTEN)


def stored(spec: TaskSpec) -> str:
    """The definition as JSON, without the status, which is the row's and changes."""
    body = definition(spec)
    body.pop("status", None)
    return to_json(body) or "{}"


def task_row(spec: TaskSpec, *, chain: int, body: str) -> dict[str, Any]:
    """The step that adds a task; as a `rewrite`, with its `seq`, it changes one.

    Args:
        chain: How many tasks the longest chain that waits for it has.
        body: What `stored` gives for it.
    """
    return {
        "kind": "task",
        "id": spec.id,
        "name": spec.name,
        "phase": spec.phase,
        "type": spec.type,
        "status": _first_status(spec),
        "priority": spec.priority,
        "chain": chain,
        "estimated_hours": spec.estimated_hours,
        "agent_cli": spec.agent_cli or "",
        "max_retries": spec.max_retries,
        "files": to_json(list(spec.files)) if spec.files else None,
        "blockers": len(set(spec.dependencies)),
        "hold_reason": HoldReason.AS_IMPORTED if spec.status is Status.HELD else None,
        "body": body,
    }


def _first_status(spec: TaskSpec) -> Status:
    if spec.status is Status.NOT_STARTED and spec.dependencies:
        return Status.BLOCKED  # until the links are written, which count what is really open
    return spec.status


def _chains(specs: Sequence[TaskSpec]) -> dict[str, int]:
    """For each task, how many tasks the longest chain that waits for it has; long chains start first."""
    waiting: dict[str, list[str]] = {spec.id: [] for spec in specs}
    for spec in specs:
        for needed in set(spec.dependencies):
            if needed in waiting:
                waiting[needed].append(spec.id)
    return levels(waiting)
