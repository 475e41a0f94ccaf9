"""Where tools keep their plans below a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

PLACES: tuple[tuple[str, str], ...] = (
    ("spec-kit", "specs/*/tasks.md"),
    ("spec-kit", ".specify/specs/*/tasks.md"),
    ("kiro", ".kiro/specs/*/tasks.md"),
    ("kiro", ".spec-workflow/specs/*/tasks.md"),
    ("openspec", "openspec/changes/*/tasks.md"),
    ("backlog.md", "backlog/tasks/*.md"),
    ("backlog.md", ".backlog/tasks/*.md"),
    ("bmad", "_bmad-output/implementation-artifacts/sprint-status.yaml"),
    ("bmad", "docs/sprint-artifacts/sprint-status.yaml"),
    ("task-master", ".taskmaster/tasks/tasks.json"),
    ("ralph", "prd.json"),
    ("ralph", "scripts/ralph/prd.json"),
    ("ralph", "tasks/prd.json"),
    ("ralph", "plans/prd.json"),
    ("ralph", ".ralph/prd.json"),
    ("ralph", "feature_list.json"),
    ("beads", ".beads/issues.jsonl"),
    ("checklist", "TODO.md"),
    ("checklist", "TASKS.md"),
    ("checklist", "fix_plan.md"),
    ("checklist", "@fix_plan.md"),
    ("checklist", ".ralph/fix_plan.md"),
    ("checklist", ".ralph/@fix_plan.md"),
)


# Usual names of exports, for which a folder is not searched.
EXPORTS: tuple[tuple[str, str], ...] = (("github", "issues.json"), ("csv", "*.csv"), ("csv", "*.tsv"))


def format_at(path: str) -> str:
    """The format that a file at this place has, such as `a/.taskmaster/tasks/tasks.json`; empty for any other place."""
    parts = path.split("/")
    for plan_format, pattern in (*PLACES, *EXPORTS):
        wanted = pattern.split("/")
        if len(parts) >= len(wanted) and all(map(fnmatchcase, parts[-len(wanted) :], wanted)):
            return plan_format
    return ""


def plans_in(folder: Path) -> Mapping[Path, str]:
    """The files of plans in a folder, each with the format that is expected there.

    The folder is the top of a project, or one of the folders on the way to a plan.
    """
    found: dict[Path, str] = {}
    for plan_format, pattern in PLACES:
        for path in _matching(folder, pattern.split("/")):
            found.setdefault(path, plan_format)
    return found


def _matching(folder: Path, pattern: list[str]) -> Iterator[Path]:
    own = folder.absolute().parts
    for depth in range(len(pattern)):
        head = pattern[:depth]
        fits = len(own) > depth and all(map(fnmatchcase, own[len(own) - depth :], head))
        # A head of stars only would fit any folder.
        if fits and (not depth or any(part != "*" for part in head)):
            yield from _below(folder, pattern[depth:])


def _below(folder: Path, pattern: list[str]) -> Iterator[Path]:
    """Files by a pattern, in the order of their names; a folder may hold thousands."""
    name, *rest = pattern
    if "*" not in name:
        inside = folder / name
        yield from _below(inside, rest) if rest else [inside] if inside.is_file() else []
        return
    try:
        with os.scandir(folder) as entries:
            found = sorted(entry.name for entry in entries if fnmatchcase(entry.name, name) and _fits(entry, rest))
    except OSError:
        return
    for each in found:
        yield from _below(folder / each, rest) if rest else [folder / each]


def _fits(entry: os.DirEntry[str], rest: list[str]) -> bool:
    try:
        return entry.is_dir() if rest else entry.is_file()
    except OSError:
        return False
