"""One result of a diagnosis."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from swarm_shared.domain.errors import SwarmError

RESUME = "amplifier-swarm resume"
DOCTOR = "amplifier-swarm doctor"
SCALE = "amplifier-swarm scale 3"


class Action(StrEnum):
    """What helps, for a page that can offer it in place of the command."""

    RESUME = "resume"  # the request of this name
    SCALE = "scale"  # choose the number of workers
    LANDING = "landing"  # look at the landing queue


class Level(StrEnum):
    """How serious a finding is, in rising order."""

    OK = "ok"
    WARN = "warn"  # the swarm continues, but look at it
    BAD = "bad"  # something does not work until it is fixed


class Finding(Struct, frozen=True, kw_only=True):
    """What one check found.

    code    Stable, for programs and tests; the same for the same problem wherever it is shown.
    part    `swarm` (programs), `queue`, `file` (the database file) or `machine` (everything around).
    name    The thing that was checked, for display.
    advice  What to do, as text; `command` is what to type, where that is the advice.
    target  The worker, agent CLI or process that it is about.
    action  What a page offers as a button or link in place of the command.

    An obstacle keeps tasks of the whole swarm from starting or landing; `passes` says that it ends without the user.
    """

    code: str
    part: str
    name: str
    level: Level
    text: str
    advice: str | None = None
    command: str | None = None
    target: str | None = None
    action: Action | None = None
    is_obstacle: bool = False
    passes: bool = False

    @classmethod
    def of(cls, error: SwarmError, *, code: str, part: str, name: str) -> Finding:
        """A check that ended with an error."""
        return cls(code=code, part=part, name=name, level=Level.BAD, text=error.message, advice=error.hint)

    @property
    def what_to_do(self) -> str | None:
        """Advice and command in one line."""
        return ": ".join(filter(None, (self.advice, self.command))) or None
