"""Reads a Markdown file as a tree of checklist items, with the role of every line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from msgspec import Struct, field

TAB_WIDTH = 4

_ITEM = re.compile(r"([ \t]*)(?:[-*+]|\d{1,9}[.)])[ \t]+\[([ xX~/-])\](\*?)(?:[ \t]+(.*)|$)")
_BULLET = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+")
_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
_FENCE = re.compile(r"[ \t]*(```+|~~~+)")
_RULE = re.compile(r"[ \t]*([-*_=])(?:[ \t]*\1){2,}[ \t]*")


class Role(StrEnum):
    """What a line is."""

    ITEM = "item"
    BODY = "body"  # text below an item
    HEADING = "heading"
    BLANK = "blank"
    RULE = "rule"
    FRONT_MATTER = "front matter"
    COMMENT = "comment"
    FENCE = "code fence"  # outside any item
    TEXT = "text"  # outside any item


class Line(Struct, kw_only=True, eq=False):
    """One line; `owner` is the item that an item's or body's line belongs to."""

    number: int  # counts from 1
    text: str
    role: Role
    owner: Item | None = None
    has_box: bool = False  # looks like an item, whatever its role
    heading: str = ""


class Item(Struct, kw_only=True, eq=False):
    """A line with a box, what is indented below it, and the headings above it."""

    line: int
    indent: int
    mark: str  # what is in the box
    has_star: bool  # `- [ ]*`
    text: str
    headings: tuple[str, ...]
    body: list[Line] = field(default_factory=list)  # without the lines of the children
    children: list[Item] = field(default_factory=list)

    @property
    def is_done(self) -> bool:
        return self.mark in "xX"

    def walk(self) -> Iterator[Item]:
        """This item and all below it, in the order of the file."""
        waiting = [self]
        while waiting:
            item = waiting.pop()
            yield item
            waiting += reversed(item.children)

    def body_text(self) -> str:
        """The text below the item, without the indentation that all of it has."""
        return dedent([line.text for line in self.body])


class Document(Struct, kw_only=True, eq=False):
    """All lines of a file, and its outermost items."""

    lines: list[Line]
    items: list[Item]
    title: str = ""  # the only heading of the first level, if all others and all items are below it
    unclosed_fence: int = 0  # the line of a code fence that never ends

    def walk(self) -> Iterator[Item]:
        """All items in the order of the file."""
        for item in self.items:
            yield from item.walk()


def read_markdown(text: str, *, loose: bool = False) -> Document:
    """The lines and items of a text.

    Args:
        loose: Text below an item belongs to it without indentation too, up to the next item, heading or rule.
    """
    reading = _Reading(loose=loose)
    for number, line in enumerate(split_lines(text), 1):
        reading.add(number, line)
    document = Document(lines=reading.lines, items=reading.items, unclosed_fence=reading.fence_line)
    _lift_title(document)
    return document


def split_lines(text: str) -> list[str]:
    """The lines without their ends; a break at the end of the text begins no further line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def tick_lines(text: str, numbers: set[int]) -> str:
    """The text with the boxes of some lines ticked; nothing else changes."""
    lines = text.split("\n")
    for number in numbers:
        line = lines[number - 1]
        at = line.index("[")
        lines[number - 1] = f"{line[: at + 1]}x{line[at + 2 :]}" if line[at + 1] not in "xX" else line
    return "\n".join(lines)


def dedent(lines: list[str]) -> str:
    """Lines without their common indentation, and without blank lines at either end."""
    filled = [line for line in lines if line.strip()]
    common = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    return "\n".join(line[common:].rstrip() for line in lines).strip("\n")


def indent_of(line: str) -> int:
    """The width of the indentation in columns."""
    blanks = line[: len(line) - len(line.lstrip(" \t"))]
    return len(blanks.expandtabs(TAB_WIDTH))


class _Reading:
    """One pass over the lines."""

    def __init__(self, *, loose: bool) -> None:
        self.lines: list[Line] = []
        self.items: list[Item] = []
        self._loose = loose
        self.fence_line = 0
        self._fence = ""
        self._fence_owner: Item | None = None
        self._in_front_matter = False
        self._in_comment = False
        self._headings: list[tuple[int, str]] = []
        self._open: list[Item] = []  # the last item, with all that it is below
        self._blanks: list[Line] = []  # may turn out to be within a body

    def add(self, number: int, text: str) -> None:
        line = Line(number=number, text=text, role=Role.TEXT, has_box=_ITEM.match(text) is not None)
        self._classify(line)
        self.lines.append(line)

    def _classify(self, line: Line) -> None:
        text = line.text
        if line.number == 1 and text.strip() == "---":
            self._in_front_matter = True
            line.role = Role.FRONT_MATTER
        elif self._in_front_matter:
            line.role = Role.FRONT_MATTER
            self._in_front_matter = text.strip() not in ("---", "...")
        elif self._fence:
            self._continue_fence(line)
        elif self._in_comment:
            line.role = Role.COMMENT
            self._in_comment = "-->" not in text
        elif not text.strip():
            line.role = Role.BLANK
            self._blanks.append(line)
        elif text.lstrip().startswith("<!--"):
            line.role = Role.COMMENT
            self._in_comment = "-->" not in text
        elif fence := _FENCE.match(text):
            self._open_fence(line, fence[1])
        elif heading := _HEADING.match(text):
            self._enter(line, len(heading[1]), heading[2].rstrip("# \t") or heading[2])
        elif item := _ITEM.match(text):
            self._begin_item(line, item)
        else:
            self._place_text(line)

    def _continue_fence(self, line: Line) -> None:
        closing = line.text.strip()
        if closing.startswith(self._fence) and not closing.strip(self._fence[0]):
            self._fence, self.fence_line = "", 0
        self._give(line, self._fence_owner, Role.FENCE)

    def _open_fence(self, line: Line, fence: str) -> None:
        self._fence, self.fence_line = fence, line.number
        self._fence_owner = self._owner_of(line)
        self._give(line, self._fence_owner, Role.FENCE)

    def _enter(self, line: Line, level: int, text: str) -> None:
        line.role = Role.HEADING
        self._open.clear()
        while self._headings and self._headings[-1][0] >= level:
            self._headings.pop()
        line.heading = text.strip()
        self._headings.append((level, line.heading))

    def _begin_item(self, line: Line, match: re.Match[str]) -> None:
        indent = indent_of(line.text)
        while self._open and self._open[-1].indent >= indent:
            self._open.pop()
        item = Item(
            line=line.number,
            indent=indent,
            mark=match[2],
            has_star=bool(match[3]),
            text=(match[4] or "").strip(),
            headings=tuple(text for _, text in self._headings),
        )
        (self._open[-1].children if self._open else self.items).append(item)
        self._open.append(item)
        line.role, line.owner = Role.ITEM, item
        self._blanks.clear()

    def _place_text(self, line: Line) -> None:
        if _RULE.fullmatch(line.text) and self._owner_of(line) is None:
            line.role = Role.RULE
            self._open.clear()
            return
        before = self.lines[-1] if self.lines else None
        owner = self._owner_of(line)
        # A paragraph may continue without indentation until a blank line.
        if owner is None and before is not None and before.owner is not None and not _BULLET.match(line.text):
            owner = before.owner
        self._give(line, owner, Role.TEXT)
        if owner is None:
            self._open.clear()

    def _owner_of(self, line: Line) -> Item | None:
        indent = indent_of(line.text)
        owner = next((item for item in reversed(self._open) if item.indent < indent), None)
        if owner is None and self._loose and self._open and not _RULE.fullmatch(line.text):
            return self._open[-1]
        return owner

    def _give(self, line: Line, owner: Item | None, otherwise: Role) -> None:
        """Make a line part of an item's body, with the blank lines before it."""
        line.owner = owner
        line.role = otherwise if owner is None else Role.BODY
        if owner is not None:
            owner.body += [*(self._blanks if owner.body else []), line]
        self._blanks.clear()


def _lift_title(document: Document) -> None:
    headings = [line for line in document.lines if line.role is Role.HEADING]
    first_level = [line for line in headings if line.text.lstrip().startswith("# ")]
    if len(first_level) != 1 or headings[0] is not first_level[0]:
        return
    if any(not item.headings for item in document.items):
        return
    document.title = first_level[0].heading
    for item in document.walk():
        item.headings = item.headings[1:]
