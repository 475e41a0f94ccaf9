"""The disk use of a swarm's worktrees; starts no git process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from msgspec import Struct

_BLOCK_BYTES = 512  # of st_blocks, whatever the file system's blocks are


class DiskUse(Struct, frozen=True, kw_only=True):
    """How many worktrees of tasks and spares there are, and what they take together, the landing worktree included."""

    worktrees: int = 0
    spares: int = 0
    size_bytes: int = 0


def disk_use(state_dir: Path) -> DiskUse:
    """The use of a swarm's state directory now; files that vanish meanwhile are left out."""
    tasks, spares = _folders(state_dir / "worktrees"), _folders(state_dir / "spares")
    others = [state_dir / "landing", *_folders(state_dir / "filling")]
    size = sum(size_of(folder) for folder in (*tasks, *spares, *others))
    return DiskUse(worktrees=len(tasks), spares=len(spares), size_bytes=size)


def size_of(folder: Path) -> int:
    """What a folder takes on the disk, in bytes; 0 for one that is missing."""
    total, waiting = 0, [os.fspath(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    total += status.st_blocks * _BLOCK_BYTES
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(entry.path)
        except OSError:
            continue
    return total


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:
        return []
