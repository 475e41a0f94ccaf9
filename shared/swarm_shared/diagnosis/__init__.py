"""The diagnosis of a swarm: every check of its database once.

`doctor`, the Health screen and metrics show all of it; `status` and the notices of the dashboard show its obstacles.
"""

from __future__ import annotations

from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.file import file_findings
from swarm_shared.diagnosis.finding import Finding, Level
from swarm_shared.diagnosis.notifications import notification_findings
from swarm_shared.diagnosis.programs import program_findings
from swarm_shared.diagnosis.queue import queue_findings

__all__ = ["Finding", "Level", "diagnose", "obstacles"]


def diagnose(database: TaskDatabase, *, at_rest: bool = False, min_free_bytes: int = 0) -> list[Finding]:
    """Every check that the database allows; nothing is changed. Takes milliseconds at any size of the queue.

    Args:
        at_rest: No part of the swarm is running, which is not an error.
        min_free_bytes: Disk space below which no task starts.
    """
    return [
        *program_findings(database, at_rest=at_rest),
        *queue_findings(database),
        *notification_findings(database),
        *file_findings(database, min_free_bytes=min_free_bytes),
    ]


def obstacles(database: TaskDatabase) -> list[Finding]:
    """What keeps tasks of the whole swarm from starting or landing; stops first."""
    found = [finding for finding in diagnose(database) if finding.is_obstacle]
    return sorted(found, key=lambda finding: finding.part != "queue")
