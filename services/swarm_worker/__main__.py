"""`swarm-worker`: takes tasks one at a time, drives their agents, and settles what came of it."""

from __future__ import annotations

import gc
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from swarm_shared.config import Settings, resolve
from swarm_shared.database import TaskDatabase
from swarm_shared.entry import exit_code_of
from swarm_shared.git.isolation import NONE, WORKTREE
from swarm_shared.logs import configure, event
from swarm_shared.options import setting
from swarm_shared.processes import ProcessId
from swarm_worker.config import WorkerConfig, worker_config
from swarm_worker.keeper import Keeper
from swarm_worker.loop import Leave, WorkerLoop
from swarm_worker.session import TreeUnproven
from swarm_worker.watch import Watch, bind_to_owners

LOG = logging.getLogger("swarm.worker")
KEEPER_JOIN_S = 2.0
_DEFAULT_WORKER_ID = "worker-1"


def work(config: WorkerConfig) -> int:
    """Be one worker until there is a reason to leave; the exit code."""
    # What was imported stays for good: the collector need not walk it again and again.
    gc.freeze()
    # First of all: a fork must come before any thread and before any database.
    keeper = Keeper.fork(on_orphaned=lambda: _prove_gone(config.db))
    config.private_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = TaskDatabase(config.db)
    watch = Watch(database.connection.data_version)
    bind_to_owners(watch, os.environ)
    run = database.workers.register(config.worker_id, ProcessId.mine(), keeper.process, lease_s=config.lease_s)
    database.swarm.note_isolation(NONE if config.repository is None else WORKTREE)
    event(LOG, "worker_started", worker=config.worker_id, pid=os.getpid(), keeper=keeper.pid)
    try:
        leave = WorkerLoop(database, keeper, config, watch, run=run).run()
    except TreeUnproven as error:
        event(LOG, "worker_crashed", level=logging.ERROR, worker=config.worker_id, reason=error.message)
        return 1
    keeper.close()
    keeper.join(KEEPER_JOIN_S)
    database.workers.end(run, crashed=leave is Leave.KEEPER_LOST, remark=str(leave))
    database.close()
    event(LOG, "worker_stopped", worker=config.worker_id, reason=leave)
    return 1 if leave is Leave.KEEPER_LOST else 0


def _prove_gone(db: Path) -> None:
    """In the keeper, after its worker died: say in the database that nothing below it is left."""
    database = TaskDatabase(db, create=False)
    database.workers.record_tree_gone(ProcessId.mine())
    database.close()


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: swarm-worker --db tasks.db --worker-id worker-1 --project-root ~/project",
)
@click.option("--worker-id", default=_DEFAULT_WORKER_ID, show_default=True, help="This worker's name.")
@setting("db")
@setting("project_root")
@setting("builder_agent")
@setting("validator_agent")
@setting("agent_cli")
@setting("validation", "--no-validation", help="Do not judge results by a validator session.")
@setting("max_retries")
@setting("retry_delay_s", "--retry-delay")
@setting("orphan_timeout_min", "--orphan-timeout")
@setting("graceful_timeout_s", "--graceful-timeout")
@setting("isolation")
@setting("land_into")
@setting("contain", "--contain")
@click.option("-v", "--verbose", is_flag=True, help="Tell more in the log.")
def command(worker_id: str, verbose: bool, **flags: object) -> int:
    """Take tasks one at a time, drive their agents, and settle what came of it.

    Started by supervisord as worker-1, worker-2 and so on; by hand it works as well. SIGTERM finishes the running
    attempt within the graceful timeout, a second one interrupts it, SIGUSR1 finishes it without a limit.
    """
    configure(verbose=verbose)
    settings: Settings = resolve(flags)
    return work(worker_config(settings, worker_id))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of the script and of `python -m swarm_worker`; returns the exit code."""
    return exit_code_of(command, argv, name="swarm-worker")


if __name__ == "__main__":
    sys.exit(main())
