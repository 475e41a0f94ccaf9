"""What a check of `doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from swarm_shared.errors import SwarmError


class Level(StrEnum):
    """How bad a finding is; `bad` makes the command fail."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check's outcome."""

    name: str
    level: Level
    text: str
    advice: str | None = None


def bad(name: str, error: SwarmError) -> Finding:
    """What an error is to the doctor."""
    return Finding(name=name, level=Level.BAD, text=error.message, advice=error.hint)
