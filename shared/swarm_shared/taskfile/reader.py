"""Reads and checks a whole task file: it is accepted, or refused with all reasons."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Collection, Container, Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import yaml
from msgspec import Struct, field
from yaml.events import ScalarEvent
from yaml.reader import ReaderError

from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import TaskSpec
from swarm_shared.program.nearest import Suggester, or_nearest
from swarm_shared.taskfile.graph import cycle_text, find_cycles
from swarm_shared.taskfile.jsontext import NotJson, check_json
from swarm_shared.taskfile.keys import TaskReader, dependency_marks
from swarm_shared.taskfile.nodes import (
    MAX_QUIET_BYTES,
    ListNode,
    Node,
    NodeReader,
    StopReading,
    TooLong,
    is_null,
)
from swarm_shared.taskfile.problems import Mark, Problem, ProblemList, TaskFileErrors, shown
from swarm_shared.taskfile.values import json_value

MAX_ENTRIES = 1_000  # of a folder, among which a mistyped file is looked for
MAX_FILE_BYTES = 1 << 30
STANDARD_INPUT = "<standard input>"

Progress = Callable[[int, int], None]

_PORTION_BYTES = 1 << 16  # a buffer is allocated whole for each file, and a plan may be thousands of small ones
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
_SAVE_AS_UTF8 = "save the file as UTF-8"
# What the parser says, and what to do about it; the first that fits.
_SYNTAX_ADVICE = {
    "mapping values are not allowed": 'put the text in quotes if it contains ": ", and check the indentation',
    "cannot start any token": "indent with blanks, not tabs; put text that begins with @, ` or % in quotes",
    "could not find expected ':'": "check the indentation, and that the key has a colon and a blank after it",
    "found unexpected end of stream": "close the quotes",
    "unknown escape": 'write the backslash twice, or use single quotes instead of "',
    "did not find expected key": "check the indentation, and quotes inside quotes",
    "did not find expected '-' indicator": "give all entries of the list the same indentation",
    "did not find expected <document start>": "the file may have only one mapping with tasks",
}
_JSON_ADVICE = "check the quotes, commas and brackets at this place"
_JSON_BLANKS = b" \t\r\n"
_DEFAULT_ADVICE = "check the indentation, quotes and brackets at this place"


@runtime_checkable
class NearIds(Protocol):
    """Known ids that can also name those next to a mistyped one."""

    def near(self, task_id: str) -> Collection[str]: ...


class TaskFile(Struct, frozen=True, kw_only=True):
    """What a good task file says; `other_keys` are those next to `tasks`, in the types of JSON."""

    tasks: list[TaskSpec]
    warnings: list[Problem] = field(default_factory=list)
    other_keys: Mapping[str, Any] = field(default_factory=dict)


def _near_file(path: str | Path) -> str | None:
    """A file in the same folder with almost this name."""
    wanted = Path(path)
    try:
        with os.scandir(wanted.parent) as entries:
            names = [entry.name for entry in islice(entries, MAX_ENTRIES) if entry.is_file()]
    except OSError:
        return None
    nearest = Suggester(names).nearest(wanted.name)
    return None if nearest is None else str(wanted.with_name(nearest))


def load_task_file(path: str | Path) -> bytes:
    """The bytes of a task file; pipes are fine.

    Raises:
        InputError: Missing, a folder, not readable, or larger than `MAX_FILE_BYTES`.
    """
    portions = []
    size = 0
    try:
        with open(path, "rb") as stream:
            is_more = True
            while is_more:
                portion = stream.read(_PORTION_BYTES)
                portions.append(portion)
                size += len(portion)
                if size > MAX_FILE_BYTES:
                    limit = f"{MAX_FILE_BYTES >> 20:,} MiB"
                    raise InputError(f"{path}: larger than {limit}", hint="Split it into several task files.")
                is_more = len(portion) == _PORTION_BYTES  # a short one is the last, also of a pipe
    except FileNotFoundError as error:
        hint = or_nearest(_near_file(path), "Check the path of the task file.")
        raise InputError(f"{path}: there is no such file", hint=hint) from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: this is a folder", hint="Name the task file in it.") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(f"{path}: cannot be read: {reason}", hint="Check the path and its permissions.") from error
    return b"".join(portions)


def read_task_file(
    path: Path | None,
    text: bytes,
    *,
    known_ids: Container[str] = (),
    progress: Progress | None = None,
) -> TaskFile:
    """The tasks of a file, in its order.

    Args:
        path: Names the file in messages; None for standard input.
        text: Its content, UTF-8 with or without a byte order mark; JSON is read as JSON, anything else as YAML.
        known_ids: Ids of tasks that are in the queue already, which dependencies may name.
        progress: Called with the bytes read and their total, several thousand times for a large file.

    Raises:
        TaskFileErrors: With everything that is wrong.
    """
    reading = _Reading(str(path) if path is not None else STANDARD_INPUT, text, progress)
    try:
        reading.read()
        reading.check_dependencies(known_ids)
    except StopReading:
        # What depends on the unread rest, such as unknown dependencies, would be guesswork.
        pass
    problems = reading.problems
    if len(problems):
        raise TaskFileErrors([*problems], omitted=problems.omitted)
    warnings = [*reading.warnings]
    return TaskFile(tasks=reading.tasks, warnings=warnings, other_keys=reading.other_keys)


class _Reading:
    """One pass over one file."""

    def __init__(self, file: str, text: bytes, progress: Progress | None) -> None:
        self._name = file
        self._not_json: NotJson | None = None
        self.problems = ProblemList(file)
        self.warnings = ProblemList(file)
        self.tasks: list[TaskSpec] = []
        self.other_keys: dict[str, Any] = {}
        self._text = text.removeprefix(codecs.BOM_UTF8)
        self._progress = progress
        self._marks: dict[str, Mark | None] = {}
        self._forward: list[tuple[str, str, Mark | None]] = []

    def read(self) -> None:
        """Everything that can be checked task by task.

        Raises:
            StopReading: From some place on the file is no task file; that place is noted.
        """
        self._refuse_other_encodings()
        try:
            self._read_document()
        except ReaderError as error:
            self._note_unreadable_character(error)
            raise StopReading from error
        except yaml.MarkedYAMLError as error:
            advice = next((a for said, a in _SYNTAX_ADVICE.items() if said in str(error.problem)), _DEFAULT_ADVICE)
            mark = error.problem_mark or error.context_mark
            context = f" {error.context}" if error.context else ""
            if self._not_json is not None and self._name.endswith(".json"):
                self.problems.add(self._not_json.place, f"not JSON: {self._not_json.reason}", _JSON_ADVICE)
            else:
                self.problems.add(mark, f"not YAML: {error.problem}{context}", advice)
            raise StopReading from error
        except TooLong as error:
            line = self._text.count(b"\n", 0, error.offset) + 1
            limit = f"{MAX_QUIET_BYTES >> 20} MiB"
            message = f"one value or comment from about here on takes more than {limit}"
            self.problems.add_at(line, 0, message, "check the quotes, or put long text into a separate file")
            raise StopReading from error

    def check_dependencies(self, known_ids: Container[str]) -> None:
        """Everything that can be checked only when all tasks are known."""
        suggester = Suggester(self._marks)
        for task_id, needed, mark in self._forward:
            if needed == task_id:
                self.problems.add(mark, f"task {shown(task_id)} depends on itself", "remove this dependency")
            elif needed not in self._marks and needed not in known_ids:
                nearest = None
                if not self.problems.full:
                    nearest = suggester.nearest(needed)
                    if nearest is None and isinstance(known_ids, NearIds):
                        nearest = Suggester(known_ids.near(needed)).nearest(needed)
                advice = or_nearest(nearest, "add that task, or remove this dependency")
                self.problems.add(mark, f"no task has the id {shown(needed)} that {shown(task_id)} needs", advice)
        if not self._forward:
            # Every task needs only earlier ones: there can be no cycle.
            return
        for cycle in find_cycles({task.id: task.dependencies for task in self.tasks}):
            message = f"these tasks wait for each other: {cycle_text(cycle)}"
            self.problems.add(self._marks[cycle[0]], message, "remove one of these dependencies")

    def _refuse_other_encodings(self) -> None:
        for mark, name in _OTHER_ENCODINGS.items():
            if self._text.startswith(mark):
                self.problems.add_at(1, 1, f"the file is {name}", _SAVE_AS_UTF8)
                raise StopReading

    def _is_json(self) -> bool:
        """Whether the text is JSON. A file that only resembles it, with a trailing comma for instance, may be YAML."""
        if not self._text.lstrip(_JSON_BLANKS).startswith((b"{", b"[")):
            return False
        try:
            check_json(self._text)
        except NotJson as error:
            self._not_json = error
        return self._not_json is None

    def _read_document(self) -> None:
        nodes = NodeReader(self._text, self.problems, self._progress, is_json=self._is_json())
        first = nodes.begin()
        if first is None:
            self.problems.add_at(1, 1, "the file is empty", 'begin it with "tasks:" and a list of tasks')
            return
        if type(first) is not yaml.MappingStartEvent:
            value = nodes.node(first)
            advice = 'put "tasks:" on a line above and indent the rest below it'
            self.problems.add(value.start_mark, "the file is not a mapping with the key tasks", advice)
            nodes.end()
            return
        found = False
        for key, event in nodes.entries():
            if key.value == "tasks":
                found = True
                self._read_tasks(nodes, key, event)
            else:
                self.other_keys[key.value] = json_value(nodes.node(event), self.problems)
        if not found:
            nearest = Suggester(["tasks"])
            similar = next((key for key in self.other_keys if nearest.nearest(key.lower())), None)
            advice = f"rename {shown(similar)} to tasks" if similar else "put the list of tasks under this key"
            self.problems.add(first.start_mark, "the key tasks is missing", advice)
        nodes.end()

    def _read_tasks(self, nodes: NodeReader, key: ScalarEvent, event: Any) -> None:
        items: Iterable[Node] = nodes.items()
        if type(event) is not yaml.SequenceStartEvent:
            value = nodes.node(event)
            if not isinstance(value, ListNode):
                kind = "empty" if is_null(value) else "not a list"
                advice = 'begin each task below it with "- id:"; an empty list is []'
                self.problems.add(key.start_mark, f"tasks is {kind}", advice)
                return
            items = value.items
        reader = TaskReader(self.problems, self.warnings)
        for node in items:
            task = reader.read(node)
            if task is None:
                continue
            if task.id in self._marks:
                first = self._marks[task.id]
                where = f" (first in line {first.line + 1})" if first else ""
                message = f"the id {shown(task.id)} is given twice{where}"
                self.problems.add(node.start_mark, message, "change one of the two ids")
                continue
            self._marks[task.id] = node.start_mark
            self.tasks.append(task)
            if any(needed not in self._marks or needed == task.id for needed in task.dependencies):
                for needed, mark in dependency_marks(node):
                    if needed not in self._marks or needed == task.id:
                        self._forward.append((task.id, needed, mark))

    def _note_unreadable_character(self, error: ReaderError) -> None:
        position = error.position
        if error.encoding == "unicode":  # the pure Python parser counts characters of what it decoded
            before = self._text.decode(errors="replace")[:position]
        else:
            before = self._text[:position].decode(errors="replace")
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        if code == 0:
            self.problems.add_at(line, column, "NUL bytes: this is not text, or it is UTF-16", _SAVE_AS_UTF8)
        elif "control" in str(error.reason) or "special" in str(error.reason):
            self.problems.add_at(line, column, f"the control character U+{code:04X}", "remove it")
        else:
            self.problems.add_at(line, column, f"the byte 0x{code & 0xFF:02X} is not UTF-8", _SAVE_AS_UTF8)
