"""Files of yours, ignored by git or not, that stand where an update of your checkout would write new ones."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath

from swarm_shared.git.plumbing.diffs import Change, FileChange
from swarm_shared.git.running.git_errors import DirtyCheckout, GitFailed


def in_the_way(at: Path, files: Iterable[FileChange]) -> tuple[str, ...]:
    """The paths in a checkout without changes that keep git from updating it: not tracked, and needed for new files.

    Args:
        files: What the update changes.
    """
    files = tuple(files)
    removed = {file.path for file in files if file.change is Change.DELETED}
    removed |= {file.old_path for file in files if file.change is Change.RENAMED and file.old_path is not None}
    added = (file for file in files if file.change in (Change.ADDED, Change.COPIED, Change.RENAMED))
    found = (_obstacle(at, file, removed) for file in added)
    return tuple(dict.fromkeys(path for path in found if path is not None))


def overwriting_refused(at: Path, error: GitFailed) -> DirtyCheckout | None:
    """Git's own refusal to overwrite files, with their names; None if it failed for another reason."""
    named = [line.strip() for line in error.said.splitlines() if line.startswith("\t")]
    return would_overwrite(at, named) if named else None


def would_overwrite(at: Path, paths: Collection[str]) -> DirtyCheckout:
    return DirtyCheckout(
        at,
        tuple(paths),
        "has files that would be overwritten",
        hint="move or delete them, or commit the tracked ones, then try again",
    )


def _obstacle(at: Path, file: FileChange, removed: Collection[str]) -> str | None:
    for folder in reversed(PurePosixPath(file.path).parents[:-1]):
        place = at / folder
        if not os.path.lexists(place):
            return None
        if place.is_symlink() or not place.is_dir():
            return None if str(folder) in removed else str(folder)
    place = at / file.path
    if not os.path.lexists(place):
        return None
    if place.is_dir() and not place.is_symlink():
        # A submodule is not filled by the update, and a folder goes with its last file.
        return None if file.submodule or _goes_away(at, place, removed) else file.path
    return file.path


def _goes_away(at: Path, folder: Path, removed: Collection[str]) -> bool:
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        if any(os.path.relpath(os.path.join(parent, name), at) not in removed for name in (*names, *links)):
            return False
    return True
