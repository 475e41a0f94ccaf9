"""What a private index holds after everything was added, and what its flags hid from git."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.plumbing.runner import LONG_S, Git, join_items

# Tags of git-ls-files(1) -v: "S" for skip-worktree, a small letter for assume-unchanged, "?" for untracked.
_FLAGGED = re.compile(rb"(?:\A|\0)([a-zS]) ([^\0]+)")
_UNTRACKED = re.compile(rb"(?:\A|\0)\? ([^\0]+)")
_TRACKED = re.compile(rb"(?:\A|\0)[^?] ([^\0]+)")


class Staged(Struct, frozen=True, kw_only=True):
    """One path in which an index differs from a commit; modes and ids are zeros on the side that lacks it."""

    old_mode: str
    new_mode: str
    old_sha: str
    letter: str
    path: str

    def entry(self, mode: str) -> str:
        """The file of the commit, as a line for ``update-index --index-info``."""
        return f"{mode} {self.old_sha}\t{self.path}"


def staged(git: Git, commit: str, *, cached: bool = True) -> tuple[Staged, ...]:
    """Every difference between an index and a commit, renames as both of their paths.

    Args:
        cached: Compare the index alone; else the files on disk.
    """
    raw = git.items(
        "diff-index", *(("--cached",) if cached else ()), "--raw", "-z", "--no-renames", "--no-abbrev", commit
    )
    found = []
    for meta, path in zip(raw[::2], raw[1::2], strict=True):
        old_mode, new_mode, old_sha, _, letter = meta[1:].split(" ")
        found.append(Staged(old_mode=old_mode, new_mode=new_mode, old_sha=old_sha, letter=letter[0], path=path))
    return tuple(found)


def set_entries(git: Git, entries: Iterable[str]) -> None:
    """Put entries into an index, as `Staged.entry` writes them."""
    git.ask("update-index", "-z", "--index-info", stdin=join_items(list(entries)))


class IndexListing:
    """The files of an index and the untracked ones beside it, from one listing."""

    def __init__(self, git: Git) -> None:
        listing = ("ls-files", "-v", "--cached", "--others", "--exclude-standard", "-z")
        self._out = git.ask(*listing, timeout_s=LONG_S).out

    @cached_property
    def tracked(self) -> tuple[str, ...]:
        return tuple(os.fsdecode(path) for path in _TRACKED.findall(self._out))

    @property
    def untracked(self) -> tuple[str, ...]:
        """Those that git refused to add; repositories end with a slash."""
        return tuple(os.fsdecode(path) for path in _UNTRACKED.findall(self._out))

    def uncover(self, git: Git, top: Path) -> tuple[str, ...]:
        """Clear the flags under which git ignores files that are there; the paths that had one.

        An agent can set them with ``git update-index``. What a sparse checkout leaves out has a flag too and no
        file: it keeps it, and is not a deletion.
        """
        flagged = [(tag.decode(), os.fsdecode(path)) for tag, path in _FLAGGED.findall(self._out)]
        unchanged = [path for tag, path in flagged if tag.islower()]
        skipped = [path for tag, path in flagged if tag in "Ss" and os.path.lexists(top / path)]
        for option, paths in (("--no-assume-unchanged", unchanged), ("--no-skip-worktree", skipped)):
            if paths:
                git.ask("update-index", option, "-z", "--stdin", stdin=join_items(paths))
        return tuple(dict.fromkeys((*unchanged, *skipped)))
