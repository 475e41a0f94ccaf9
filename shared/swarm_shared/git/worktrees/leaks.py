"""Whether an agent wrote outside its worktree: compares the state of the user's checkout before and after."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import LONG_S, Git, split_items

_RENAMED = "2"
_COMMIT, _BRANCH = "# branch.oid", "# branch.head"
# Fields before the path, by the kind of line. Source: git-status(1), porcelain format version 2.
_FIELDS = {"1": 8, _RENAMED: 9, "u": 10, "?": 1}


class Fingerprint(Struct, frozen=True, kw_only=True):
    """What differs from the last commit, each path with something that changes when its file is written again.

    Args:
        paths: Path from the top of the repository to its mark; git's shared settings count as ``.git/config``.
        head: The commit and branch that are checked out, as git prints them.
    """

    paths: Mapping[str, str]
    head: tuple[str | None, str | None]


class Leak(Struct, frozen=True, kw_only=True):
    """What is new in the user's checkout; the user may have done it too, which cannot be known."""

    paths: tuple[str, ...]
    head_moved: bool

    def __bool__(self) -> bool:
        return bool(self.paths) or self.head_moved


def fingerprint(repository: Repository, *, ignore: Sequence[Path] = ()) -> Fingerprint:
    """The current state of the user's checkout; nothing there is written, not even the index.

    Args:
        ignore: Files and folders of ours that may be in it: database, state directory, logs.
    """
    top = repository.top_level
    if top is None:
        return Fingerprint(paths=_settings_mark(repository), head=(None, None))
    git = repository.git.at(cwd=top, git_dir=repository.git_dir, work_tree=top)
    ours = tuple(str(path.resolve()) for path in ignore)
    marks = {}
    head = dict.fromkeys((_COMMIT, _BRANCH))
    for state, path in _status(git):
        if state in head:
            head[state] = path
        elif not _is_below(top / path, ours):
            marks[path] = f"{state} {_mark(top / path)}"
    return Fingerprint(paths={**marks, **_settings_mark(repository)}, head=(head[_COMMIT], head[_BRANCH]))


def with_current_settings(repository: Repository, state: Fingerprint) -> Fingerprint:
    """The same state of files, with git's shared settings as they are now; asks no git process."""
    return replace(state, paths={**state.paths, **_settings_mark(repository)})


def leak(before: Fingerprint, after: Fingerprint) -> Leak:
    """What changed in between."""
    touched = {path for path in {*before.paths, *after.paths} if before.paths.get(path) != after.paths.get(path)}
    return Leak(paths=tuple(sorted(touched)), head_moved=before.head != after.head)


def _status(git: Git) -> Iterator[tuple[str, str]]:
    """State and path of everything that differs from HEAD, and of every file that git neither tracks nor ignores.

    First `_COMMIT` and `_BRANCH` with what is checked out.
    """
    what = ("--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=untracked")
    items = iter(split_items(git.ask("status", *what, timeout_s=LONG_S).out))
    for item in items:
        kind = item.split(" ", 1)[0]
        if item.startswith((_COMMIT, _BRANCH)):
            name, value = item.rsplit(" ", 1)
            yield name, value
        if kind not in _FIELDS:
            continue
        *fields, path = item.split(" ", _FIELDS[kind])
        yield " ".join(fields), path
        if kind == _RENAMED:
            yield "renamed away", next(items)


def _mark(path: Path) -> str:
    """Changes with every write, so that a file that was dirty before is seen to be written again."""
    try:
        status = os.lstat(path)
    except OSError:
        return "gone"
    return f"{status.st_mtime_ns} {status.st_size} {status.st_mode:o}"


def _settings_mark(repository: Repository) -> dict[str, str]:
    # `git config` in any worktree writes the file that all share.
    return {".git/config": _mark(repository.common_dir / "config")}


def _is_below(path: Path, folders: tuple[str, ...]) -> bool:
    text = str(path)
    # The database has files next to it that begin with its name: tasks.db-wal, tasks.db-shm.
    return any(text == one or text.startswith((one + os.sep, one + "-")) for one in folders)
