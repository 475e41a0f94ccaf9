"""`from amplifier_swarm.database import TaskDatabase`: the README's name of the database's front."""

from __future__ import annotations

from swarm_shared.database import TaskDatabase

__all__ = ["TaskDatabase"]
