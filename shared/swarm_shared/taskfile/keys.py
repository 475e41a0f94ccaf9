"""The keys that a task may have, and how its mapping becomes a task spec."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from types import MappingProxyType
from typing import Any

from yaml.events import ScalarEvent

from swarm_shared.domain.models import TaskSpec
from swarm_shared.program.nearest import Suggester, or_nearest
from swarm_shared.taskfile import values
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

# Common words for keys, as users and other tools write them; singular and plural are the same.
ALIASES: Mapping[str, str] = MappingProxyType(
    dict.fromkeys(["deps", "depends", "dependency", "blocked_by"], "dependencies")
    | dict.fromkeys(["acceptance_criterion", "criteria"], "acceptance_criteria")
    | dict.fromkeys(["estimated_hour", "estimate_hours", "hours"], "estimated_hours")
    | {"design_doc": "design_docs", "file": "files", "check": "checks", "label": "labels"}
)
# Keys with text for the agent, which follow the description under these titles.
PARTS: Mapping[str, str] = MappingProxyType({"details": "Details", "context": "Context", "notes": "Notes"})
# So similar to a key that it is a typing error: no agent would see its value.
MISSPELLED = 0.85

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def plain_key(word: str) -> str:
    """A key in our spelling: `acceptanceCriteria`, `Depends-On` and `blocked by` with underscores, small."""
    return _HUMP.sub("_", word).replace("-", "_").replace(" ", "_").lower()


class TaskReader:
    """Turns the mappings of one file into task specs; what is wrong or odd goes to the two lists."""

    def __init__(self, problems: ProblemList, warnings: ProblemList) -> None:
        self._problems = problems
        self._warnings = warnings
        self._unknown: set[str] = set()
        self._nearest: dict[str, str | None] = {}
        self._suggester = Suggester(KEYS)

    def read(self, node: Node) -> TaskSpec | None:
        """The task that an entry of the list describes; None when it has no usable id."""
        if not isinstance(node, MapNode):
            advice = 'write it as keys and values that begin with "- id:"'
            self._problems.add(node.start_mark, "a task must be a mapping", advice)
            return None
        fields: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        parts: list[tuple[str, str]] = []
        problems = self._problems
        for word, (key, value) in node.entries.items():
            known = KEYS.get(word) or self._plain(word)
            if known is None or (word == "source" and not values.is_source(value)):
                part = PARTS.get(plain_key(word))
                text = values.text_of_part(value) if part is not None else None
                if part is not None and text is not None:
                    parts.append((part, text))
                elif not self._refuse_misspelled(word, key, value):
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
        if parts:
            described = [fields.get("description", "").rstrip("\n"), *(f"{title}:\n{text}" for title, text in parts)]
            fields["description"] = "\n\n".join(text for text in described if text)
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
            if not is_null(value) and (known := self._plain(word)) is not None:
                advice.pop(known[0], None)
        for field, what_to_do in advice.items():
            if field not in fields:
                self._problems.add(node.start_mark, f"this task has no {field}", what_to_do)

    def _plain(self, word: str) -> tuple[str, values.Reader] | None:
        """The key that another spelling or a plain word means."""
        plain = plain_key(word)
        return KEYS.get(ALIASES.get(plain, plain))

    def _refuse_misspelled(self, word: str, key: ScalarEvent, value: Node) -> bool:
        """Whether a key is so near to a known one that its value was meant for that, which is then a problem."""
        if is_null(value) or word in KEYS:
            return False
        if word not in self._nearest:
            nearest = self._suggester.nearest(word)
            is_near = nearest is not None and SequenceMatcher(None, plain_key(word), nearest).ratio() >= MISSPELLED
            self._nearest[word] = nearest if is_near else None
        found = self._nearest[word]
        if found is None:
            return False
        self._problems.add(key.start_mark, f"unknown key {shown(word)}, so no agent would see it", f"write {found}")
        return True

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
    for word, (_, value) in entries.items():
        plain = plain_key(word)
        if KEYS.get(ALIASES.get(plain, plain), ("",))[0] == "dependencies":
            for item in value.items if isinstance(value, ListNode) else [value]:
                if isinstance(item, ScalarEvent):
                    yield item.value, item.start_mark
