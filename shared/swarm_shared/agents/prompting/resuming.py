"""Which earlier session the next builder session resumes, if any."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from swarm_shared.agents.amplifier.home import TRANSCRIPT_FILE, sessions_folder
from swarm_shared.agents.presets.cli import AgentCli, Store
from swarm_shared.agents.prompting.history import is_instructive
from swarm_shared.domain.models import FailureCause, FailureClass, Outcome, Role

# The first retry resumes, because that agent knows what it has done; the second starts fresh, because what it knows
# has not helped.
_RETRY_THAT_RESUMES = 1
_JUDGED = ((Outcome.PASSED, None), (Outcome.FAILED, FailureClass.QUALITY))


def session_to_resume(
    cli: AgentCli,
    history: Sequence[Mapping[str, Any]],
    *,
    retries_used: int,
    agent: str,
    env: Mapping[str, str],
    cwd: Path,
    shares_sessions: Callable[[str], bool] = lambda route: True,
) -> str | None:
    """The session that the next builder session resumes; None: it starts fresh.

    Args:
        history: What was tried and has ended, from `Tasks.history`.
        retries_used: Failed attempts and refused landings since the last fresh budget.
        agent: Who builds next; a session belongs to one agent, where its CLI has agents.
        env, cwd: What the next session will have; CLIs find their sessions by them.
        shares_sessions: Whether the next session's route can resume one of the route named.
    """
    worked = [row for row in history if row["kind"] == "work" and _was_judged(row)]
    if not worked or not cli.resume:
        return None
    last = worked[-1]
    # The session that asked continues with the answer, however many retries are used.
    if last["question"] is None and retries_used != _RETRY_THAT_RESUMES:
        return None
    session = last["builder_session_id"]
    if session is None or last["agent_cli"] != cli.name:
        return None
    if cli.takes_agent(Role.BUILDER) and last["builder_agent"] != agent:
        return None
    if (route := last.get("route")) is not None and not shares_sessions(route):
        return None
    if last["cause"] == FailureCause.TIME:
        return None  # we killed it, or something that came after it: whether it can be resumed is not known
    if _has_been_resumed(session, history):
        return None  # resuming it has not helped
    return session if is_saved(cli, session, env=env, cwd=cwd) else None


def _has_been_resumed(session: str, history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether a later attempt failed to resume it; the attempt that began it may have resumed it for its answer."""
    begun = False
    for row in history:
        if begun and row["resumed_session_id"] == session and is_instructive(row):
            return True
        begun = begun or row["builder_session_id"] == session
    return False


def _was_judged(row: Mapping[str, Any]) -> bool:
    return (row["outcome"], row["failure_class"]) in _JUDGED or row["question"] is not None


def is_saved(cli: AgentCli, session_id: str, *, env: Mapping[str, str], cwd: Path) -> bool:
    """Whether the CLI still has the session's conversation.

    Amplifier saves a headless session only at its successful end; one that was killed, or ended in an error, would
    silently start from nothing.
    """
    if cli.store is not Store.AMPLIFIER:
        return True
    return "/" not in session_id and (sessions_folder(env, cwd) / session_id / TRANSCRIPT_FILE).is_file()
