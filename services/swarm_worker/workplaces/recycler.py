"""Worktrees whose work has landed: reused by the next task, or removed if there are too many."""

from __future__ import annotations

import logging

from swarm_shared.database import TaskDatabase
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.recycle import recycle
from swarm_shared.git.running.git_errors import GitError, GitUnusable, RepositoryBusy
from swarm_shared.git.worktrees.spares import Recycled
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees
from swarm_shared.program.logs import event
from swarm_worker.config import WorkerConfig
from swarm_worker.landing.integration_branch import IntegrationBranch
from swarm_worker.workplaces.cleanup import cleanup_of

LOG = logging.getLogger("swarm.worker")


class Recycler:
    """Recycles one worktree at a time: when its worker is idle, or when a task needs one and there is no spare.

    A landed task is not run again by itself, and everything that its sessions started was proven gone before it landed.
    """

    def __init__(
        self, database: TaskDatabase, config: WorkerConfig, trees: TaskWorktrees, branch: IntegrationBranch
    ) -> None:
        self._db, self._config, self._trees, self._branch = database, config, trees, branch
        self._kept: set[str] = set()  # examined once, and not again every second

    def make_spare(self) -> Recycled | None:
        """Recycle a landed worktree for a task that is about to open its own; None if there was none."""
        return self._recycle_one() if self._config.recycles and self.limit() > 0 else None

    def tidy(self) -> bool:
        """Recycle or remove one landed worktree, or what is too much among the spares; whether there was any."""
        if not self._config.recycles:
            return False
        if self._recycle_one() is not None:
            return True
        limit = self.limit()
        if self._trees.spares.is_tidy(limit):
            return False
        try:
            return self._trees.spares.tidy(limit) > 0
        except (GitError, GitUnusable, OSError) as error:
            event(LOG, "spares_left", level=logging.WARNING, reason=error)
            return False

    def limit(self) -> int:
        """How many spares there may be."""
        limit = self._config.worktree_pool
        return len(self._db.workers.alive()) if limit is None else limit

    def _recycle_one(self) -> Recycled | None:
        names = {name for name in self._trees.names() if name not in self._kept}
        recycled = (self._recycled(safe) for safe in self._db.landings.completed_among(names))
        return next((one for one in recycled if one is not None), None)

    def _recycled(self, safe: str) -> Recycled | None:
        """Recycle a task's worktree; None if it is kept or in use."""
        try:
            with self._trees.locked(safe, timeout_s=0) as descriptor:
                if not self._db.landings.completed_among([safe]):
                    return None  # it was assigned again meanwhile
                repository = self._trees.repository.holding(descriptor)
                integration = Integration(repository=repository, ref=self._branch.ref())
                task = self._db.landings.task_named(safe)
                assert task is not None, "it is completed"
                trees = self._trees.of(repository)
                cleanup = cleanup_of(
                    self._config, repository, self._db.tasks.spec(task), outside=trees.outside_run_of(safe)
                )
                recycled = recycle(trees, integration, safe, spares=self.limit(), cleanup=cleanup)
        except RepositoryBusy:
            return None  # another worker is working on it
        except (GitError, GitUnusable, OSError) as error:
            recycled = str(error)
        if not isinstance(recycled, str):
            return recycled
        self._kept.add(safe)
        event(LOG, "worktree_kept", worktree=safe, reason=recycled)
        return None
