"""The kinds of values of a task's keys: how each is read, and the error for any other.

A reader gets the node, the key's name for messages, and the problem list; None means: nothing usable there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from yaml.events import ScalarEvent

from swarm_shared.domain.models import PRIORITY_RANGE, Source, Status
from swarm_shared.program.nearest import Suggester, or_nearest
from swarm_shared.taskfile.nodes import MAX_DEPTH, ListNode, MapNode, Node, is_null, is_plain
from swarm_shared.taskfile.problems import Mark, ProblemList, shown
from swarm_shared.taskfile.scalars import parse_bool, parse_integer, parse_number, plain_value
from swarm_shared.taskfile.words import KEPT_STATUSES, priority_of, status_of

MAX_ID_CHARS = 200
MAX_RETRIES = 1000
MAX_PATH_CHARS = 4096  # PATH_MAX of Linux

_STATUSES_OF_A_FILE = (Status.NOT_STARTED.value, *(status.value for status in KEPT_STATUSES))
_STATUS_ADVICE = "use not_started, completed, failed, held or cancelled"
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]")
_SEPARATORS = re.compile(r"[/\\]")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SOURCE_KEYS = frozenset({"format", "path", "key"})
_BULLET = re.compile(r"[-*] +")
# Control characters and line or paragraph separators: they would split the lines of a log or move a cursor.
_NO_ID_CATEGORIES = frozenset({"Cc", "Zl", "Zp"})

Reader = Callable[[Node, str, ProblemList], Any]


def read_scalar(node: Node, word: str, problems: ProblemList) -> str | None:
    """The literal spelling of a single value."""
    if not isinstance(node, ScalarEvent):
        kind, advice = "a list", "give one text"
        if isinstance(node, MapNode):
            # The commonest slip in lists of criteria: "- Returns 404: not found" is a mapping to YAML.
            kind, advice = "a mapping", 'if it is one text with ": " in it, put it in quotes'
        problems.add(node.start_mark, f"{word} must be text, not {kind}", advice)
        return None
    if "\0" in node.value:
        problems.add(node.start_mark, f"{word} contains a NUL character", "remove it: no program takes it")
        return None
    return node.value


def read_text(node: Node, word: str, problems: ProblemList) -> str | None:
    """One text; an empty one counts as none."""
    return read_scalar(node, word, problems) or None


def read_name(node: Node, word: str, problems: ProblemList) -> str | None:
    """One text with something in it."""
    text = read_scalar(node, word, problems)
    if text is not None and not text.strip():
        problems.add(node.start_mark, f"the {word} is empty", "give the task a short name")
        return None
    return text


def read_id(node: Node, word: str, problems: ProblemList) -> str | None:
    """A text that users can type, see and find in a log."""
    text = read_scalar(node, word, problems)
    if text is None:
        return None
    if not text.strip():
        problems.add(node.start_mark, "the id is empty", "give each task its own id")
    elif text != text.strip():
        problems.add(node.start_mark, f"the id {shown(text)} begins or ends with a blank", "remove the blank")
    elif len(text) > MAX_ID_CHARS:
        problems.add(
            node.start_mark,
            f"the id {shown(text)} is longer than {MAX_ID_CHARS} characters",
            "shorten it; the name has room for a sentence",
        )
    elif not text.isprintable() and any(unicodedata.category(char) in _NO_ID_CATEGORIES for char in text):
        problems.add(node.start_mark, f"the id {shown(text)} contains a control character", "remove it")
    else:
        return text
    return None


def _entries(node: Node, word: str, problems: ProblemList) -> Iterator[tuple[str, Mark | None]]:
    """The texts of a list, or one text as the only one, with their places; empty entries mean nothing."""
    items = node.items if isinstance(node, ListNode) else (node,)
    label = f"an entry of {word}" if isinstance(node, ListNode) else word
    for item in items:
        if is_null(item):
            continue
        text = read_scalar(item, label, problems)
        if text is not None and text.strip():
            yield text, item.start_mark


def read_texts(node: Node, word: str, problems: ProblemList) -> tuple[str, ...] | None:
    """A list of texts, or one text as a list of one."""
    return tuple([text for text, _ in _entries(node, word, problems)]) or None


def read_ids(node: Node, word: str, problems: ProblemList) -> tuple[str, ...] | None:
    """A list of ids without repetitions."""
    return tuple(dict.fromkeys(text for text, _ in _entries(node, word, problems))) or None


def read_paths(node: Node, word: str, problems: ProblemList) -> tuple[str, ...] | None:
    """A list of paths or globs that stay below the project root."""
    paths = []
    for path, mark in _entries(node, word, problems):
        if len(path) > MAX_PATH_CHARS:
            problems.add(mark, f"{word} names a path of {len(path):,} characters", "no file has such a path")
        elif _ABSOLUTE.match(path):
            advice = "write it relative to the project root"
            problems.add(mark, f"{word} names the absolute path {shown(path)}", advice)
        elif ".." in path and ".." in _SEPARATORS.split(path):
            advice = "write it relative to the project root, without .."
            problems.add(mark, f"{word} leaves the project with {shown(path)}", advice)
        else:
            paths.append(path)
    return tuple(paths) or None


def read_criteria(node: Node, word: str, problems: ProblemList) -> tuple[str, ...] | None:
    """A list, or one text; one written as lines with dashes is taken apart, so that each can be numbered."""
    texts = read_texts(node, word, problems)
    if texts is None or isinstance(node, ListNode) or not _BULLET.match(texts[0]):
        return texts
    entries: list[list[str]] = []
    for line in texts[0].splitlines():
        bullet = _BULLET.match(line)
        if bullet:
            entries.append([line[bullet.end() :]])
        else:
            entries[-1].append(line.strip())
    return tuple(entry for entry in ("\n".join(lines).strip() for lines in entries) if entry) or None


def read_status(node: Node, word: str, problems: ProblemList) -> Status | None:
    """A status that a file may bring, from any status or group word."""
    text = read_scalar(node, word, problems)
    if text is None:
        return None
    status = status_of(text)
    if status is None:
        nearest = None if problems.full else Suggester(_STATUSES_OF_A_FILE).nearest(text[:MAX_ID_CHARS])
        problems.add(node.start_mark, f"{shown(text)} is not a status", or_nearest(nearest, _STATUS_ADVICE))
    return status


def read_priority(node: Node, word: str, problems: ProblemList) -> int | None:
    """A priority's number, from its name or the number itself."""
    text = read_scalar(node, word, problems)
    if text is None:
        return None
    number = priority_of(text)
    if number is None:
        low, high = PRIORITY_RANGE
        advice = f"use critical, high, medium, low or a whole number from {low:,} to {high:,}"
        problems.add(node.start_mark, f"{shown(text)} is not a priority", advice)
        return None
    return number


def number_reader(low: float, high: float, example: str) -> Reader:
    """A reader of decimal numbers within a range."""

    def read(node: Node, word: str, problems: ProblemList) -> float | None:
        text = read_scalar(node, word, problems)
        if text is None:
            return None
        number = parse_number(text)
        if number is None or not low <= number <= high:
            wrong = "is not a number" if number is None else f"is not between {low:g} and {high:,g}"
            problems.add(node.start_mark, f"{word}: {shown(text)} {wrong}", f"write a number such as {example}")
            return None
        return number + 0.0  # turns -0.0 into 0.0, which an export would show

    return read


def read_retries(node: Node, word: str, problems: ProblemList) -> int | None:
    """A number of retries; 0 is one attempt only."""
    text = read_scalar(node, word, problems)
    if text is None:
        return None
    number = parse_integer(text)
    if number is None or not 0 <= number <= MAX_RETRIES:
        wrong = f"{word}: {shown(text)} is not a whole number from 0 to {MAX_RETRIES:,}"
        problems.add(node.start_mark, wrong, "write the number of retries after the first attempt, such as 2")
        return None
    return number


def read_boolean(node: Node, word: str, problems: ProblemList) -> bool | None:
    """True or false in the spellings of YAML."""
    text = read_scalar(node, word, problems)
    answer = None if text is None else parse_bool(text)
    if text is not None and answer is None:
        problems.add(node.start_mark, f"{word}: {shown(text)} is neither true nor false", "write true or false")
    return answer


def read_environment(node: Node, word: str, problems: ProblemList) -> dict[str, str] | None:
    """Environment variables by name; a name without a value is set to nothing."""
    if not isinstance(node, MapNode):
        problems.add(node.start_mark, f"{word} must be a mapping", "write it as NAME: value, one per line")
        return None
    variables = {}
    for name, (key, value) in node.entries.items():
        if not _ENV_NAME.fullmatch(name):
            problems.add(key.start_mark, f"{shown(name)} cannot name a variable", "use letters, digits and _")
            continue
        text = "" if is_null(value) else read_scalar(value, f"{word}: {name}", problems)
        if text is not None:
            variables[name] = text
    return variables or None


def text_of_part(node: Node) -> str | None:
    """A text, or the texts of a list as lines with dashes; None for anything else."""
    items = node.items if isinstance(node, ListNode) else [node]
    texts = [item.value.strip("\n") for item in items if isinstance(item, ScalarEvent) and not is_null(item)]
    if len(texts) != len(items) or not texts or any("\0" in text for text in texts):
        return None
    return "\n".join(f"- {text}" for text in texts) if isinstance(node, ListNode) else texts[0]


def is_source(node: Node) -> bool:
    """Whether a value is one of our mappings; users write other things under `source`, which are kept unread."""
    return isinstance(node, MapNode) and node.entries.keys() >= _SOURCE_KEYS


def read_source(node: Node, word: str, problems: ProblemList) -> Source | None:
    """The item of another tool's plan that a task was made from."""
    assert isinstance(node, MapNode)
    texts = {}
    for name in sorted(_SOURCE_KEYS):
        value = node.entries[name][1]
        text = read_scalar(value, f"{word}: {name}", problems)
        if text is None:
            return None
        if not text.strip():
            problems.add(value.start_mark, f"{word}: {name} is empty", "remove the source, or fill it in")
            return None
        texts[name] = text
    ticks = node.entries["tick"][1] if "tick" in node.entries else None
    tick = ticks is not None and read_boolean(ticks, f"{word}: tick", problems) is True
    # What is ticked is written to: it must be in the project.
    if tick and read_paths(node.entries["path"][1], f"{word}: path", problems) is None:
        return None
    return Source(**texts, tick=tick)


def json_value(node: Node, problems: ProblemList, depth: int = 1) -> Any:
    """The value of an unknown key, in the types of JSON (and `PlainText`)."""
    if isinstance(node, ScalarEvent):
        return plain_value(node.value) if is_plain(node) else node.value
    if depth > MAX_DEPTH:
        # Aliases inside aliases reach deeper than the file looks.
        problems.add(node.start_mark, f"nested deeper than {MAX_DEPTH} levels", "flatten this value")
        return None
    if isinstance(node, ListNode):
        return [json_value(item, problems, depth + 1) for item in node.items]
    return {word: json_value(value, problems, depth + 1) for word, (_, value) in node.entries.items()}
