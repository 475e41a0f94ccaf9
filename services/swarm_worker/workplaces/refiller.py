"""Spare worktrees created in the background by an idle worker, so that upcoming tasks do not wait for a checkout."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.repository_lock import file_lock
from swarm_shared.git.running.git_errors import GitError, GitUnusable, RepositoryBusy
from swarm_shared.git.running.process import Completed
from swarm_shared.git.worktrees.filling import Filling
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees
from swarm_shared.program.logs import event

LOG = logging.getLogger("swarm.worker")
IDLE_S = 5.0  # a worker between two tasks is not idle
PAUSE_AFTER_FAILURE_S = 60.0
ROOM_FACTOR = 2  # of the free space below which no task starts
# Starting and ending processes get the processor and the disk first.
LOW_PRIORITY = ("nice", "-n", "19")
LOW_DISK_PRIORITY = ("ionice", "-c", "3")
_TO_COME = (Status.NOT_STARTED, Status.BLOCKED, Status.WAITING_FILES, Status.SCHEDULED)


class _Yielded(Exception):
    """There is more important work, or not enough space."""


class Refiller:
    """Makes one spare at a time while its worker is idle, and gives up as soon as there is work.

    Args:
        least_free_bytes: Free disk space below which no task starts; at least twice as much stays free.
        must_yield: Whether this worker has something else to do; asked several times a second.
        tip: The commit to check out; None before there is one.
        clock: Monotonic seconds.
        free_bytes: The free space of the disk; measured by default.
    """

    def __init__(
        self,
        database: TaskDatabase,
        trees: TaskWorktrees,
        *,
        least_free_bytes: int,
        must_yield: Callable[[], bool],
        tip: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        self._db, self._trees, self._least_free_bytes = database, trees, least_free_bytes
        self._must_yield, self._tip, self._clock = must_yield, tip, clock
        self._free_bytes = free_bytes or self._measured
        self._idle_since: float | None = None
        self._not_before = 0.0
        self._priority = LOW_PRIORITY + (LOW_DISK_PRIORITY if shutil.which(LOW_DISK_PRIORITY[0]) else ())

    def note_work(self) -> None:
        """The worker has a task."""
        self._idle_since = None

    def run_once(self, limit: int) -> bool:
        """Make a spare, if one will be needed; whether there was anything to do.

        Args:
            limit: How many spares there may be.
        """
        now = self._clock()
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < IDLE_S or now < self._not_before or self._must_yield():
            return False
        filling = self._filling(self._trees.repository)
        if filling.is_clear() and not self._is_needed(limit):
            return False
        try:
            with file_lock(filling.lock, tend=lambda: None, timeout_s=0) as descriptor:
                return self._fill(self._trees.repository.holding(descriptor), limit)
        except RepositoryBusy:
            return False  # another worker is working on it

    def _fill(self, repository: Repository, limit: int) -> bool:
        left = self._filling(repository)
        try:
            left.clear()
            tip = self._tip()
            if tip is None or not self._is_needed(limit):
                return False
            made = self._filling(self._gentle(repository)).make(tip)
        except _Yielded:
            if self._is_short_of_room():
                return self._failed(left, "the disk has too little room")
            return True  # what there is of it is removed when there is time
        except (GitError, GitUnusable, OSError) as error:
            return self._failed(left, str(error))
        event(LOG, "spare_made", commit=tip[:12])
        return made

    def _failed(self, left: Filling, reason: str) -> bool:
        self._not_before = self._clock() + PAUSE_AFTER_FAILURE_S
        event(LOG, "spare_not_made", level=logging.WARNING, reason=reason)
        try:
            left.clear()
        except (GitError, GitUnusable, OSError) as error:
            event(LOG, "spares_left", level=logging.WARNING, reason=error)
        return False

    def _is_needed(self, limit: int) -> bool:
        counts = self._db.tasks.counts()
        to_come = sum(counts.get(status, (0, 0.0))[0] for status in _TO_COME)
        return len(self._trees.spares.paths()) < min(limit, to_come) and not self._is_short_of_room()

    def _filling(self, repository: Repository) -> Filling:
        return Filling(repository, self._trees.of(repository).spares)

    def _gentle(self, repository: Repository) -> Repository:
        """The repository, whose git runs at low priority and is ended when there is something better to do."""
        start = repository.git.run

        def run(command: Sequence[str], **how: Any) -> Completed:
            return start([*self._priority, *command], tend=self._yield_if_due, **how)

        return replace(repository, git=replace(repository.git, run=run))

    def _yield_if_due(self) -> None:
        if self._must_yield() or self._is_short_of_room():
            raise _Yielded

    def _is_short_of_room(self) -> bool:
        return self._free_bytes() < ROOM_FACTOR * self._least_free_bytes

    def _measured(self) -> int:
        space = os.statvfs(self._trees.root)
        return space.f_bavail * space.f_frsize
