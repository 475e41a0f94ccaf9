"""What a private index holds after everything was added, and what its flags hid from git."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

from swarm_shared.git.plumbing.diffs import Entry
from swarm_shared.git.running.runner import LONG_S, Git, join_items

# Tags of git-ls-files(1) -v: "S" for skip-worktree, a small letter for assume-unchanged, "?" for untracked.
_FLAGGED = re.compile(rb"(?:\A|\0)([a-zS]) ([^\0]+)")
_UNTRACKED = re.compile(rb"(?:\A|\0)\? ([^\0]+)")
_TRACKED = re.compile(rb"(?:\A|\0)[^?] ([^\0]+)")


def edited(git: Git, commit: str) -> tuple[Entry, ...]:
    """Every difference between the files on disk and a commit, renames as both of their paths."""
    raw = git.items("diff-index", "--raw", "-z", "--no-renames", "--no-abbrev", commit)
    found = []
    for meta, path in zip(raw[::2], raw[1::2], strict=True):
        old_mode, new_mode, old_sha, _, letter = meta[1:].split(" ")
        found.append(Entry(old_mode=old_mode, new_mode=new_mode, old_sha=old_sha, letter=letter[0], path=path))
    return tuple(found)


def set_entries(git: Git, entries: Iterable[str]) -> None:
    """Put entries into an index, as `Entry.line` writes them."""
    git.ask("update-index", "-z", "--index-info", stdin=join_items(list(entries)))


class IndexListing:
    """The files of an index and the untracked ones next to it, from one listing.

    Args:
        others: List untracked files too, which reads all folders.
    """

    def __init__(self, git: Git, *, others: bool) -> None:
        untracked = ("--others", "--exclude-standard") if others else ()
        self._out = git.ask("ls-files", "-v", "--cached", *untracked, "-z", timeout_s=LONG_S).out

    @cached_property
    def tracked(self) -> tuple[str, ...]:
        return tuple(os.fsdecode(path) for path in _TRACKED.findall(self._out))

    @property
    def untracked(self) -> tuple[str, ...]:
        """Those that git refused to add; repositories end with a slash."""
        return tuple(os.fsdecode(path) for path in _UNTRACKED.findall(self._out))

    @property
    def has_flags(self) -> bool:
        """Whether git ignores some of the files."""
        return _FLAGGED.search(self._out) is not None

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


# Digests of index files that were found to have no flag: what git said of the same bytes cannot change.
_WITHOUT_FLAGS: set[bytes] = set()
_REMEMBERED = 64


def note_without_flags(index: Path) -> None:
    """Remember that none of the files in this index has a flag."""
    digest = _digest(index)
    if digest is not None:
        if len(_WITHOUT_FLAGS) >= _REMEMBERED:
            _WITHOUT_FLAGS.clear()
        _WITHOUT_FLAGS.add(digest)


def known_without_flags(index: Path) -> bool:
    """Whether this very index is known to have no flags."""
    return _digest(index) in _WITHOUT_FLAGS


def _digest(index: Path) -> bytes | None:
    try:
        return hashlib.blake2b(index.read_bytes()).digest()
    except OSError:
        return None
