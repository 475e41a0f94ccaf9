"""One task as a mapping with the keys of a task file: read from JSON values, and written for an editor."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import yaml
from msgspec import Struct, structs

from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import TaskSpec
from swarm_shared.taskfile.keys import KEYS
from swarm_shared.taskfile.problems import Problem, TaskFileErrors
from swarm_shared.taskfile.reader import read_task_file
from swarm_shared.taskfile.writer import entries
from swarm_shared.taskfile.yamltext import STEP, block, item

# Part of the row, not of the definition: separate requests change them.
NOT_EDITED = {"id": "add another task instead", "status": "use hold, release, retry or cancel"}
_NO_ID = "no-id-was-given"
_DEFAULTS = TaskSpec(id="", name="")


class Changes(Struct, frozen=True, kw_only=True):
    """New values of some fields of a spec, `extra` keys apart (None removes one), and what is odd about them."""

    fields: Mapping[str, Any]
    extra: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def on(self, spec: TaskSpec) -> TaskSpec:
        """The spec with these values."""
        extra = {key: value for key, value in {**spec.extra, **self.extra}.items() if value is not None}
        values = {name: getattr(spec, name) for name in TaskSpec.__struct_fields__}
        return TaskSpec(**(values | dict(self.fields) | {"extra": extra}))


def read_task(mapping: Mapping[str, Any], *, known_ids: Container[str]) -> tuple[TaskSpec, tuple[str, ...]]:
    """The task that a mapping describes, and warnings about it; checked like an entry of a task file.

    Raises:
        InputError: With everything that is wrong with it.
    """
    try:
        text = json.dumps({"tasks": [dict(mapping)]}).encode()
        found = read_task_file(None, text, known_ids=known_ids)
    except TaskFileErrors as errors:
        raise InputError("; ".join(_line(problem) for problem in errors.problems)) from errors
    return found.tasks[0], tuple(_line(problem) for problem in found.warnings)


def read_changes(task_id: str, changes: Mapping[str, Any], *, known_ids: Container[str]) -> Changes:
    """The changes that a mapping with some keys of a task makes; null gives a key its default.

    Raises:
        InputError: With everything that is wrong with it.
    """
    for key, advice in NOT_EDITED.items():
        if key in changes:
            raise InputError(f"{key} cannot be edited", hint=advice)
    given = {key: value for key, value in changes.items() if value is not None}
    named = any(key in KEYS and KEYS[key][0] == "name" for key in given)
    whole = {"id": task_id, **({} if named else {"name": task_id}), **given}
    spec, warnings = read_task(whole, known_ids=known_ids)
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for key, value in changes.items():
        if key not in KEYS:
            extra[key] = None if value is None else spec.extra[key]
            continue
        field = KEYS[key][0]
        if field == "name" and value is None:
            raise InputError("this task has no name", hint="give the task a short name")
        fields[field] = getattr(_DEFAULTS if value is None else spec, field)
    return Changes(fields=fields, extra=extra, warnings=warnings)


def as_mapping(spec: TaskSpec, *, leave_out: Container[str] = NOT_EDITED) -> dict[str, Any]:
    """The keys that are not at their defaults, in the order of an export, in the types of JSON."""
    return {key: _plain(value) for key, value in entries(spec) if key not in leave_out}


def as_task_file(spec: TaskSpec) -> str:
    """A task file with this task alone, without its status."""
    return "tasks:\n" + item(block(((key, value) for key, value in entries(spec) if key != "status"), STEP), "")


def read_standard_input(text: bytes, *, known_ids: Container[str]) -> dict[str, Any]:
    """One task as YAML or JSON, its keys at the top level; the id may be missing. The mapping that describes it.

    Raises:
        TaskFileErrors: With everything that is wrong, at its place in the text.
    """
    with suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, dict):
            return value
    lines = text.decode("utf-8", "replace").splitlines()
    try:
        top = yaml.compose("\n".join(lines), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, ValueError):
        top = None  # the reader reports what is wrong and where
    keys = {key.value for key, _ in top.value} if isinstance(top, yaml.MappingNode) else {"id"}
    head = ["tasks:", "-"] + ([] if "id" in keys else [f"  id: {_NO_ID}"])
    body = "\n".join([*head, *(f"  {line}" for line in lines)])
    try:
        spec = read_task_file(None, body.encode(), known_ids=known_ids).tasks[0]
    except TaskFileErrors as errors:
        raise TaskFileErrors([_moved(problem, len(head)) for problem in errors.problems]) from errors
    mapping = as_mapping(spec, leave_out=())
    if mapping["id"] == _NO_ID:
        del mapping["id"]
    return mapping


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What leads from one mapping to the other, null for a key to remove; and what those keys were before."""
    keys = [key for key in dict.fromkeys([*before, *after]) if before.get(key) != after.get(key)]
    return {key: after.get(key) for key in keys}, {key: before.get(key) for key in keys}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [*value]
    return dict(value) if isinstance(value, Mapping) else value


def _moved(problem: Problem, lines: int) -> Problem:
    column = problem.column - len(STEP) if problem.column > len(STEP) else problem.column
    return structs.replace(problem, line=max(1, problem.line - lines), column=column)


def _line(problem: Problem) -> str:
    return f"{problem.message} → {problem.advice}"


def names(keys: Iterable[str]) -> Iterator[str]:
    """Keys as a sentence names them."""
    return (key.replace("_", " ") for key in keys)
