"""Work that landed between a task's work and its landing: the conflicting tasks and commits."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from swarm_shared.git.running.runner import Git

MAX_COMMITS = 10
_MAX_PATHS = 100  # on one command line
_FORMAT = "--format=%H%x09%(trailers:key=Swarm-Task,valueonly,separator=%x2C)"


class Landed(Struct, frozen=True, kw_only=True):
    """A commit on the integration branch; `task_id` is empty if no task made it."""

    commit: str
    task_id: str

    def __str__(self) -> str:
        return f"{self.task_id} ({self.commit[:12]})" if self.task_id else self.commit[:12]


def landed_between(git: Git, *, head: str, tip: str, paths: Sequence[str] = ()) -> tuple[Landed, ...]:
    """The newest commits of the integration branch that a task's work does not contain, newest first.

    Args:
        head, tip: The task's work, and where the integration branch is.
        paths: From the top of the repository; only commits that changed one of them, if there are such.
    """
    if paths:
        named = tuple(f":(top,literal){path}" for path in paths[:_MAX_PATHS])
        return _log(git, f"{head}..{tip}", *named) or _log(git, f"{head}..{tip}")
    return _log(git, f"{head}..{tip}")


def _log(git: Git, commits: str, *paths: str) -> tuple[Landed, ...]:
    found = git.items("log", "-z", "--first-parent", f"--max-count={MAX_COMMITS}", _FORMAT, commits, "--", *paths)
    parts = (line.strip("\n").partition("\t") for line in found)
    return tuple(Landed(commit=commit, task_id=task_id.strip()) for commit, _, task_id in parts)
