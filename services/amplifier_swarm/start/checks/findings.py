"""Findings of `doctor` about the machine around a database; `swarm_shared.diagnosis` has the others."""

from __future__ import annotations

from swarm_shared.diagnosis import Finding, Level
from swarm_shared.domain.errors import SwarmError


def finding(name: str, level: Level, text: str, advice: str | None = None, *, code: str | None = None) -> Finding:
    """One check's outcome; its code is the name and the level unless it has its own."""
    own = code or f"{name.replace(' ', '_').replace('-', '_').lower()}_{level}"
    return Finding(code=own, part="machine", name=name, level=level, text=text, advice=advice)


def bad(name: str, error: SwarmError) -> Finding:
    """A check that ended with an error."""
    return finding(name, Level.BAD, error.message, error.hint)
