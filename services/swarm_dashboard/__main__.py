"""`swarm-dashboard`: shows the swarm in a browser, with controls."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from swarm_shared.program.collection import importing

with importing():
    import click

    from swarm_dashboard.config import DashboardConfig, config_from
    from swarm_dashboard.server.listening import address_of, open_listener
    from swarm_shared.database import TaskDatabase
    from swarm_shared.domain.errors import DatabaseError
    from swarm_shared.processes.identity import ProcessId, owner_from, supervisord_from
    from swarm_shared.program import logs
    from swarm_shared.program.entry import exit_code_of
    from swarm_shared.settings.options import setting
    from swarm_shared.settings.settings import resolve
    from swarm_shared.store.engine.awaited import wait_for_database

SERVICE = "dashboard"
_log = logging.getLogger("swarm_dashboard")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@setting("db")
@setting("dashboard_port", "--port", "--dashboard-port")
@setting("dashboard_host", "--host")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
@click.version_option(package_name="amplifier-swarm", prog_name="swarm-dashboard")
def command(verbose: bool, **flags: Any) -> None:
    """Serve the dashboard of one database until it is stopped.

    \b
    Example: swarm-dashboard --db tasks.db --port 9000
    """
    logs.configure(verbose=verbose)
    config = config_from(resolve(flags), verbose=verbose)
    _serve(config)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `swarm-dashboard`; its exit code."""
    return exit_code_of(command, argv, name="swarm-dashboard")


def _serve(config: DashboardConfig) -> None:
    # gunicorn and Flask are imported after the settings have been checked, so that a wrong one is reported immediately.
    with importing():
        from swarm_dashboard.server.server import Server

    wait_for_database(config.db, os.environ)
    listener = open_listener(config)
    host, port = address_of(listener)
    url = f"http://{host}:{port}/"
    mine = ProcessId.mine()
    # Closed again before the fork: a connection must not survive a fork.
    with TaskDatabase(config.db, create=False) as database:
        database.swarm.register_service(SERVICE, mine, {"port": port, "url": url})
        token = config.own_token or database.swarm.dashboard_token()
    link = url if config.open_to_all else f"{url}#t={token}"
    logs.event(_log, "dashboard_started", link=link, db=config.db, pid=mine.pid)
    if not config.is_loopback:
        logs.event(_log, "dashboard_exposed", level=logging.WARNING, host=config.host, to="everyone with the token")
    try:
        Server(config, listener, _owners()).run()
    finally:
        # The forked worker also gets here, when it exits after a failed start.
        if ProcessId.mine() == mine:
            with suppress(DatabaseError), TaskDatabase(config.db, create=False) as database:
                database.swarm.end_service(SERVICE, mine)


def _owners() -> list[ProcessId]:
    """The processes that this one must not outlive: `start`, and supervisord if it runs us."""
    owners = (owner_from(os.environ), supervisord_from(os.environ))
    return [owner for owner in owners if owner is not None]


if __name__ == "__main__":
    sys.exit(main())
