"""`swarm-worker`: claims tasks one at a time, runs their agents, and settles the results."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from swarm_shared.program.collection import importing

with importing():
    import click

    from swarm_shared.database import TaskDatabase
    from swarm_shared.domain.errors import ConfigError
    from swarm_shared.git.worktrees.isolation import NONE, WORKTREE
    from swarm_shared.processes.identity import ProcessId, owner_from, supervisord_from, wait_for_ends
    from swarm_shared.processes.lifeline import CONTAINER_GONE, Lifeline, Lifelines
    from swarm_shared.program.entry import exit_code_of
    from swarm_shared.program.logs import configure, event
    from swarm_shared.settings.options import setting
    from swarm_shared.settings.settings import Settings, resolve
    from swarm_shared.store.engine.awaited import wait_for_database
    from swarm_shared.store.swarm.started_with import StartedWith
    from swarm_worker.assembly import assemble
    from swarm_worker.config import WorkerConfig, worker_config
    from swarm_worker.event_loop import Watch
    from swarm_worker.pace import Pace
    from swarm_worker.processes.keeper import fork_worker
    from swarm_worker.processes.session_tree import TreeUnproven
    from swarm_worker.stopping import Leave

LOG = logging.getLogger("swarm.worker")
PREDECESSOR_S = 15.0  # longer than it tries to end its agents
_DEFAULT_WORKER_ID = "worker-1"


def work(config: WorkerConfig, started: StartedWith) -> int:
    """Run one worker until there is a reason to leave. Returns the exit code."""
    wait_for_database(config.db, os.environ)
    owners = list(_owners(os.environ))
    # Named after the keeper, which this process becomes, and held by the keeper, by the worker and by all processes
    # that the worker starts.
    lifeline = Lifeline(config.state_dir, ProcessId.mine())
    # Before any thread is started and any database opened. From here on we are the child.
    keeper = fork_worker(on_orphaned=lambda: _prove_gone(config.db, lifeline))
    config.private_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = TaskDatabase(config.db, create=False)
    _refuse_to_drop_worktrees(config, database)
    watch = Watch(database.connection.data_version, Pace(database.workers.number_alive))
    watch.obey(keeper)
    for owner, loss in owners:
        watch.bind_to(owner, loss)
    _see_predecessor_off(database, config.worker_id, Lifelines(config.state_dir))
    run = database.workers.register(config.worker_id, ProcessId.mine(), keeper.process, lease_s=config.lease_s)
    if config.repository is None:
        database.swarm.note_workplace(NONE)
    else:
        database.swarm.note_workplace(WORKTREE, subfolder=config.repository.prefix)
    if owner_from(os.environ) is None:  # else `start` has stored what it was given
        database.swarm.note_started_with(started)
        database.routes.note(config.routing)
        database.spending.note(config.budgets.spending)
    event(LOG, "worker_started", worker=config.worker_id, pid=os.getpid(), keeper=keeper.process.pid)
    try:
        leave = assemble(database, config, watch, lifeline, run=run).run()
    except TreeUnproven as error:
        event(LOG, "worker_crashed", level=logging.ERROR, worker=config.worker_id, reason=error.message)
        return 1
    database.workers.end(run, crashed=leave is Leave.KEEPER_LOST, reason=str(leave))
    database.close()
    lifeline.remove()
    event(LOG, "worker_stopped", worker=config.worker_id, reason=leave)
    return 1 if leave is Leave.KEEPER_LOST else 0


def _refuse_to_drop_worktrees(config: WorkerConfig, database: TaskDatabase) -> None:
    """Only the user may turn worktrees off, even if supervisord starts workers that decide for themselves."""
    row = database.landings.integration()
    if row is not None and config.repository is None and config.isolation != NONE:
        raise ConfigError(
            f"there can be no worktrees in {config.project_root}, and earlier tasks had worktrees of {row.repository}",
            hint="`amplifier-swarm doctor` names the cause; or work without worktrees: --isolation none",
        )


def _owners(environ: Mapping[str, str]) -> Iterator[tuple[ProcessId, str]]:
    """The processes that we must not outlive: `start`, named by SWARM_OWNER, and supervisord if it runs us."""
    owner = owner_from(environ)
    if owner is not None:
        yield owner, "the run that started this worker is gone"
    supervisord = supervisord_from(environ)
    if supervisord is not None:
        yield supervisord, "supervisord is gone"


def _see_predecessor_off(database: TaskDatabase, worker_id: str, lifelines: Lifelines) -> None:
    """Make sure that a former worker with our name no longer uses it.

    One that has lost its keeper is waited for: it is ending its agents, and supervisord was quicker. One of another
    container, whose pid means nothing here, has ended when no process holds its lifeline.
    """
    for worker in database.workers.alive():
        if worker.worker_id != worker_id or worker.keeper is None:
            continue
        alive = worker.keeper.is_alive()
        if alive is False:
            wait_for_ends([worker.process], PREDECESSOR_S)
        elif alive is None and lifelines.is_free(worker.keeper):
            database.workers.end(worker.run, crashed=True, reason=CONTAINER_GONE)


def _prove_gone(db: Path, lifeline: Lifeline) -> None:
    """In the keeper, after its worker died: record in the database that no process below it is left."""
    database = TaskDatabase(db, create=False)
    database.workers.record_tree_gone(ProcessId.mine())
    database.close()
    lifeline.remove()


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
@setting("runner")
@setting("contain", "--contain")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.version_option(package_name="amplifier-swarm", prog_name="swarm-worker")
def command(worker_id: str, verbose: bool, **flags: object) -> int:
    """Claim tasks one at a time, run their agents, and settle the results.

    supervisord starts it as worker-1, worker-2 and so on; you can also start it yourself. SIGTERM finishes the running
    attempt within the graceful timeout, a second one interrupts it. SIGUSR1 finishes it without a time limit, and
    SIGUSR2 makes the worker stay after all.
    """
    configure(verbose=verbose)
    settings: Settings = resolve(flags)
    return work(worker_config(settings, worker_id), StartedWith.of(settings))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of the script and of `python -m swarm_worker`; returns the exit code."""
    return exit_code_of(command, argv, name="swarm-worker")


if __name__ == "__main__":
    sys.exit(main())
