"""Git-ignored files that a worktree needs anyway, such as .env: those that `.worktreeinclude` names."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import Git

INCLUDE_FILE = ".worktreeinclude"


def copy_included(repository: Repository, worktree: Path) -> tuple[str, ...]:
    """Copy the files that `.worktreeinclude` names from the user's checkout. Returns the copied paths.

    The file has the syntax of .gitignore, and is in the project root or at the top of the repository. Only files
    that git ignores are copied: all others are the commits' business. What is there already stays.
    """
    top = repository.top_level
    if top is None:
        return ()
    git = repository.git.at(cwd=top, git_dir=repository.git_dir, work_tree=top)
    copied = []
    for folder in dict.fromkeys((top, top / repository.prefix)):
        if (folder / INCLUDE_FILE).is_file():
            copied += [path for path in _named(git, folder) if _copy(top, worktree, path)]
    return tuple(copied)


def _named(git: Git, folder: Path) -> tuple[str, ...]:
    """Paths from the top: named by the include file of this folder, and ignored by git."""
    below = git.at(cwd=folder, git_dir=git.git_dir, work_tree=git.work_tree)
    # --full-name: below the top git would give paths from this folder on.
    listing = ("ls-files", "--others", "--ignored", "--full-name", "-z")
    named = below.items(*listing, f"--exclude-from={folder / INCLUDE_FILE}")
    ignored = set(below.items(*listing, "--exclude-standard")) if named else set()
    return tuple(path for path in named if path in ignored and not path.endswith("/"))


def _copy(top: Path, worktree: Path, path: str) -> bool:
    source, target = top / path, worktree / path
    if os.path.lexists(target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.parent.resolve().is_relative_to(worktree.resolve()):
        return False  # the project links a folder to elsewhere: that is not ours to fill
    shutil.copy2(source, target, follow_symlinks=False)
    return True
