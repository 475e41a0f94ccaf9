"""Big files that git ignores: they are in no commit, so they are reported before a worktree is removed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.snapshots.checkout import Checkout

LARGE_BYTES = 10 * 1024 * 1024
MAX_LISTED = 20
# Dependency folders hold hundreds of thousands of small files; reading all of them costs more than it shows.
MAX_LOOKED_AT = 20_000


class IgnoredFile(Struct, frozen=True, kw_only=True):
    """A file that no commit has; `path` is relative to the top of the worktree."""

    path: str
    size_bytes: int


def large_ignored(checkout: Checkout, *, at_least_bytes: int = LARGE_BYTES) -> tuple[IgnoredFile, ...]:
    """The biggest git-ignored files of a worktree, at most `MAX_LISTED`, among the first `MAX_LOOKED_AT`."""
    entries = checkout.git.items(
        "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "--no-empty-directory", "-z"
    )
    found = []
    for number, path in enumerate(_each_file(checkout.path, entries)):
        if number >= MAX_LOOKED_AT:
            break
        try:
            status = os.lstat(checkout.path / path)
        except OSError:
            continue  # gone meanwhile
        if stat.S_ISREG(status.st_mode) and status.st_size >= at_least_bytes:
            found.append(IgnoredFile(path=path, size_bytes=status.st_size))
    return tuple(sorted(found, key=lambda one: -one.size_bytes)[:MAX_LISTED])


def _each_file(top: Path, entries: tuple[str, ...]) -> Iterator[str]:
    # Single files first, and folders last: those are what uses the allowance up.
    yield from (entry for entry in entries if not entry.endswith("/"))
    for folder in (entry for entry in entries if entry.endswith("/")):
        for at, _, names in os.walk(top / folder):
            yield from (os.path.relpath(os.path.join(at, name), top) for name in names)
