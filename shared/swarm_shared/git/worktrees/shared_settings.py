"""What all worktrees of a repository share apart from commits: settings, exclusions, attributes and hooks.

An agent's `git config`, `npm install` or `pre-commit install` changes them for the user's checkout too. Every change is
named. Put back is what makes git lose the checkout, or run another program at ordinary commands there: see `_HARMFUL`.
Filters, merge drivers, remotes, names and hooks are only named, as a task may well be about them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec
from msgspec import Struct

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.repository_lock import file_lock
from swarm_shared.git.running.runner import Git

CONFIG = ("config", "config.worktree")
_FILES = ("info/exclude", "info/attributes")
_HARMFUL = frozenset(
    f"core.{name}"
    for name in ("bare", "worktree", "hookspath", "fsmonitor", "sshcommand", "askpass", "pager", "editor")
)
# Git's own bookkeeping for branches, and what `git submodule update` of a setup command notes.
_ROUTINE = (("branch.", ""), ("submodule.", ".url"), ("submodule.", ".active"))
_NOT_SET = 5
Values = Mapping[str, list[str]]
_PARSED: dict[bytes, Values] = {}  # settings rarely change; each text is read by git once


class SharedState(Struct, frozen=True, kw_only=True):
    """The files, by their place below the git directory; hooks with their mode. Missing ones are left out."""

    files: Mapping[str, bytes]


def read_shared(repository: Repository) -> SharedState:
    """The state now; asks no git process."""
    found = {name: content for name in (*CONFIG, *_FILES) if (content := _content(repository.common_dir / name))}
    try:
        hooks = sorted((repository.common_dir / "hooks").iterdir())
    except OSError:
        hooks = []
    for hook in hooks:
        content = _content(hook)
        if content is not None and hook.suffix != ".sample":
            found[f"hooks/{hook.name}"] = (b"x" if os.access(hook, os.X_OK) else b"-") + content
    return SharedState(files=found)


def changes_between(git: Git, before: SharedState, after: SharedState) -> tuple[str, ...]:
    """Each change as text; of settings the names alone, as values may be secrets."""
    found: list[str] = []
    for name in sorted({*before.files, *after.files}):
        old, new = before.files.get(name), after.files.get(name)
        if old == new:
            continue
        if name in CONFIG:
            found += _changed_keys(name, _parsed(git, old or b""), _parsed(git, new or b""))
        else:
            found.append(f".git/{name} was {'added' if old is None else 'deleted' if new is None else 'changed'}")
    return tuple(found)


class _Noted(Struct, frozen=True, kw_only=True):
    """The harmful settings by file as they should be, and the safe ids of tasks whose attempts rely on them."""

    right: dict[str, dict[str, list[str]]]
    open: list[str]


class SettingsGuard:
    """Harmful settings as they were before any of the attempts that run now began, known to all workers of a swarm.

    The settings that a running attempt has spoiled must not pass for right when the next one begins.

    Args:
        file: Where it is noted, in the state directory.
        is_open: Whether an attempt of the task with this safe id is running.
    """

    def __init__(self, repository: Repository, file: Path, *, is_open: Callable[[str], bool]) -> None:
        self._repository, self._file, self._is_open = repository, file, is_open

    def enter(self, safe: str) -> tuple[str, ...]:
        """An attempt begins; what a dead or a running one had spoiled is put back and named."""
        with self._alone():
            noted = self._noted()
            right = noted.right if noted.open else self._harmful_now()
            others = [name for name in noted.open if name != safe and self._is_open(name)]
            self._note(_Noted(right=right, open=[*others, safe]))
            return self._put_back(right)

    def put_back(self) -> tuple[str, ...]:
        """What was spoiled meanwhile, which is as before now."""
        with self._alone():
            noted = self._noted()
            return self._put_back(noted.right) if noted.open else ()

    def leave(self, safe: str) -> None:
        """An attempt has ended, and what it spoiled has been put back."""
        with self._alone():
            noted = self._noted()
            self._note(_Noted(right=noted.right, open=[name for name in noted.open if name != safe]))

    def _alone(self) -> AbstractContextManager[int]:
        return file_lock(self._file.with_suffix(".lock"), tend=lambda: None)

    def _noted(self) -> _Noted:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Noted)
        except (OSError, msgspec.DecodeError):
            return _Noted(right={}, open=[])

    def _note(self, noted: _Noted) -> None:
        draft = self._file.with_suffix(".new")
        draft.write_bytes(msgspec.json.encode(noted))
        draft.replace(self._file)

    def _harmful_now(self) -> dict[str, dict[str, list[str]]]:
        found: dict[str, dict[str, list[str]]] = {}
        for name in CONFIG:
            raw = _content(self._repository.common_dir / name)
            values = _parsed(self._repository.git, raw or b"")
            found[name] = {key: value for key, value in values.items() if key in _HARMFUL}
        return found

    def _put_back(self, right: Mapping[str, Values]) -> tuple[str, ...]:
        said: list[str] = []
        now = self._harmful_now()
        for name in CONFIG:
            was, found = right.get(name, {}), now[name]
            for key in sorted({*was, *found}):
                if was.get(key, []) != found.get(key, []):
                    self._set(name, key, was.get(key, []))
                    became = " ".join(found.get(key, [])) or "removed"
                    said.append(f"{key} in .git/{name} had become {became}; it is {_shown(was.get(key, []))} again")
        return tuple(said)

    def _set(self, name: str, key: str, values: list[str]) -> None:
        git = _anywhere(self._repository.git)
        file = str(self._repository.common_dir / name)
        if Path(file).exists():
            git.ask("config", "--file", file, "--unset-all", key, ok=(0, _NOT_SET))
        for value in values:
            git.ask("config", "--file", file, "--add", key, value)


def _changed_keys(name: str, old: Values, new: Values) -> Iterator[str]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key) and not any(key.startswith(a) and key.endswith(b) for a, b in _ROUTINE):
            verb = "set" if key not in old else "removed" if key not in new else "changed"
            yield f"{key} was {verb} in .git/{name}"


def _shown(values: list[str]) -> str:
    return " ".join(values) or "not set"


def _parsed(git: Git, raw: bytes) -> Values:
    known = _PARSED.get(raw)
    if known is None:
        known = _PARSED[raw] = _parse(git, raw) if raw.strip() else {}
    return known


def _parse(git: Git, raw: bytes) -> Values:
    answer = _anywhere(git).ask("config", "--file", "-", "--list", "--null", stdin=raw, ok=(0, 1, 3, 128))
    found: dict[str, list[str]] = {}
    for item in answer.out.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        key, _, value = item.partition("\n")
        found.setdefault(key, []).append(value)
    return found


def _anywhere(git: Git) -> Git:
    """Git that looks for no repository: the settings that it is to repair may hide it."""
    return git.at(cwd=Path("/"), git_dir=None, work_tree=None)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
