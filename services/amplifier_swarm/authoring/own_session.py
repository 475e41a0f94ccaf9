"""Whether this command was started by an agent that works on a task of a swarm, and which task."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from swarm_shared.domain.errors import StateError
from swarm_shared.processes.procfs import read_stat
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
        """None outside a session."""
        return cls._in(os.environ)

    @classmethod
    def of_parents(cls, database: TaskDatabase) -> OwnSession | None:
        """The attempt of this database that a parent of this process belongs to; None outside a session.

        Some agent CLIs, such as Codex, pass few of their environment variables on to MCP servers.
        """
        pid = os.getppid()
        while pid > 1 and (stat := read_stat(pid)) is not None:
            found = cls._in(_environment(pid))
            if found is not None and found._is_at_work(database):
                return found
            pid = stat.parent
        return None

    @classmethod
    def _in(cls, environment: Mapping[str, str]) -> OwnSession | None:
        task_id, attempt = environment.get(TASK), environment.get(MARK)
        return cls(task_id=task_id, attempt=attempt) if task_id and attempt else None

    def _is_at_work(self, database: TaskDatabase) -> bool:
        return any(
            each.attempt == self.attempt and each.task_id == self.task_id for each in database.recovery.open_attempts()
        )

    def check(self, database: TaskDatabase) -> None:
        """Refuse a session of another swarm, and one whose attempt is over.

        Raises:
            StateError: The attempt is not running in this database.
        """
        if not self._is_at_work(database):
            raise StateError(
                f"this session works on task {self.task_id} of another swarm, or its attempt is over",
                hint="an agent can only propose tasks to its own swarm, while it works",
            )


def _environment(pid: int) -> Mapping[str, str]:
    """The variables that a process was started with; empty if it has ended or belongs to another user."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            entries = file.read().split(b"\0")
    except OSError:
        return {}
    return dict(os.fsdecode(entry).split("=", 1) for entry in entries if b"=" in entry)
