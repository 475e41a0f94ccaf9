"""Recognizes the format of a file, and reads it."""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from swarm_shared.sources.formats import (
    backlog,
    beads,
    bmad,
    checklist,
    github,
    kiro,
    openspec,
    ralph,
    speckit,
    table,
    taskmaster,
)
from swarm_shared.sources.plans.plan import Options, Place, Plan, refused
from swarm_shared.taskfile.problems import ProblemList

MAX_BYTES = 64 << 20  # plans of other tools are small
MARKDOWN = frozenset({".md", ".markdown", ".mdx"})
_OWN_KEY = re.compile(r"^tasks[ \t]*:", re.MULTILINE)
_OTHER_ENCODINGS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Format(Protocol):
    """A module of `formats`."""

    @property
    def FORMAT(self) -> str: ...

    def recognizes(self, place: Place, text: str) -> bool: ...

    def read(self, place: Place, text: str, options: Options) -> Plan: ...


# The first that recognizes a file reads it: what is more special comes first.
FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        each.FORMAT: each
        for each in (
            *(taskmaster, ralph, beads, github, table, bmad, backlog),
            *(speckit, kiro, openspec, checklist),
        )
    }
)
# JSON: an import accounts for their records and keys, not for their lines.
BY_RECORD = frozenset(each.FORMAT for each in (taskmaster, ralph, beads, github))


def places_of(paths: Iterable[Path], *, root: Path) -> Iterator[Place]:
    """The places of files; a plan may be thousands of files in one folder, which is resolved once."""
    top = root.resolve()
    folders: dict[str, str | None] = {}
    for path in paths:
        named = str(path)
        absolute = os.path.abspath(named)
        on_disk = path if absolute == named else Path(absolute)
        parent, name = os.path.split(absolute)
        if parent not in folders:
            try:
                inside = Path(parent).resolve().relative_to(top).as_posix()
            except (ValueError, OSError):
                folders[parent] = None
            else:
                folders[parent] = "" if inside == "." else f"{inside}/"
        folder = folders[parent]
        if folder is None:
            yield Place(file=named, path=on_disk.as_posix(), on_disk=on_disk)
        else:
            yield Place(file=named, path=folder + name, on_disk=on_disk, in_project=True)


def place_of(path: Path, *, root: Path) -> Place:
    """The place of a file, relative to the project root if it is below it."""
    return next(places_of([path], root=root))


def recognize(place: Place, data: bytes) -> str | None:
    """The name of the format; None for one of our task files, and for anything unknown."""
    if len(data) > MAX_BYTES or data.startswith(_OTHER_ENCODINGS):
        return None
    text = _decoded(data)
    if place.expected and FORMATS[place.expected].recognizes(place, text):
        return place.expected
    if place.suffix not in MARKDOWN and _OWN_KEY.search(text):
        return None
    return next((name for name, each in FORMATS.items() if each.recognizes(place, text)), None)


def read_plan(plan_format: str, place: Place, data: bytes, options: Options) -> Plan:
    """The plan in a file of a known format; its errors say what prevents reading."""
    problems = ProblemList(place.file)
    if data.startswith(_OTHER_ENCODINGS):
        problems.add_at(1, 1, "the file is UTF-16 or UTF-32", "save the file as UTF-8")
    elif len(data) > MAX_BYTES:
        problems.add_at(0, 0, f"the file is larger than {MAX_BYTES >> 20} MiB", "split it")
    else:
        try:
            text = data.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            problems.add_at(line, 0, f"the byte 0x{data[error.start]:02X} is not UTF-8", "save the file as UTF-8")
        else:
            return FORMATS[plan_format].read(place, text, options)
    return refused(plan_format, place, problems)


def _decoded(data: bytes) -> str:
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
