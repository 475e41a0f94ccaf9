"""Before a command creates a database: makes sure that no swarm still uses an earlier one."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from amplifier_swarm.output.terminal import notice
from swarm_shared.domain.errors import StateError, SwarmError
from swarm_shared.git.worktrees.database_inside import keep_out_of_commits
from swarm_shared.store.engine.opened_file import still_open_elsewhere
from swarm_shared.store.engine.rescue import SUFFIX, refuges


def prepare_new(database: Path) -> None:
    """Prepare the creation of a missing database, and keep it out of commits.

    Raises:
        StateError: A swarm still uses the deleted one.
    """
    _refuse_beside_living_swarm(database)
    with suppress(SwarmError, OSError):  # `start` tries again, and reports what is wrong
        keep_out_of_commits(database)


def _refuse_beside_living_swarm(database: Path) -> None:
    """While a swarm still works on the deleted database, a new one would have no workers.

    Raises:
        StateError: Such a swarm is running; it notices the loss within seconds, copies the contents and ends.
    """
    pid = still_open_elsewhere(database)
    if pid is not None:
        raise StateError(
            f"{database} is missing, but process {pid} of its swarm still uses it: it was deleted or moved",
            hint=f"wait until the swarm has stopped; it copies the contents to {database.name}{SUFFIX}N",
        )
    copies = sorted(str(each) for each in next(refuges(database)).glob(f"{database.name}{SUFFIX}*"))
    if copies:
        notice(f"warning: this is a new database; the contents of an earlier one that was lost are in {copies[-1]}")
