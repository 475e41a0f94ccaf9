"""Reads JSON and YAML of other tools with the line of everything, and replaces single values in their text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # public, but not in the stubs
from typing import Any

import yaml
from yaml.events import ScalarEvent

from swarm_shared.taskfile.jsontext import NotJson, check_json
from swarm_shared.taskfile.nodes import ListNode, MapNode, Node, NodeReader, StopReading, TooLong, is_null
from swarm_shared.taskfile.problems import ProblemList
from swarm_shared.taskfile.scalars import parse_bool

_PRIVATE = {char: chr(0xE000 + ord(char)) for char in "@`%{:"}
_TO_PRIVATE = str.maketrans(_PRIVATE)
_FROM_PRIVATE = str.maketrans({private: char for char, private in _PRIVATE.items()})
# At the beginning of a value: characters that a plain one must not begin with, and a variable that more text follows.
_UNQUOTED = re.compile(r"((?:^|[:,\[-])[ \t]*)([@`%]|\{[\w-]+\}(?=[^\s,}\]]))", re.MULTILINE)
_COLON_IN_TEXT = re.compile(r"^([ \t]*(?:-[ \t]+)?[\w-]+:[ \t]+)([^'\"\[{|>&*!#\s].*: .*)$", re.MULTILINE)
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
_JSON_WORD = re.compile(r"[^ \t\r\n,:\]}]+")


class Object:
    """A mapping with the line of each key; scalars are text by their literal spelling, None for null."""

    def __init__(self, node: MapNode) -> None:
        self.node = node
        self.line = node.start_mark.line + 1 if node.start_mark else 0

    def __contains__(self, key: str) -> bool:
        return key in self.node.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.node.entries)

    def line_of(self, key: str) -> int:
        mark = self.node.entries[key][0].start_mark
        return int(mark.line) + 1 if mark else self.line

    def value(self, key: str) -> Any:
        """An Object, a list of values, text, or None; None too for a missing key."""
        entry = self.node.entries.get(key)
        return None if entry is None else _value(entry[1])

    def text(self, key: str) -> str:
        """The text of a scalar, or the lines of a list of scalars; empty when there is none."""
        found = self.value(key)
        if isinstance(found, list):
            return "\n".join(f"- {each}" for each in found if isinstance(each, str))
        return found if isinstance(found, str) else ""

    def texts(self, key: str) -> list[str]:
        """The texts of a list, or one text as the only one; what is not text is left out."""
        found = self.value(key)
        listed = found if isinstance(found, list) else [found]
        return [each for each in listed if isinstance(each, str) and each.strip()]

    def objects(self, key: str) -> list[Object]:
        found = self.value(key)
        return [each for each in found if isinstance(each, Object)] if isinstance(found, list) else []

    def truth(self, key: str) -> bool:
        return parse_bool(self.text(key)) is True


def read_document(text: str, problems: ProblemList, *, is_json: bool) -> Any:
    """The one document of a text: an Object, a list of values, text, or None when it is empty or cannot be read.

    YAML may contain what tools write without quotes, though it needs them: `@ann`, `{root}/a`, `title: A: b`.
    What is wrong is added to the problems.
    """
    if not text.strip():
        return None
    found = ProblemList(problems.file)
    document = _read(text, found, is_json=is_json)
    if len(found) and not is_json and (plain := stand_ins(text)) != text:
        again = ProblemList(problems.file)
        document = _read(plain, again, is_json=is_json)
        if not len(again):
            return document
        document = None
    for each in found:
        problems.add_at(each.line, each.column, each.message, each.advice)
    return document


def joined_values(text: str) -> str:
    """Several JSON values one after another, as `jq '.[]'` prints them, as one list; any other text as it is.

    Every line keeps its number. A value that cannot be read stays in the list, so that its error names its line.
    """
    decoder = json.JSONDecoder()
    values: list[str] = []
    at = 0
    while (begin := _NOT_SPACE.search(text, at)) is not None:
        try:
            _, end = decoder.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            end = len(text)
        values.append(text[at:end])
        at = end
    return f"[{','.join(values)}{text[at:]}]" if len(values) > 1 else text


def stand_ins(text: str) -> str:
    """The text with private characters for those that need quotes in YAML; nothing changes its place."""
    text = _UNQUOTED.sub(lambda found: found[1] + found[2].translate(_TO_PRIVATE), text)
    return _COLON_IN_TEXT.sub(lambda found: found[1] + found[2].replace(": ", f"{_PRIVATE[':']} "), text)


def _read(text: str, problems: ProblemList, *, is_json: bool) -> Any:
    data = text.encode("utf-8", "replace")
    try:
        if is_json:
            check_json(data)
        nodes = NodeReader(data, problems, None, is_json=is_json)
        first = nodes.begin()
        if first is None:
            return None
        node = nodes.node(first)
        nodes.end()
    except NotJson as error:
        problems.add(error.place, f"not JSON: {error.reason}", "check the quotes, commas and brackets at this place")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problems.add(mark, f"not YAML: {error.problem}", "check the indentation, quotes and brackets at this place")
    except (yaml.YAMLError, TooLong):
        problems.add_at(0, 0, "this cannot be read as text", "save the file as UTF-8 without control characters")
    except StopReading:
        pass
    else:
        return None if len(problems) else _value(node)
    return None


def set_value(text: str, owner: Object, key: str, word: str, *, is_json: bool) -> str:
    """The text with another scalar under a key that the object has; nothing else changes."""
    value = owner.node.entries[key][1]
    assert isinstance(value, ScalarEvent)
    start, end = _span(text, value, is_json)
    blank = " " if start == end else ""
    return f"{text[:start]}{blank}{word}{text[end:]}"


def add_first(text: str, owner: Object, entry: str) -> str:
    """The text of a JSON document with an entry added at the beginning of an object."""
    at = _offset(text, owner.node.start_mark) + 1
    comma = ", " if owner.node.entries else ""
    return f"{text[:at]}{entry}{comma}{text[at:]}"


def is_scalar(owner: Object, key: str) -> bool:
    return key in owner and isinstance(owner.node.entries[key][1], ScalarEvent)


def _value(node: Node) -> Any:
    if isinstance(node, ScalarEvent):
        if is_null(node):
            return None
        return node.value if node.value.isascii() else node.value.translate(_FROM_PRIVATE)
    if isinstance(node, ListNode):
        return [_value(item) for item in node.items]
    return Object(node)


def _span(text: str, value: ScalarEvent, is_json: bool) -> tuple[int, int]:
    if not is_json:
        marks: Any = value
        return marks.start_mark.index, marks.end_mark.index
    start = _offset(text, value.start_mark)
    if text[start] == '"':
        return start, scanstring(text, start + 1)[1]
    return start, start + len(_JSON_WORD.match(text, start)[0])  # type: ignore[index]


def _offset(text: str, mark: Any) -> int:
    at = 0
    for _ in range(mark.line):
        at = text.index("\n", at) + 1
    return at + int(mark.column)
