"""What a check of `doctor` found."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from swarm_shared.domain.errors import SwarmError


class Level(StrEnum):
    """How bad a finding is; `bad` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(Struct, frozen=True, kw_only=True):
    """One check's outcome."""

    name: str
    level: Level
    text: str
    advice: str | None = None


def bad(name: str, error: SwarmError) -> Finding:
    """What an error is to the doctor."""
    return Finding(name=name, level=Level.BAD, text=error.message, advice=error.hint)
