"""`swarm-reaper`: requeues tasks of dead workers, carries out requests, and maintains the database."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence

from swarm_shared.program.collection import importing

with importing():
    import click

    from swarm_reaper.config import ReaperConfig, reaper_config
    from swarm_reaper.deaths import Deaths
    from swarm_reaper.loop import ReaperLoop
    from swarm_reaper.slots import Slots
    from swarm_reaper.threads.housekeeping import HousekeepingThread
    from swarm_reaper.threads.notifications import NotificationsThread
    from swarm_reaper.threads.source_sync import SourceSyncThread
    from swarm_shared.database import TaskDatabase
    from swarm_shared.domain.clock import SystemClock
    from swarm_shared.processes.identity import ProcessId, owner_from, supervisord_from
    from swarm_shared.processes.lifeline import Lifeline
    from swarm_shared.program.entry import exit_code_of
    from swarm_shared.program.logs import configure, event
    from swarm_shared.settings.options import setting
    from swarm_shared.settings.settings import resolve
    from swarm_shared.store.engine.awaited import wait_for_database

LOG = logging.getLogger("swarm.reaper")
HOUSEKEEPING_ENDS_WITHIN_S = 2.0
COURIERS_END_WITHIN_S = 2.0


def reap(config: ReaperConfig) -> int:
    """Run the reaper until it is stopped. Returns the exit code."""
    wait_for_database(config.db, os.environ)
    clock = SystemClock()
    deaths = Deaths()
    deaths.listen_to_stop_signals()
    housekeeping, notifications = HousekeepingThread(config, clock), NotificationsThread(config, clock)
    source_sync = SourceSyncThread(config, clock)
    with TaskDatabase(config.db, create=False, clock=clock) as database:
        loop = ReaperLoop(
            database,
            config,
            Slots.around_us(clock),
            deaths,
            start=owner_from(os.environ),
            supervisord=supervisord_from(os.environ),
        )
        lifeline = Lifeline(config.state_dir, ProcessId.mine())
        event(LOG, "reaper_started", pid=os.getpid(), db=config.db)
        housekeeping.start()
        notifications.start()
        source_sync.start()
        try:
            loop.run()
        finally:
            source_sync.stop(within_s=COURIERS_END_WITHIN_S)
            notifications.stop(within_s=COURIERS_END_WITHIN_S)
            housekeeping.stop(within_s=HOUSEKEEPING_ENDS_WITHIN_S)
            deaths.close()
            lifeline.remove()
    event(LOG, "reaper_stopped")
    return 0


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: swarm-reaper --db tasks.db",
)
@setting("db")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.version_option(package_name="amplifier-swarm", prog_name="swarm-reaper")
def command(verbose: bool, **flags: object) -> int:
    """Requeue tasks of dead or frozen workers, carry out requests, maintain the database.

    Started by supervisord; it also works alone, but then it can neither scale nor restart workers. All other
    settings come from SWARM_ variables and swarm.yaml; `amplifier-swarm config` shows them.
    """
    configure(verbose=verbose)
    return reap(reaper_config(resolve(flags)))


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of the script and of `python -m swarm_reaper`; returns the exit code."""
    return exit_code_of(command, argv, name="swarm-reaper")


if __name__ == "__main__":
    sys.exit(main())
