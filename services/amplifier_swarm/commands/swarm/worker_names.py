"""Names of workers on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amplifier_swarm.submit import Live
from swarm_shared.domain.errors import NotFound

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase


def check_known(database: TaskDatabase, worker: str) -> None:
    """A name that no worker ever had is a typing error, which the reaper could only refuse.

    Raises:
        NotFound: There is no such worker.
    """
    if Live.of(database).reaper and all(row["worker_id"] != worker for row in database.workers.shown()):
        raise NotFound(f"no worker '{worker}'", hint="amplifier-swarm workers lists them")
