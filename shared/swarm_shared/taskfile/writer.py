"""Writes tasks as a file that imports again without a difference, task by task, however many there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, TextIO

from msgspec import to_builtins

from swarm_shared.domain.models import Source, Status, TaskSpec, priority_label
from swarm_shared.taskfile.definition import FIELDS
from swarm_shared.taskfile.yamltext import STEP, block, item

_SHOWN_ALWAYS = frozenset({"id", "name", "status", "priority"})
_DEFAULTS = TaskSpec(id="", name="")
# Each field with the default that leaves it out; None never equals what a field that is always shown holds.
_FIELDS = [(field, None if field in _SHOWN_ALWAYS else getattr(_DEFAULTS, field)) for field in FIELDS]


def write_task_file(stream: TextIO, specs: Iterable[TaskSpec], *, exported_at: str, version: str) -> int:
    """Write an export and return the number of its tasks.

    Two exports of the same tasks differ in `exported_at` (ISO 8601, UTC) only. Memory does not grow with their
    number.
    """
    stream.write(block([("version", version), ("exported_at", exported_at)], ""))
    counts: Counter[Status] = Counter()
    for spec in specs:
        if not counts:
            stream.write("tasks:\n")
        counts[spec.status] += 1
        stream.write(item(block(entries(spec), STEP), ""))
    if not counts:
        stream.write("tasks: []\n")
    total = counts.total()
    summary = {"total": total} | {status.value: counts[status] for status in Status if counts[status]}
    stream.write(block([("summary", summary)], ""))
    return total


def entries(spec: TaskSpec) -> Iterator[tuple[str, Any]]:
    """The keys of a task and their values, those at their default left out, unknown ones last."""
    for field, default in _FIELDS:
        value = getattr(spec, field)
        if value == default:
            continue
        if field == "priority":
            value = priority_label(value)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        elif isinstance(value, Source):
            value = to_builtins(value)
        yield field, value
    yield from spec.extra.items()
