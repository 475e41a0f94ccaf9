"""Writes values as readable YAML that every parser reads back unchanged.

Not left to a YAML library: the C emitter escapes every emoji and with it turns a whole block of text into one
line, and the Python one, which does not, takes minutes for a large queue. The spelling is the same on all machines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from swarm_shared.taskfile.scalars import PlainText, parse_number, yaml_tag

STEP = "  "
# Parsers give up on longer keys unless these are marked.
_MAX_KEY_CHARS = 120

# Characters that are written to a file as they are. Others are escaped: control characters, the further line breaks of
# YAML (U+0085, U+2028, U+2029), the byte order mark, and what is no character.
_CLEAR = "\\x20-\\x7e\\xa0-\\u2027\\u202a-\\ud7ff\\ue000-\\ufefe\\uff00-\\ufffd\\U00010000-\\U0010ffff"
_NOT_CLEAR = f"[^{_CLEAR}]"
_ESCAPED = f'[^{_CLEAR}]|["\\\\]'
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r", "\x1b": "\\e", '"': '\\"', "\\": "\\\\"}
_NOT_CLEAR_IN_BLOCK = f"[^\\t\\n{_CLEAR}]"
# An unquoted text that begins with one of these is something else to a parser.
_INDICATORS = frozenset("-?:,[]{}#&*!|>'\"%@`=<~. ")
# Booleans to some parsers of YAML 1.1, though not to all.
_SHORT_BOOLEANS = frozenset("yYnN")


def block(entries: Iterable[tuple[str, Any]], pad: str) -> str:
    """Lines of a mapping, each behind the pad; at least one entry."""
    return "".join([_entry(key, value, pad) for key, value in entries])


def item(content: str, pad: str) -> str:
    """A block whose first line becomes the dash of a list: the block is indented one step further than the pad."""
    return f"{pad}- {content[len(pad) + len(STEP) :]}"


def _entry(key: str, value: Any, pad: str) -> str:
    word = _key(key)
    if len(word) > _MAX_KEY_CHARS:
        return f"{pad}? {word}\n{pad}:{_value(value, pad)}"
    return f"{pad}{word}:{_value(value, pad)}"


@lru_cache(maxsize=256)
def _key(key: str) -> str:
    return _double_quoted(key) if "\n" in key else _scalar(key, "")


def _value(value: Any, pad: str) -> str:
    """What follows a key's colon, up to the end of its last line."""
    if isinstance(value, str):
        return f" {_scalar(value, pad)}\n"
    if isinstance(value, Mapping):
        return "\n" + block(value.items(), pad + STEP) if value else " {}\n"
    if isinstance(value, tuple | list):
        # A list may be at the indentation of its key.
        return "\n" + _items(value, pad) if value else " []\n"
    return f" {_spelling(value)}\n"


def _items(values: Iterable[Any], pad: str) -> str:
    lines = []
    for value in values:
        if isinstance(value, Mapping) and value:
            lines.append(item(block(value.items(), pad + STEP), pad))
        elif isinstance(value, tuple | list) and value:
            lines.append(item(_items(value, pad + STEP), pad))
        else:
            lines.append(f"{pad}-{_value(value, pad)}")
    return "".join(lines)


def _scalar(text: str, pad: str) -> str:
    if isinstance(text, PlainText):
        return str(text)
    if "\n" in text:
        return _literal(text, pad) if _is_literal(text) else _double_quoted(text)
    if not text.isprintable() and _compiled(_NOT_CLEAR).search(text):
        return _double_quoted(text)
    return text if _is_plain(text) else "'" + text.replace("'", "''") + "'"


def _is_literal(text: str) -> bool:
    """Whether a literal block keeps every blank and break of a text of lines."""
    return not (
        text[0] in "\t\n "
        or text.endswith(("\n\n", " ", "\t"))
        or " \n" in text
        or "\t\n" in text
        or _compiled(_NOT_CLEAR_IN_BLOCK).search(text)
    )


def _is_plain(text: str) -> bool:
    """Whether a text on one line is the same without quotes: no comment, no key, no blanks at its ends."""
    return not (
        not text
        or text[0] in _INDICATORS
        or text[-1] in ": "
        or ": " in text
        or " #" in text
        or _reads_as_another_type(text)
    )


def _reads_as_another_type(text: str) -> bool:
    """Whether YAML 1.1, or 1.2 where it differs, takes an unquoted spelling for anything but text."""
    if yaml_tag(text) is not None or text in _SHORT_BOOLEANS:
        return True
    return text[0] in "0123456789+" and (text.startswith("0o") or parse_number(text) is not None)


def _literal(text: str, pad: str) -> str:
    mark = "|" if text.endswith("\n") else "|-"
    indent = pad + STEP
    lines = [indent + line if line else "" for line in text.removesuffix("\n").split("\n")]
    return "\n".join([mark, *lines])


def _double_quoted(text: str) -> str:
    return f'"{_compiled(_ESCAPED).sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _spelling(value: bool | int | float | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value)
    # YAML 1.1 knows exponents only behind a decimal point.
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when it is first used: large sets of characters take milliseconds, and most programs write no YAML."""
    return re.compile(pattern)
