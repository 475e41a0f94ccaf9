"""A task spec as JSON has it: what the database stores, so that nothing in the file is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import to_builtins

from swarm_shared.domain.models import Source, Status, TaskSpec
from swarm_shared.taskfile.scalars import PlainText, is_typed

# The fields of a task, in the order of an export; unknown keys follow.
FIELDS = tuple(field for field in TaskSpec.__struct_fields__ if field not in ("extra", "line"))
_DEFAULTS = TaskSpec(id="", name="")
_REQUIRED = ("id", "name")
_LISTS = frozenset(field for field in FIELDS if isinstance(getattr(_DEFAULTS, field), tuple))
# Marks text that was unquoted and has a YAML type: {"$plain": "2024-05-01"}. JSON has no such type.
_PLAIN = "$plain"


def definition(spec: TaskSpec) -> dict[str, Any]:
    """Everything of a spec that is not its default, in the order of an export, in the types of JSON.

    Unknown keys are under `extra`. The line in the file is left out: equal tasks give equal definitions.
    """
    content: dict[str, Any] = {}
    for field in FIELDS:
        value = getattr(spec, field)
        if field in _REQUIRED or value != getattr(_DEFAULTS, field):
            content[field] = list(value) if field in _LISTS else value
    if "status" in content:
        content["status"] = spec.status.value
    if "env" in content:
        content["env"] = dict(spec.env)
    if spec.source is not None:
        content["source"] = to_builtins(spec.source)
    if spec.extra:
        content["extra"] = {key: _to_json(value) for key, value in spec.extra.items()}
    return content


def spec_from_definition(content: Mapping[str, Any]) -> TaskSpec:
    """The spec that `definition` gave; its line is 0.

    Raises:
        TypeError: A key is no field of a spec, or id or name is missing.
        ValueError: The status is none.
    """
    fields: dict[str, Any] = {key: tuple(value) if key in _LISTS else value for key, value in content.items()}
    if "status" in fields:
        fields["status"] = Status(fields["status"])
    if "source" in fields:
        fields["source"] = Source(**fields["source"])
    if "extra" in fields:
        fields["extra"] = {key: _from_json(value) for key, value in fields["extra"].items()}
    return TaskSpec(**fields)


def _to_json(value: Any) -> Any:
    if isinstance(value, PlainText):
        return {_PLAIN: str(value)}
    if isinstance(value, list | tuple):
        return [_to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    return value


def _from_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    plain = value.get(_PLAIN)
    # Checked, because the file may have a mapping that looks the same.
    if len(value) == 1 and isinstance(plain, str) and is_typed(plain):
        return PlainText(plain)
    return {key: _from_json(item) for key, item in value.items()}
