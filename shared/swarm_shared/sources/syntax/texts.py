"""Pieces of text in issues and stories: sections, lists, references."""

from __future__ import annotations

import re

from msgspec import Struct, field

_HEADING = re.compile(r"(#{1,6})[ \t]+(.*?)[ \t#]*")
_BULLET = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+(?:\[[ xX]\][ \t]*)?(?:#\d+[ \t]+)?(.*)")
_MARKER = re.compile(r"[ \t]*<!--[ \t]*(?:SECTION:[A-Z_]+|AC|DOD):(?:BEGIN|END)[ \t]*-->[ \t]*")
_FENCE = re.compile(r"[ \t]*(```+|~~~+)")


class Section(Struct, kw_only=True):
    """The lines below one heading; the first section of a text has none. `line` is that of the heading, from 1."""

    title: str
    level: int
    line: int
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(line for line in self.lines if "<!--" not in line or not _MARKER.fullmatch(line)).strip("\n")


def sections(lines: list[str], *, deepest: int = 2, first: int = 1) -> list[Section]:
    """The sections of a Markdown text; headings below `deepest` belong to the text of theirs.

    Args:
        first: The line number of the first line.
    """
    found = [Section(title="", level=0, line=first)]
    fence = ""
    for number, line in enumerate(lines, first):
        if line[:1] != "#" and "```" not in line and "~~~" not in line:
            found[-1].lines.append(line)
            continue
        opened = _FENCE.match(line)
        if opened and not fence:
            fence = opened[1]
        elif fence and line.strip().startswith(fence):
            fence = ""
        heading = None if fence or opened else _HEADING.fullmatch(line)
        if heading is not None and len(heading[1]) <= deepest:
            found.append(Section(title=heading[2].strip(), level=len(heading[1]), line=number))
        else:
            found[-1].lines.append(line)
    return found


def listed(text: str) -> list[str]:
    """The entries of a list with their further lines; a text without bullets is one entry."""
    entries: list[str] = []
    for line in text.split("\n"):
        bullet = _BULLET.fullmatch(line)
        if bullet and not line.startswith((" " * 4, "\t")):
            entries.append(bullet[1])
        elif line.strip() and entries:
            entries[-1] += f"\n{line.strip()}"
        elif line.strip():
            entries.append(line.strip())
    return [entry for entry in (each.strip() for each in entries) if entry]


def joined(*parts: tuple[str, str]) -> str:
    """Texts with their titles, without the empty ones; the first title may be empty."""
    return "\n\n".join(f"{title}:\n{text.strip()}" if title else text.strip() for title, text in parts if text.strip())
