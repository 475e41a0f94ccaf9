"""What happens to the two accounts, and when."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from swarm_shared.agents.reading.waits import RESET_MARGIN_S


class What(StrEnum):
    """What is wrong with an account."""

    THROTTLE = "throttle"  # more sessions at once than it takes are refused
    WINDOW = "window"  # the plan is used up until the phase ends
    BAD_KEY = "bad key"  # until it is corrected, and the user resumes
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Seconds since the run began; `accounts` are those that it happens to."""

    what: What
    begins_s: float
    ends_s: float
    accounts: tuple[str, ...]


FIRST, SECOND = "first", "second"
SPARE = "spare"  # healthy, of a lower tier: never to be used


def schedule(*, window_s: float, unit_s: float) -> tuple[Phase, ...]:
    """The phases in sequence, with a healthy period after each.

    Args:
        window_s: How long the plan window is closed.
        unit_s: The unit of the other phases; a healthy period is half of it.
    """
    phases: list[Phase] = []
    at = unit_s / 2
    for what, length_s, accounts in (
        (What.THROTTLE, 2 * unit_s, (FIRST,)),
        (What.WINDOW, window_s, (FIRST,)),
        (What.BAD_KEY, 2 * unit_s, (FIRST,)),
        (What.OUTAGE, unit_s, (FIRST, SECOND)),
    ):
        phases.append(Phase(what=what, begins_s=at, ends_s=at + length_s, accounts=accounts))
        # After a plan window the swarm waits a little longer than the provider asks.
        at += length_s + unit_s / 2 + (RESET_MARGIN_S if what is What.WINDOW else 0)
    return tuple(phases)
