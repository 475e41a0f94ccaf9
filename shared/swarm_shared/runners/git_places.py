"""Which parts of git's directories a session in a linked worktree may write.

Only what commits need. The rest decides what the next git outside does: a `commondir`, `.git`, `config` or hook of the
agent's choice would run a program of its choice with the user's permissions.
"""

from __future__ import annotations

import os
from pathlib import Path

from swarm_shared.runners.mounts import Mounts, View

_WRITTEN = ("objects", "refs", "logs")
_LEADS_ELSEWHERE = ("commondir", "gitdir", "config", "config.worktree")


def add_git(mounts: Mounts, cwd: Path, common_dir: Path | None) -> None:
    """Add the views of the worktree that `cwd` is in, and of its git directories.

    A folder that is in no linked worktree of this repository gets its git directory read-only.

    Args:
        common_dir: That of the repository whose worktrees the tasks have; None: they have none.
    """
    if common_dir is None:
        mounts.add(View.WRITE, cwd)
        mounts.add(View.READ, cwd / ".git")
        return
    mounts.add(View.READ, common_dir)
    top = _top(cwd)
    git_dir = _linked_git_dir(top, common_dir)
    mounts.add(View.WRITE, top)
    mounts.add(View.READ, top / ".git")
    if git_dir is None:
        return
    (common_dir / "logs").mkdir(exist_ok=True)
    # Git reads it where extensions.worktreeConfig is set; a file that is missing could be made.
    (git_dir / "config.worktree").touch()
    mounts.add(View.WRITE, git_dir, *(common_dir / name for name in _WRITTEN))
    mounts.add(View.READ, common_dir / "objects" / "info", *(git_dir / name for name in _LEADS_ELSEWHERE))


def remove_links(cwd: Path, common_dir: Path) -> tuple[str, ...]:
    """Remove everything that is neither file nor folder from what `add_git` made writable; the paths.

    Git writes through a link: a log that links to a shell's start-up file would have lines appended there.
    Git itself makes no links, pipes or sockets in these folders.
    """
    git_dir = _linked_git_dir(_top(cwd), common_dir)
    if git_dir is None:
        return ()
    removed: list[str] = []
    for root, deep in ((git_dir, True), (common_dir / "logs", True), (common_dir / "refs", True),
                       (common_dir / "objects", False)):  # fmt: skip
        _remove_below(root, removed, deep=deep)
    return tuple(removed)


def _remove_below(folder: Path | str, removed: list[str], *, deep: bool) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    _remove_below(entry.path, removed, deep=True)
            elif not entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
                removed.append(entry.path)


def _top(cwd: Path) -> Path:
    return next((each for each in (cwd, *cwd.parents) if os.path.lexists(each / ".git")), cwd)


def _linked_git_dir(top: Path, common_dir: Path) -> Path | None:
    """The worktree's own git directory, if it is one of this repository's."""
    try:
        text = (top / ".git").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    if not text.startswith("gitdir: "):
        return None
    found = Path(os.path.realpath(top / text.removeprefix("gitdir: ").rstrip("\n")))
    return found if found.parent == Path(os.path.realpath(common_dir)) / "worktrees" else None
