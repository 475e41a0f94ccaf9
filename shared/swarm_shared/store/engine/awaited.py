"""Waits for a database that does not exist yet: in service mode the programs may start before the first import."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.processes.identity import owner_from, supervisord_from
from swarm_shared.program.logs import event

POLL_S = 0.5
LOG = logging.getLogger("swarm")


def wait_for_database(path: Path, environ: Mapping[str, str]) -> None:
    """Return when the file exists, and at once where nothing would ever make it.

    Only supervisord's programs wait: without a database each of them would otherwise end, be started again some times
    and then be given up. Below a `start`, which begins with an existing file, a missing one has been deleted. A signal
    ends the wait by ending the process.

    Args:
        environ: The process's own variables, which name those that it must not outlive.
    """
    supervisord = supervisord_from(environ)
    if path.exists() or supervisord is None or owner_from(environ) is not None:
        return
    event(LOG, "database_awaited", level=logging.WARNING, db=path, hint="amplifier-swarm import-tasks creates it")
    while not path.exists() and supervisord.is_alive() is not False:
        time.sleep(POLL_S)
