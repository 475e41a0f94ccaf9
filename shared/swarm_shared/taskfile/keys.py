"""The keys that a task may have, and how its mapping becomes a task spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from yaml.events import ScalarEvent

from swarm_shared.domain.models import TaskSpec
from swarm_shared.taskfile import values
from swarm_shared.taskfile.nearest import Suggester, or_nearest
from swarm_shared.taskfile.nodes import ListNode, MapNode, Node, is_null
from swarm_shared.taskfile.problems import Mark, ProblemList, shown

MAX_HOURS = 100_000
MIN_TIMEOUT_MINUTES = 0.01
MAX_TIMEOUT_MINUTES = 100_000

# Every key of a task, with the field of TaskSpec that it fills, in the order of an export.
KEYS: Mapping[str, tuple[str, values.Reader]] = MappingProxyType(
    {
        "id": ("id", values.read_id),
        "name": ("name", values.read_name),
        "title": ("name", values.read_name),
        "description": ("description", values.read_text),
        "phase": ("phase", values.read_text),
        "type": ("type", values.read_text),
        "status": ("status", values.read_status),
        "priority": ("priority", values.read_priority),
        "estimated_hours": ("estimated_hours", values.number_reader(0, MAX_HOURS, "2 or 0.5")),
        "acceptance_criteria": ("acceptance_criteria", values.read_criteria),
        "files": ("files", values.read_paths),
        "design_docs": ("design_docs", values.read_texts),
        "dependencies": ("dependencies", values.read_ids),
        "depends_on": ("dependencies", values.read_ids),
        "checks": ("checks", values.read_texts),
        "run": ("run", values.read_text),
        "verify": ("verify", values.read_text),
        "max_retries": ("max_retries", values.read_retries),
        "timeout_minutes": (
            "timeout_minutes",
            values.number_reader(MIN_TIMEOUT_MINUTES, MAX_TIMEOUT_MINUTES, "30"),
        ),
        "builder_agent": ("builder_agent", values.read_text),
        "validator_agent": ("validator_agent", values.read_text),
        "agent_cli": ("agent_cli", values.read_text),
        "builder_model": ("builder_model", values.read_text),
        "model": ("builder_model", values.read_text),
        "validator_model": ("validator_model", values.read_text),
        "builder_args": ("builder_args", values.read_texts),
        "validator_args": ("validator_args", values.read_texts),
        "allow_empty": ("allow_empty", values.read_boolean),
        "labels": ("labels", values.read_texts),
        "env": ("env", values.read_environment),
        "source": ("source", values.read_source),
    }
)
# The fields in the order of an export; unknown keys follow.
FIELDS: tuple[str, ...] = tuple(dict.fromkeys(field for field, _ in KEYS.values()))


class TaskReader:
    """Turns the mappings of one file into task specs; what is wrong or odd goes to the two lists."""

    def __init__(self, problems: ProblemList, warnings: ProblemList) -> None:
        self._problems = problems
        self._warnings = warnings
        self._unknown: set[str] = set()
        self._suggester = Suggester(KEYS)

    def read(self, node: Node) -> TaskSpec | None:
        """The task that an entry of the list describes; None when it has no usable id."""
        if not isinstance(node, MapNode):
            advice = 'write it as keys and values that begin with "- id:"'
            self._problems.add(node.start_mark, "a task must be a mapping", advice)
            return None
        fields: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        problems = self._problems
        for word, (key, value) in node.entries.items():
            known = KEYS.get(word)
            if known is None or (word == "source" and not values.is_source(value)):
                self._warn_once(word, key)
                extra[word] = values.json_value(value, problems)
                continue
            field, read = known
            if is_null(value):
                continue
            if field in fields:
                self._problems.add(key.start_mark, f"{field} is given under two names", f"keep {field}")
                continue
            content = read(value, word, problems)
            if content is not None:
                fields[field] = content
        if extra:
            fields["extra"] = extra
        if "id" not in fields or "name" not in fields:
            self._say_what_is_missing(node, fields)
            # Without a name the file is refused, but others may depend on the id: one problem is enough.
            fields.setdefault("name", "")
        line = node.start_mark.line + 1 if node.start_mark else 0
        return TaskSpec(line=line, **fields) if "id" in fields else None

    def _say_what_is_missing(self, node: MapNode, fields: Mapping[str, Any]) -> None:
        advice = {"id": "give each task its own id", "name": "give the task a short name"}
        for word, (_, value) in node.entries.items():
            # Given and found wrong: that has been said.
            if not is_null(value) and word in KEYS:
                advice.pop(KEYS[word][0], None)
        for field, what_to_do in advice.items():
            if field not in fields:
                self._problems.add(node.start_mark, f"this task has no {field}", what_to_do)

    def _warn_once(self, word: str, key: ScalarEvent) -> None:
        if word in self._unknown:
            return
        self._unknown.add(word)
        nearest = None if self._warnings.full else self._suggester.nearest(word)
        advice = or_nearest(nearest if nearest != word else None, "remove it if that is not meant")
        self._warnings.add(key.start_mark, f"unknown key {shown(word)}: kept, but nothing uses it", advice)


def dependency_marks(node: Node) -> Iterator[tuple[str, Mark | None]]:
    """The ids that a task names as dependencies, each with its place in the file."""
    entries = node.entries if isinstance(node, MapNode) else {}
    for word in ("dependencies", "depends_on"):
        if word in entries:
            value = entries[word][1]
            for item in value.items if isinstance(value, ListNode) else [value]:
                if isinstance(item, ScalarEvent):
                    yield item.value, item.start_mark
