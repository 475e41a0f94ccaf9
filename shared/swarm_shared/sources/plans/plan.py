"""The result of reading another tool's plan: tasks, and an account of everything in the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from os.path import splitext
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from swarm_shared.domain.models import TaskSpec
from swarm_shared.taskfile.problems import Problem, ProblemList

MAX_TEXT_SHOWN = 100


class Became(StrEnum):
    """The result for a part of a plan."""

    TASK = "task"
    PART = "part of a task"
    PHASE = "phase"
    NOTHING = "blank"  # blank lines, rules, punctuation
    LEFT_OUT = "left out"


class Entry(Struct, frozen=True, kw_only=True):
    """One piece of a plan and what it became: the lines from `line` to `last`, which count from 1."""

    file: str
    line: int
    last: int
    became: Became
    detail: str = ""  # the task's id, the field, the phase; the reason if it was left out
    text: str = ""  # as in the file, cut

    @property
    def lines(self) -> str:
        return str(self.line) if self.last <= self.line else f"{self.line}-{self.last}"

    def shown(self) -> dict[str, Any]:
        """In the shape of JSON."""
        return {
            "file": self.file,
            "line": self.line,
            "last": self.last,
            "became": str(self.became),
            "detail": self.detail,
            "text": self.text,
        }


class Place(Struct, frozen=True, kw_only=True):
    """Where a plan was found.

    `file` names it in messages. `path` is it relative to the project root with forward slashes, absolute if it is
    outside, and empty for standard input. `on_disk` is where it can be opened.
    """

    file: str
    path: str
    on_disk: Path | None = None
    in_project: bool = False
    expected: str = ""  # the format that files at this place have, if it was found there

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.path.split("/"))

    @property
    def suffix(self) -> str:
        return splitext(self.path)[1].lower()

    @property
    def folder(self) -> str:
        """The name of the folder that holds the file; empty when there is none."""
        return self.parts[-2] if len(self.parts) > 1 else ""

    def beside(self, *names: str) -> Iterator[str]:
        """The project paths of those names that exist in the same folder; nothing outside the project."""
        if self.on_disk is None or not self.in_project:
            return
        for name in names:
            if (self.on_disk.parent / name).exists():
                yield "/".join([*self.parts[:-1], name])


class Options(Struct, frozen=True, kw_only=True):
    """What the user said about how to read: the tag of a task-master file, the columns of a CSV file."""

    tag: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


class Plan(Struct, kw_only=True, eq=False):
    """The tasks of one plan with the account of its files, in the order of both.

    `name` is the prefix that keeps the ids of several plans apart; empty if its ids are unique by themselves.
    Errors make the whole plan unusable.
    """

    format: str
    name: str
    place: Place
    prefix: str = ""  # that the ids have got, without the dot
    tasks: list[TaskSpec] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)

    def left_out(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.became is Became.LEFT_OUT]


def refused(plan_format: str, place: Place, problems: ProblemList) -> Plan:
    """A plan that cannot be read."""
    return Plan(format=plan_format, name="", place=place, errors=list(problems))


def merged(file: str, lines: Iterable[tuple[int, Became, str, str]]) -> list[Entry]:
    """Entries from (line, what it became, detail, text) of line after line; equal neighbours become one entry."""
    entries: list[Entry] = []
    run: Became | None = None
    first = last = 0
    about = words = ""
    for line, became, detail, text in lines:
        if became is run and detail == about and became is not Became.TASK:
            last, words = line, words or cut(text)
            continue
        if run is not None:
            entries.append(Entry(file=file, line=first, last=last, became=run, detail=about, text=words))
        run, first, last, about, words = became, line, line, detail, cut(text)
    if run is not None:
        entries.append(Entry(file=file, line=first, last=last, became=run, detail=about, text=words))
    return entries


def cut(text: str) -> str:
    """The beginning of a text on one line, without anything that moves a cursor."""
    if not text:
        return ""
    short = text.strip()[: MAX_TEXT_SHOWN + 1]
    if len(short) > MAX_TEXT_SHOWN:
        short = short[: MAX_TEXT_SHOWN - 1] + "…"
    if short.isprintable():
        return short
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in short)
