"""Finds JSON objects in mixed, untrusted output, in bounded time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from swarm_shared.program.terminal_text import storable

# Characters that failed attempts may read before the search gives up, about a second's worth. Each failure costs
# everything before it, because the decoder counts its lines: text made of braces would be read quadratically.
WASTE_LIMIT_CHARS = 1_000_000_000
# A nesting too deep for the decoder does not say how far it came.
_DEEP_NESTING_CHARS = 5_000_000

# What no object can begin with is not even tried.
_LINE_START = re.compile(r'^\{(?=\s*["}])', re.MULTILINE)
_ANYWHERE = re.compile(r'\{(?=\s*["}])')
# A lone surrogate: JSON can express it, but UTF-8 cannot.
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")

# Not strict: models, and terminals that wrap lines, put bare line breaks into strings. NaN and Infinity are not valid
# JSON for readers of the stored answer, so they become null.
_decoder = json.JSONDecoder(strict=False, parse_constant=lambda _: None)


def objects_at_line_starts(text: str) -> Iterator[dict[str, Any]]:
    """JSON objects that begin in the first column, one-line or pretty-printed, in order."""
    for found, _, _ in _objects(text, _LINE_START):
        yield found


def objects_anywhere(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Outermost JSON objects in any text with where each begins and ends, in order."""
    return _objects(text, _ANYWHERE)


def _objects(text: str, brace: re.Pattern[str]) -> Iterator[tuple[dict[str, Any], int, int]]:
    end = 0
    waste = 0
    suspect = _SURROGATE.search(text) is not None
    for start in (match.start() for match in brace.finditer(text)):
        if start < end:
            continue
        if waste > WASTE_LIMIT_CHARS:
            return
        try:
            value, end = _decoder.raw_decode(text, start)
        except json.JSONDecodeError as problem:
            waste += problem.pos
        except (RecursionError, ValueError):  # too deep; a number of more digits than Python reads
            waste += _DEEP_NESTING_CHARS
        else:
            yield (_storable_object(value) if suspect else value), start, end


def _storable_object(value: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        cleaned: dict[str, Any] = json.loads(storable(json.dumps(value, ensure_ascii=False)))
        return cleaned
    return value
