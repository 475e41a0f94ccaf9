"""Merges files in which items are marked as done, one line each.

Git treats changes of adjacent lines as a conflict, and the items of a plan are adjacent. Marks on either side are first
applied to all three versions, so that only the other changes are left to merge.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from swarm_shared.git.plumbing.trees import TreeFile, text_at, with_files
from swarm_shared.git.running.runner import Git

Mark = Callable[[str], str | None]  # the text with one item marked, equal if it is so already; None: no such item
MarksOf = Callable[[str], Sequence[Mark]]  # of a path in the repository; none for what is no plan

_MANY_CONFLICTS = 127  # git-merge-file exits with the number of conflicts, or with 128 and more for errors


def merge_marked(git: Git, tree: str, conflicts: Sequence[str], *, into: str, other: str, marks: MarksOf) -> str | None:
    """The merged tree with these conflicts resolved; None unless all of them can be."""
    base = git.line("merge-base", into, other, ok=(0, 1)).partition("\n")[0]
    resolved: dict[str, TreeFile] = {}
    for path in conflicts:
        known = marks(path)
        sides = [text_at(git, side, path) for side in (base, into, other)] if known and base else []
        found = [side for side in sides if side is not None]
        if len(found) < 3:
            return None
        text = _merged(git, *(side.text for side in found), marks=known)
        if text is None:
            return None
        resolved[path] = TreeFile(mode=found[1].mode, text=text)
    return with_files(git, tree, resolved)


def _merged(git: Git, base: str, ours: str, theirs: str, *, marks: Sequence[Mark]) -> str | None:
    for mark in marks:
        if (mark(ours) == ours or mark(theirs) == theirs) and mark(base) != base:
            base, ours, theirs = (_marked(side, mark) for side in (base, ours, theirs))
    with tempfile.TemporaryDirectory(prefix="swarm-marked-") as place:
        files = []
        for name, text in (("ours", ours), ("base", base), ("theirs", theirs)):
            file = Path(place) / name
            file.write_bytes(text.encode())
            files.append(str(file))
        answer = git.ask("merge-file", "-p", *files, ok=range(_MANY_CONFLICTS + 1))
    return answer.out.decode() if answer.code == 0 else None


def _marked(text: str, mark: Mark) -> str:
    marked = mark(text)
    return text if marked is None else marked
