"""Makes text of tasks and agents safe: nothing in it has an effect on a terminal."""

from __future__ import annotations

import re

# Complete escape sequences are removed first, so that their letters do not remain.
_SEQUENCES = re.compile(
    "(?:\x1b\\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)?"  # titles, links, clipboard
    "|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c]*(?:\x1b\\\\|\x9c)?"  # device strings
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]?"  # colours, cursor, modes
    "|\x1b[ -/]*[0-~]?"
)
# Controls, the marks that turn the reading direction, and line breaks that only some programs break at.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]")


def safe(text: object, *, lines: bool = False) -> str:
    """Text that does nothing to a terminal: on one line, or with its lines and tabs kept."""
    plain = _CONTROLS.sub("", _SEQUENCES.sub("", str(text).replace("\r\n", "\n").replace("\r", "\n")))
    return plain if lines else " ".join(plain.split())


_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def without_colours(text: str) -> str:
    """The text without a byte order mark and terminal codes."""
    return _ANSI.sub("", text.removeprefix("\ufeff")) if "\x1b" in text else text.removeprefix("\ufeff")


def storable(text: str) -> str:
    """The text with what no database or page can hold (lone surrogates, NUL) replaced."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
