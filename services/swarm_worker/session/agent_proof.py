"""How a session's result depends on whether the session had its agent's instructions."""

from __future__ import annotations

from swarm_shared.agents.amplifier.loaded import Loaded
from swarm_shared.agents.reading.session_result import Reading
from swarm_shared.domain.models import FailureClass, Role
from swarm_shared.domain.trouble import Trouble, TroubleKind

# Ends of sessions in which the agent has said something.
_SPOKEN = frozenset({None, FailureClass.QUALITY, FailureClass.UNREADABLE})


def says_nothing(reading: Reading) -> bool:
    """Whether the result is not the agent's, so that no proof is needed."""
    return reading.failure not in _SPOKEN


def unproven(role: Role, agent: str, session: str | None) -> tuple[str, str]:
    """The warning of a session that left no proof: what was not verified, and why."""
    text = f"session {session} recorded no event mentions:resolved; update Amplifier to have {agent} verified"
    return f"built-in: the {role} had the instructions of its agent", text


def verified(reading: Reading, loaded: Loaded, *, role: Role, agent: str, named_by_task: bool) -> Reading:
    """The reading, unless the session ran as something other than its agent: then nothing that it says counts.

    Args:
        named_by_task: The task names the agent itself, so no other task has this problem.
    """
    if loaded is not Loaded.NO:
        return reading
    text = (
        f"the {role} session ran without the instructions of {agent}: the agent does not exist, or its bundle was not "
        "loaded (`amplifier bundle list` shows the bundles)"
    )
    return Reading(
        failure=FailureClass.SETUP,
        reason=text,
        session_id=reading.session_id,
        trouble=None if named_by_task else Trouble(kind=TroubleKind.STARTUP, text=text),
        unfit=named_by_task,
    )
