"""Locks: our own around operations that git cannot do in parallel, and those that a killed git left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm_shared.domain.branch_names import KEPT_REFS, task_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import RepositoryBusy
from swarm_shared.git.running.runner import Git
from swarm_shared.processes.file_lock import try_lock

LOCK_NAME = "swarm.lock"  # in the common git dir: two swarms may share a repository
LOCK_TIMEOUT_S = 300.0
_RETRY_S = 0.02


@contextmanager
def repository_lock(repository: Repository, *, timeout_s: float = LOCK_TIMEOUT_S) -> Iterator[Git]:
    """Alone among all swarm processes in this repository; the git it gives must do the work inside.

    That git's processes inherit the lock: when we are killed in the middle, it holds until they have ended.

    Raises:
        RepositoryBusy: Another process held it all the time.
    """
    descriptor = os.open(repository.common_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(descriptor, repository, timeout_s)
        yield repository.git.holding(descriptor)
    finally:
        os.close(descriptor)


def _take(descriptor: int, repository: Repository, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not try_lock(descriptor):
        if time.monotonic() > deadline:
            raise RepositoryBusy(
                f"another swarm process has held {repository.common_dir / LOCK_NAME} for {timeout_s:g} s",
                hint="find it with: fuser -v " + str(repository.common_dir / LOCK_NAME),
            )
        repository.git.pause(_RETRY_S)


def ref_lock(repository: Repository, ref: str) -> Path:
    """The file that git makes while it changes a ref."""
    return repository.common_dir / (ref + ".lock")


def task_locks(repository: Repository, safe: str) -> tuple[Path, ...]:
    """The locks on what is the task's alone: its branch and its kept heads, which a killed git leaves together."""
    kept = repository.common_dir / KEPT_REFS / safe
    return (ref_lock(repository, task_ref(safe)), *sorted(kept.glob("*.lock")))


def worktree_locks(git_dir: Path) -> tuple[Path, ...]:
    """The locks in the git directory of one worktree: those of its index, its HEAD and other files."""
    return tuple(sorted(git_dir.glob("*.lock")))


def clear_stale(locks: Iterable[Path], *, holder_is_dead: Callable[[Path], bool]) -> tuple[Path, ...]:
    """Delete locks whose holders are dead; those that were deleted.

    Args:
        locks: Of our own worktree, task ref or integration ref; never of what the user may work with.
        holder_is_dead: The proof, asked for each lock at the last moment. Git writes no owner into a lock, so only code
        that knows every process that could have created it can give this proof.
    """
    cleared = []
    for lock in locks:
        if lock.exists() and holder_is_dead(lock):
            lock.unlink(missing_ok=True)
            cleared.append(lock)
    return tuple(cleared)
