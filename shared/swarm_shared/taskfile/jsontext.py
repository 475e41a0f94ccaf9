"""Reads JSON as the events that a YAML parser would give, so that one reader serves both.

YAML takes most of JSON, but not all: escapes of surrogate pairs, as many programs write an emoji, and the character
U+007F are errors there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]  # public, but not in the stubs
from typing import Any

import msgspec
from yaml.events import (
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

Progress = Callable[[int, int], None]

_BETWEEN = re.compile(r"[ \t\r\n,:]*")  # only JSON that is known to be valid is read
_WORD = re.compile(r"[^ \t\r\n,:\]}]+")
# Of the same length as what replaces it, so that places stay right.
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_BYTE = re.compile(r"\(byte (\d+)\)")
_WHOLE = msgspec.json.Decoder(msgspec.Raw)
_PROGRESS_CHARS = 1 << 16


class Place(msgspec.Struct, frozen=True):
    """A place in the text; line and column count from 0."""

    line: int
    column: int


class NotJson(Exception):
    """The text is not JSON.

    Args:
        reason: What is wrong, without the place.
        place: Where, if one place can be named.
    """

    def __init__(self, reason: str, place: Place | None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.place = place


def check_json(text: bytes) -> None:
    """Make sure that the text is one JSON document; half of a surrogate pair is left to the reader, who names it.

    Raises:
        NotJson: It is not.
    """
    try:
        text.decode()
        _WHOLE.decode(_SURROGATE.sub(rb"\\u0041", text))
    except RecursionError as error:
        raise NotJson("it is nested too deeply", None) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        words = str(error)
        found = _BYTE.search(words)
        end = int(found[1]) if found else len(text)
        reason = _BYTE.sub("", words).removeprefix("JSON is malformed: ").strip()
        raise NotJson(reason, _place(text[:end].decode(errors="replace"))) from error


def json_events(text: bytes, progress: Progress | None) -> Iterator[Any]:
    """The events of a JSON document that `check_json` has passed; a number keeps its spelling."""
    document = text.decode()
    yield StreamStartEvent()
    yield DocumentStartEvent()
    at = line = line_start = counted = 0
    reported = 0
    while True:
        at = _BETWEEN.match(document, at).end()  # type: ignore[union-attr]  # it matches the empty text too
        if at >= len(document):
            break
        lines = document.count("\n", counted, at)
        if lines:
            line, line_start = line + lines, document.rindex("\n", 0, at) + 1
        counted = at
        mark: Any = Place(line, at - line_start)
        sign = document[at]
        if sign == '"':
            value, at = scanstring(document, at + 1)
            yield ScalarEvent(None, None, (False, True), value, mark, mark, '"')
            if progress is not None and at - reported > _PROGRESS_CHARS:
                reported = at
                progress(len(text) * at // len(document), len(text))
            continue
        if sign in _SIGNS:
            at += 1
            yield _SIGNS[sign](mark)
            continue
        word = _WORD.match(document, at)[0]  # type: ignore[index]  # a number, true, false or null
        at += len(word)
        yield ScalarEvent(None, None, (True, False), word, mark, mark, None)
    yield DocumentEndEvent()
    yield StreamEndEvent()


_SIGNS: dict[str, Callable[[Any], Any]] = {
    "{": lambda mark: MappingStartEvent(None, None, True, mark, mark, flow_style=True),
    "}": lambda mark: MappingEndEvent(mark, mark),
    "[": lambda mark: SequenceStartEvent(None, None, True, mark, mark, flow_style=True),
    "]": lambda mark: SequenceEndEvent(mark, mark),
}


def _place(before: str) -> Place:
    return Place(before.count("\n"), len(before) - (before.rfind("\n") + 1))
