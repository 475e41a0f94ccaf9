"""`from amplifier_swarm.database import TaskDatabase`: the documented import of the database."""

from __future__ import annotations

from swarm_shared.database import TaskDatabase

__all__ = ["TaskDatabase"]
