"""The stash of a repository: one stack for all its worktrees, including the user's checkout.

Git has no separate stash per worktree: `refs/stash` is shared, and neither a setting nor a variable moves it. So each
attempt compares the stack with what it was, see `stash_review`.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import repository_lock
from swarm_shared.git.running.runner import Git

REF = "refs/stash"
_TRIES = 5
_OBJECT_FOLDER = re.compile("[0-9a-f]{2}")
# File times come from the kernel's tick, which is a few milliseconds behind the clock.
_TICK_NS = 50_000_000
_SUBJECT = re.compile(r"(?:WIP on|On) (\(no branch\)|[^:]+): ")


class Entry(Struct, frozen=True, kw_only=True):
    """One entry of the stack."""

    sha: str
    message: str


class Stack(Struct, frozen=True, kw_only=True):
    """The stack at one moment.

    Args:
        entries: Newest first.
        marks: Times of the folders in which git moves the stack's files: they change with every push, pop and drop,
            also where the stack looks the same afterwards.
        read_at_ns: Time since 1970.
    """

    entries: tuple[Entry, ...]
    marks: tuple[int | None, ...]
    read_at_ns: int

    @property
    def shas(self) -> frozenset[str]:
        return frozenset(entry.sha for entry in self.entries)


class Stashed(Struct, frozen=True, kw_only=True):
    """A stash as a commit.

    Args:
        parents: The commit it was made on, its index, and its untracked files if it has any.
        branch: What was checked out; None for a detached HEAD.
        made_at: Seconds since 1970.
    """

    sha: str
    parents: tuple[str, ...]
    branch: str | None
    made_at: int
    subject: str


def read_stack(repository: Repository) -> Stack:
    """What is on the stack now; asks no git process.

    Source: gitrepository-layout(5), logs/refs: a line for each entry, the newest last.
    """
    common = repository.common_dir
    marks = tuple(_changed_at(common / name) for name in ("refs", "logs/refs", REF, f"logs/{REF}"))
    now = time.time_ns()
    try:
        lines = (common / "logs" / REF).read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        lines = []
    entries = [
        Entry(sha=line.split(" ", 2)[1], message=line.partition("\t")[2]) for line in lines if line.count(" ") > 1
    ]
    return Stack(entries=tuple(reversed(entries)), marks=marks, read_at_ns=now)


def stashed(git: Git, shas: Iterable[str]) -> tuple[Stashed, ...]:
    """Those of some objects that are stashes, oldest first; one git process."""
    wanted = tuple(dict.fromkeys(shas))
    if not wanted:
        return ()
    commits = _commits(git, wanted)
    if not commits:
        return ()
    request = "".join(f"{sha}\n" for sha in commits).encode()
    out = git.ask("cat-file", "--batch", stdin=request).out
    found = []
    while out:
        header, _, rest = out.partition(b"\n")
        sha, _, size = header.decode().split(" ")
        one = _as_stash(sha, rest[: int(size)].decode("utf-8", "replace"))
        if one is not None:
            found.append(one)
        out = rest[int(size) + 1 :]
    return tuple(sorted(found, key=lambda one: one.made_at))


def made_since(repository: Repository, since_ns: int) -> tuple[str, ...]:
    """Objects that were stored since then and are not packed: what was stashed and popped meanwhile is among them."""
    found: list[str] = []
    objects = repository.common_dir / "objects"
    for folder in objects.iterdir():
        if _OBJECT_FOLDER.fullmatch(folder.name) and (_changed_at(folder) or 0) >= since_ns - _TICK_NS:
            with os.scandir(folder) as entries:
                found += [
                    folder.name + entry.name
                    for entry in entries
                    if not entry.name.startswith("tmp") and entry.stat().st_mtime_ns >= since_ns - _TICK_NS
                ]
    return tuple(found)


def put_back(repository: Repository, entries: Sequence[Stashed]) -> None:
    """Put entries on top of the stack, in this order; those that are on it stay where they are."""
    with repository_lock(repository) as git:
        there = read_stack(repository).shas
        for entry in entries:
            if entry.sha not in there:
                _store(git, entry.sha, entry.subject)


def take_off(repository: Repository, sha: str) -> bool:
    """Drop one entry, whatever its number is by now; whether it is off the stack."""
    with repository_lock(repository) as git:
        for _ in range(_TRIES):
            before = read_stack(repository)
            number = next((at for at, entry in enumerate(before.entries) if entry.sha == sha), None)
            if number is None:
                return True
            git.ask("reflog", "delete", "--updateref", "--rewrite", f"{REF}@{{{number}}}", ok=(0, 1, 128))
            if not read_stack(repository).entries:
                git.ask("update-ref", "-d", REF, sha, ok=(0, 1, 128))
            # A push by a session meanwhile gave the number to another entry.
            now = read_stack(repository).shas
            for wrong in before.entries:
                if wrong.sha not in now and wrong.sha != sha:
                    _store(git, wrong.sha, wrong.message)
    return False


def _store(git: Git, sha: str, message: str) -> None:
    """What `git stash store` does, which refuses to run where a session has set core.bare."""
    git.ask("update-ref", "--create-reflog", "-m", message, REF, sha)


def _commits(git: Git, shas: Sequence[str]) -> tuple[str, ...]:
    request = "".join(f"{sha}\n" for sha in shas).encode()
    lines = git.ask("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=request).out.decode().splitlines()
    return tuple(line.split(" ")[0] for line in lines if line.endswith(" commit"))


def _as_stash(sha: str, text: str) -> Stashed | None:
    head, _, message = text.partition("\n\n")
    parents = tuple(line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent "))
    subject = message.partition("\n")[0]
    branch = _SUBJECT.match(subject)
    times = re.search(r"^committer .* (\d+) [-+]\d+$", head, re.MULTILINE)
    if len(parents) not in (2, 3) or branch is None or times is None:
        return None
    name = None if branch[1] == "(no branch)" else branch[1]
    return Stashed(sha=sha, parents=parents, branch=name, made_at=int(times[1]), subject=subject)


def _changed_at(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
