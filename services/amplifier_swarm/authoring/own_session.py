"""Whether this command was started by an agent that works on a task of a swarm, and which task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from swarm_shared.domain.errors import StateError
from swarm_shared.processes.sweep import MARK

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

TASK = "AMPLIFIER_SWARM_TASK_ID"


class OwnSession(Struct, frozen=True, kw_only=True):
    """The attempt that this command belongs to, from the variables that all of its processes inherit."""

    task_id: str
    attempt: str

    @classmethod
    def around(cls) -> OwnSession | None:
        """None outside of a session."""
        task_id, attempt = os.environ.get(TASK), os.environ.get(MARK)
        return cls(task_id=task_id, attempt=attempt) if task_id and attempt else None

    def check(self, database: TaskDatabase) -> None:
        """Refuse a session of another swarm, and one whose attempt is over.

        Raises:
            StateError: The attempt is not running in this database.
        """
        if not any(a.attempt == self.attempt and a.task_id == self.task_id for a in database.recovery.open_attempts()):
            raise StateError(
                f"this session works on task {self.task_id} of another swarm, or its attempt is over",
                hint="an agent can only propose tasks to its own swarm, while it works",
            )
