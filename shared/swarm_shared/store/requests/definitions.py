"""Adding a task to the queue and editing one: requests `add` and `edit`, checked like a task file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Mapping
from typing import Any

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import InputError, NotFound, StateError
from swarm_shared.domain.models import HoldReason, Status, TaskSpec
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.importing.import_plan import NEVER_REWRITTEN, stored, task_row
from swarm_shared.store.importing.writing import Writing
from swarm_shared.store.requests.steering import Applied
from swarm_shared.store.sql import SQL
from swarm_shared.store.views.tasks import Tasks, neighbours
from swarm_shared.taskfile.graph import cycle_text

MAX_PROPOSALS = 20  # of one task: an agent that runs wild must not fill the queue
MAX_ID_CHARS = 40  # of an id that is made from the name
MAX_RAISED = 1_000  # tasks whose place in the order is corrected at once; beyond, it matters little
_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")
_ADD_KEYS = frozenset({"task", "hold", "proposed_by"})
_EDIT_KEYS = frozenset({"set", "was"})


class Definitions(DataAccess):
    """Both verbs join the transaction that closes the control row; the caller holds `Imports.alone`."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._writing, self._tasks = Writing(connection, clock), Tasks(connection, clock)

    def add(self, argument: Mapping[str, Any], *, actor: str) -> Applied:
        """Add one task.

        Args:
            argument: `task` is a mapping with the keys of a task file in the types of JSON, such as
                ``{"name": "Write the manual", "dependencies": ["a"], "priority": "high"}``; without `id`, one is made
                from the name. Optional: `hold` (true: it waits for your release), `proposed_by` (the id of the task
                whose agent proposes it: it arrives held, and their number is bounded).

        Raises:
            InputError: The task is not one, with everything that is wrong; it depends on unknown tasks.
            StateError: Its id is taken, or the task has proposed too many.
            NotFound: No task is called like `proposed_by`.
        """
        from swarm_shared.taskfile.one_task import read_task  # only who changes a definition pays for the parser

        mapping = _mapping(argument, "task", _ADD_KEYS)
        if not mapping.get("id"):
            mapping = {"id": self._id_from(mapping.get("name") or mapping.get("title")), **_without(mapping, "id")}
        spec, warnings = read_task(mapping, known_ids=known_ids(self._db))
        if self._db.row(SQL["task_state"], {"id": spec.id}) is not None:
            raise StateError(f"task {spec.id!r} already exists", hint="choose another id, or edit that task")
        row = task_row(spec, chain=0, body=stored(spec))
        proposer = argument.get("proposed_by")
        if proposer is not None:
            row |= {"status": Status.HELD, "hold_reason": HoldReason.PROPOSED}
        elif argument.get("hold") is True and spec.status is Status.NOT_STARTED:
            row |= {"status": Status.HELD, "hold_reason": HoldReason.BY_PERSON}
        proposed_by = None if proposer is None else self._proposer(str(proposer))
        self._writing.apply(row)
        seq = int(self._db.value(SQL["last_seq"]))
        if proposed_by is not None:
            self._db.change(SQL["set_proposer"], {"task": seq, "proposer": proposed_by})
        self._link(spec, seq)
        by = f"the agent of {proposer}" if proposed_by is not None else actor
        self._event("added", f"by {by}: {spec.name[:300]}", task=seq, task_id=spec.id)
        done = f"proposed {spec.id}: held until you release it" if proposed_by is not None else f"added {spec.id}"
        return Applied(text="; ".join([done, *warnings]), added=spec.id)

    def edit(self, task_id: str, argument: Mapping[str, Any], *, actor: str) -> Applied:
        """Change the definition of a task that has not started, is held, failed or was cancelled.

        Args:
            argument: `set` is a mapping of keys of a task file to new values, null for the default; the other keys
                stay as they are. `was` (optional): the values that these keys had when the user began to edit, null
                for the default; where one is different by now, the edit is refused, so that nothing of another
                change is lost.

        Raises:
            NotFound: No such task.
            InputError: A value is wrong, with everything that is; a dependency is unknown or leads in a circle.
            StateError: It runs, passed or is completed; or it was changed meanwhile.
        """
        from swarm_shared.taskfile.one_task import names, read_changes

        seq = self.check_editable(task_id)
        known = known_ids(self._db)
        changes = read_changes(task_id, _mapping(argument, "set", _EDIT_KEYS), known_ids=known)
        spec = self._tasks.editable(task_id)
        if argument.get("was") is not None:
            before = read_changes(task_id, _mapping(argument, "was", _EDIT_KEYS), known_ids=_Anything())
            now = before.on(spec)
            moved = [key for key in (*before.fields, *before.extra) if _value(now, key) != _value(spec, key)]
            if moved:
                what = ", ".join(names(moved))
                raise StateError(f"{what} of {task_id} was changed meanwhile", hint="look at it and edit it again")
        new = changes.on(spec)
        changed = [key for key in (*changes.fields, *changes.extra) if _value(new, key) != _value(spec, key)]
        if not changed:
            return Applied(text="; ".join(["nothing to change", *changes.warnings]))
        if new.dependencies != spec.dependencies:
            self._refuse_circle(seq, new)
        chain = int(self._db.value(SQL["chain_of"], {"task": seq}))
        row = task_row(new, chain=chain, body=stored(new)) | {"kind": "rewrite", "seq": seq, "keeps_priority": False}
        self._writing.apply(row)
        self._link(new, seq)
        said = ", ".join(names(changed))
        self._event("edited", f"by {actor}: {said}", task=seq, task_id=task_id)
        return Applied(text="; ".join([f"changed {said}", *changes.warnings]))

    def check_editable(self, task_id: str) -> int:
        """The task's row, if its definition may be changed now.

        Raises:
            NotFound: No such task.
            StateError: It runs, passed or is completed.
        """
        state = self._db.row(SQL["task_state"], {"id": task_id})
        if state is None:
            raise self._tasks.not_found(task_id)
        status, open_attempt = Status(state[2]), state[3]
        if open_attempt is not None or status in NEVER_REWRITTEN:
            is_what = "runs" if open_attempt is not None else f"is {status.replace('_', ' ')}"
            raise StateError(f"cannot edit {task_id}: it {is_what}", hint="add another task, or kill or retry it first")
        return int(state[0])

    def _id_from(self, name: object) -> str:
        """A free id that resembles the name."""
        ascii_only = unicodedata.normalize("NFKD", str(name or "")).encode("ascii", "ignore").decode().lower()
        stem = _NOT_IN_IDS.sub("-", ascii_only).strip("-")[:MAX_ID_CHARS].rstrip("-") or "task"
        known, free, number = known_ids(self._db), stem, 1
        while free in known:
            number += 1
            free = f"{stem}-{number}"
        return free

    def _proposer(self, task_id: str) -> int:
        state = self._db.row(SQL["task_state"], {"id": task_id})
        if state is None:
            raise NotFound(f"no task {task_id!r}")
        if int(self._db.value(SQL["proposals_of"], {"task": state[0]})) >= MAX_PROPOSALS:
            raise StateError(f"task {task_id} has proposed {MAX_PROPOSALS} tasks already, which is the limit")
        return int(state[0])

    def _link(self, spec: TaskSpec, seq: int) -> None:
        self._writing.apply({"kind": "links", "id": spec.id, "needs": sorted(set(spec.dependencies))})
        self._raise_chains(seq)

    def _raise_chains(self, seq: int) -> None:
        """Let what the task needs start before shorter chains."""
        todo = [(seq, int(self._db.value(SQL["chain_of"], {"task": seq})))]
        raised = 0
        while todo and raised < MAX_RAISED:
            task, chain = todo.pop(0)
            for _, _, needed in self._db.rows(SQL["needs_of"], {"task": task}):
                if self._db.change(SQL["raise_chain"], {"task": needed, "chain": chain + 1}):
                    raised += 1
                    todo.append((needed, chain + 1))

    def _refuse_circle(self, seq: int, spec: TaskSpec) -> None:
        """Follow what the new dependencies need; a way back to the task is a circle."""
        came_from: dict[str, str] = dict.fromkeys(spec.dependencies, spec.id)
        todo = [(task_id, self._db.row(SQL["task_state"], {"id": task_id})) for task_id in came_from]
        while todo:
            task_id, state = todo.pop()
            for needed, _, needed_seq in self._db.rows(SQL["needs_of"], {"task": state[0] if state else 0}):
                if needed_seq == seq:
                    way = [spec.id, task_id]
                    while came_from[way[-1]] != spec.id:
                        way.append(came_from[way[-1]])
                    circle = cycle_text([spec.id, *reversed(way[1:]), spec.id])
                    raise InputError(f"circular dependencies: {circle}", hint="remove one of these dependencies")
                if needed not in came_from:
                    came_from[needed] = task_id
                    todo.append((needed, (needed_seq,)))


def known_ids(connection: Connection) -> Container[str]:
    """The ids of the queue, looked up one by one: cheap where few are asked for."""
    return _Queue(connection)


class _Queue:
    """The ids of the queue, looked up one by one."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection

    def __contains__(self, task_id: object) -> bool:
        return self._db.row(SQL["task_state"], {"id": task_id}) is not None

    def near(self, task_id: str) -> list[str]:
        return neighbours(self._db, task_id)


class _Anything:
    def __contains__(self, _: object) -> bool:
        return True


def _mapping(argument: Mapping[str, Any], key: str, known: frozenset[str]) -> Mapping[str, Any]:
    unknown = sorted(set(argument) - known)
    if unknown:
        raise InputError(f"unknown key {unknown[0]!r}", hint="it takes " + ", ".join(sorted(known)))
    value = argument.get(key)
    if not isinstance(value, Mapping):
        raise InputError(f"{key} must be a mapping with keys of a task")
    return value


def _without(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in mapping.items() if name != key}


def _value(spec: TaskSpec, key: str) -> Any:
    return getattr(spec, key, None) if key in TaskSpec.__struct_fields__ else spec.extra.get(key)
