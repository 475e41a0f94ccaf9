"""Assembles a worker: its heartbeat, its process tree, and the place where its tasks run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from swarm_shared.database import TaskDatabase
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.processes.lifeline import Lifeline
from swarm_shared.redaction.redaction import Redaction
from swarm_worker.config import WorkerConfig
from swarm_worker.event_loop import Watch
from swarm_worker.landing.careful_git import CarefulGit
from swarm_worker.landing.integration_branch import IntegrationBranch
from swarm_worker.landing.landing import Lander
from swarm_worker.lease import Heart
from swarm_worker.loop import WorkerLoop
from swarm_worker.processes.roll import Roll
from swarm_worker.processes.session_tree import Tree
from swarm_worker.session.session_types import SessionContext
from swarm_worker.stopping import Stopping
from swarm_worker.workplaces.workplace import ProjectRoot
from swarm_worker.workplaces.worktree import Worktrees

BUSY_TIMEOUT_S = 2.0  # for the write lock, before the loop's next round


def assemble(database: TaskDatabase, config: WorkerConfig, watch: Watch, lifeline: Lifeline, *, run: int) -> WorkerLoop:
    """The loop of the worker that is registered as `run`; with worktrees, its integration branch exists then."""
    database.connection.busy_timeout_s = BUSY_TIMEOUT_S
    now = time.monotonic
    heart = Heart(
        database.workers, database.clock, run=run, heartbeat_s=config.heartbeat_s, lease_s=config.lease_s, now=now
    )
    tree, roll = Tree(handed_on=lifeline.descriptor), Roll(lifeline)
    stopping = Stopping(database, watch, heart, run=run, graceful_timeout_s=config.graceful_timeout_s, now=now)
    around = SessionContext(
        database=database,
        tree=tree,
        roll=roll,
        watch=watch,
        heart=heart,
        must_stop=stopping.must_stop,
        ends_over_budget=config.budgets.spending.hard,
        kill_grace_s=config.kill_grace_s,
        output_limit_bytes=config.output_limit_bytes,
        redaction=Redaction(os.environ, config.environ),
        now=now,
    )
    git = CarefulGit(heart, roll, tree)
    if config.repository is None:
        return WorkerLoop(around, config, stopping, ProjectRoot(config.project_root), git, run=run)
    repository = git.of(config.repository.holding(lifeline.descriptor))
    lander, worktrees = with_worktrees(around, config, repository, must_yield=stopping.has_work)
    return WorkerLoop(around, config, stopping, worktrees, git, lander=lander, run=run)


def with_worktrees(
    around: SessionContext, config: WorkerConfig, repository: Repository, *, must_yield: Callable[[], bool]
) -> tuple[Lander, Worktrees]:
    """The lander, and the workplaces of tasks; creates the integration branch if necessary."""
    tend = around.heart.beat_if_due
    branch = IntegrationBranch(around.database, repository, actor=config.worker_id, tend=tend)
    branch.begin(config.land_into)
    worktrees = Worktrees(around.database, config, repository, branch, tend=tend, must_yield=must_yield)
    worktrees.give_back_names()
    return Lander(around, config, repository, branch), worktrees
