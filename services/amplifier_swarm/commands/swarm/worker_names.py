"""Names of workers on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amplifier_swarm.command_line.submit import Live
from swarm_shared.domain.errors import NotFound
from swarm_shared.program.nearest import suggestion

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase


def check_known(database: TaskDatabase, worker: str) -> None:
    """A name that no worker ever had is a typing error; the reaper could only refuse it.

    Raises:
        NotFound: There is no such worker.
    """
    known = [row["worker_id"] for row in database.workers.shown()]
    if Live.of(database).reaper and worker not in known:
        raise NotFound(f"no worker '{worker}'", hint=suggestion(worker, known, "workers are"))
