"""Restores permissions that an agent removed in one of our worktrees.

A folder without write permission (the module cache of Go, outputs of Bazel, `chmod 555 dist`) keeps git from resetting,
cleaning and removing what is in it; one that cannot be read hides work from a commit.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from swarm_shared.git.running.git_errors import GitError

_FOLDER = stat.S_IRWXU
_FILE = stat.S_IRUSR


def make_accessible(top: Path) -> int:
    """Make every folder below `top` usable, and every file readable, for their owner; how many were not.

    Only what we own is changed. Links are neither followed nor changed, nor is anything on another disk. The caller
    knows that no session runs here, so nothing is exchanged for a link meanwhile.
    """
    try:
        status = os.lstat(top)
    except OSError:
        return 0
    if not stat.S_ISDIR(status.st_mode):
        return 0
    changed = _allow(top, status, _FOLDER)
    waiting = [os.fspath(top)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue  # another user's: what fails on it later names it
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            if found.st_dev != status.st_dev:
                continue
            if stat.S_ISDIR(found.st_mode):
                changed += _allow(entry.path, found, _FOLDER)
                waiting.append(entry.path)
            elif stat.S_ISREG(found.st_mode) and found.st_nlink == 1:  # otherwise the file may be in use outside
                changed += _allow(entry.path, found, _FILE)
    return changed


def remove_folder(top: Path) -> None:
    """Delete one of our folders with its content; it may already be missing.

    Raises:
        GitError: Something of it cannot be deleted.
    """
    if not os.path.lexists(top):
        return
    make_accessible(top)
    failed: list[str] = []
    shutil.rmtree(top, onerror=lambda _call, path, why: failed.append(f"{path}: {why[1]}"))
    if os.path.lexists(top):
        raise GitError(
            f"{top} cannot be deleted: {failed[0] if failed else 'it is still there'}",
            hint=f"see who owns what is left in it: ls -la '{top}'",
        )


def _allow(path: str | Path, status: os.stat_result, wanted: int) -> int:
    mode = stat.S_IMODE(status.st_mode)
    if mode & wanted == wanted or status.st_uid != os.geteuid():
        return 0
    try:
        os.chmod(path, mode | wanted)
    except OSError:
        return 0  # immutable, or a read-only file system
    return 1
