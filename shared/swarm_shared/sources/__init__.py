"""Plans from other tools: recognized by content and place, read as tasks with an account of every line, ticked off."""

from __future__ import annotations

from swarm_shared.sources.ticking import TICKS, tick

__all__ = ["TICKS", "tick"]
