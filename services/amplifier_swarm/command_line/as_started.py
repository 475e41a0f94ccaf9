"""The settings of the swarm that a command is about: what its workers were started with, not what this shell says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swarm_shared.settings.settings import Settings

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

_START = "start"


def as_started(settings: Settings, database: TaskDatabase) -> Settings:
    """The caller's settings, with those of the last start where they count more; see `StartedWith.applied_to`."""
    started = database.swarm.started_with()
    return settings if started is None else started.applied_to(settings, running=is_running(database))


def is_running(database: TaskDatabase) -> bool:
    """Whether a worker or a `start` of this database runs."""
    return database.swarm.running(_START) is not None or bool(database.workers.present())
