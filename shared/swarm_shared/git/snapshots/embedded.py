"""Repositories that an agent created or cloned inside its worktree.

`git add` records such a folder as one bare commit id, which no other repository can resolve, or refuses it altogether.
A repository made with `git init` is the task's own work and is committed file by file; one that was cloned, or a
worktree, is foreign and is left out. Either way it is named, so that it can be reported.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.plumbing.diffs import Entry
from swarm_shared.git.running.runner import Git, join_items

_LINK_MODE = "160000"
_NO_MATCH = 1
_NOT_FOUND = (0, _NO_MATCH, 128)


class Embedded(Struct, frozen=True, kw_only=True):
    """A repository inside the worktree: its folder, and whether its files were taken in."""

    path: str
    taken: bool


def take_in(git: Git, top: Path, *, changes: Sequence[Entry], untracked: Sequence[str]) -> tuple[Embedded, ...]:
    """Put the embedded repositories of a private index right; submodules are left alone.

    Args:
        git: With the private index, after everything was added.
        top: The top folder of the checkout.
        changes: What the index has changed since a commit whose submodules are no news.
        untracked: What was not added: above all repositories without a commit, which git refuses.
    """
    links = _new_links(git, changes)
    if links:
        git.ask("update-index", "--force-remove", "-z", "--stdin", stdin=join_items(links))
    folders = dict.fromkeys((*links, *(path.rstrip("/") for path in untracked if path.endswith("/"))))
    found = [Embedded(path=path, taken=_is_own_work(git, top / path)) for path in folders]
    for one in found:
        if one.taken:
            files = _files_below(git, top, one.path)
            git.ask("update-index", "--add", "--ignore-missing", "-z", "--stdin", stdin=join_items(files))
    return tuple(found)


def _new_links(git: Git, changes: Sequence[Entry]) -> tuple[str, ...]:
    """Folders that the index now has as commit ids, which neither the commit nor .gitmodules knows as submodules."""
    fresh = [change.path for change in changes if change.new_mode == _LINK_MODE and change.old_mode != _LINK_MODE]
    if not fresh:
        return ()
    declared = git.ask("config", "--null", "--blob", ":.gitmodules", "--get-regexp", r"\.path$", ok=_NOT_FOUND)
    modules = {item.partition("\n")[2] for item in os.fsdecode(declared.out).split("\0")}
    return tuple(path for path in fresh if path not in modules)


def _is_own_work(git: Git, folder: Path) -> bool:
    if not (folder / ".git").is_dir():  # a file: a worktree or submodule of some repository
        return False
    if _inside(git, folder).ask("rev-parse", "--git-dir", ok=_NOT_FOUND).code != 0:
        return False
    config = ("config", "--file", str(folder / ".git" / "config"), "--name-only", "--get-regexp", r"^remote\.")
    return git.ask(*config, ok=_NOT_FOUND).code == _NO_MATCH


def _files_below(git: Git, top: Path, folder: str) -> list[str]:
    """The files of an embedded repository and of those inside it, by its own ignore rules."""
    files: list[str] = []
    waiting = [folder]
    while waiting:
        at = waiting.pop()
        inside = _inside(git, top / at)
        for name in inside.items("ls-files", "--cached", "--others", "--exclude-standard", "-z"):
            path = f"{at}/{name.rstrip('/')}"
            if not (top / path).is_dir() or (top / path).is_symlink():
                files.append(path)
            elif _is_own_work(git, top / path):
                waiting.append(path)
    return files


def _inside(git: Git, folder: Path) -> Git:
    return git.at(cwd=folder, git_dir=folder / ".git", work_tree=folder).offline()
