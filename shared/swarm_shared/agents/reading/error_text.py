"""Makes error output of terminals readable: panels without their frames, wrapped messages as one line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

# The line of an error channel that users see; the full text stays in the stored output.
TEXT_LIMIT = 500
_FRAME = " \t│┃|╭╮╰╯┌┐└┘─━═║╔╗╚╝"
_TOP, _SIDE, _BOTTOM = tuple("╭┌┏╔"), tuple("│┃║"), tuple("╰└┗╚")
_WORD = re.compile(r"\w{2}")
_MESSAGE = re.compile(r"(?:Error\b|[Ee]rror:)")
# Consoles without a terminal wrap at 80 columns; a shorter line has ended by itself.
_WRAPPED_CHARS = 60


def unframed(text: str) -> str:
    """The text with each panel on one line, as "title: text", and each wrapped "Error …" message on one."""
    if not (_MESSAGE.search(text) or any(sign in text for sign in _TOP)):
        return text
    lines: list[str] = []
    title: str | None = None
    wrapped = False
    for line in text.splitlines():
        bare = line.strip()
        if bare.startswith(_TOP):
            title, wrapped = bare.strip(_FRAME), False
            lines.append(f"{title}:" if title else "")
        elif title is not None and bare.startswith(_SIDE):
            lines[-1] = f"{lines[-1]} {bare.strip(_FRAME)}".strip()
        elif title is not None and bare.startswith(_BOTTOM):
            title = None
        elif wrapped and bare and not _MESSAGE.match(bare):
            lines[-1] = f"{lines[-1]} {bare}"
            wrapped = len(line) >= _WRAPPED_CHARS
        else:
            lines.append(line)
            wrapped = _MESSAGE.match(bare) is not None and len(line) >= _WRAPPED_CHARS
    return "\n".join(lines)


def first_line(text: str) -> str:
    """The first line with content, without the frame that terminals draw around it."""
    return next(_said_lines(unframed(text).splitlines()), "")


def last_line(text: str) -> str:
    """The last line with content, as in `first_line`."""
    return next(_said_lines(reversed(unframed(text).splitlines())), "")


def lines_matching(text: str, patterns: Sequence[re.Pattern[str]], *, most: int) -> list[str]:
    """Up to so many different lines that a pattern occurs in, each panel being one."""
    if not any(pattern.search(text) for pattern in patterns):
        return []
    found = [line for line in unframed(text).splitlines() if any(pattern.search(line) for pattern in patterns)]
    return [line.strip(_FRAME)[:TEXT_LIMIT] for line in list(dict.fromkeys(found))[:most]]


def line_around(text: str, at: int) -> str:
    """The line that holds this place, or the part of it around the place where it is long."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : end if end >= 0 else len(text)]
    if len(line) > TEXT_LIMIT:
        # A provider's JSON error is one long line; what matched is what matters.
        first = max(0, at - start - TEXT_LIMIT // 4)
        line = line[first : first + TEXT_LIMIT]
    return line.strip(_FRAME)


def _said_lines(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if _WORD.search(line):
            yield line.strip(_FRAME)[:TEXT_LIMIT]
