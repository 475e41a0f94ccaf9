"""What an agent CLI's own files tell of one session: that it moves, which one it is, and what it used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from swarm_shared.agents.cli import AgentCli, Progress
from swarm_shared.agents.usage import Usage, events_size, find_session, session_usage


@dataclass(slots=True, kw_only=True)
class SessionFiles:
    """To be made just before the session starts.

    Args:
        env, cwd: The session's own.
        started_ms: Wall time now.
        resumes: The earlier session that it goes on with.
        alone: No other session works in `cwd`, so that a session that appears there is this one.
    """

    cli: AgentCli
    env: Mapping[str, str]
    cwd: Path
    started_ms: int
    resumes: str | None
    alone: bool
    _size_before: int | None = field(init=False)
    _used_before: Usage = field(init=False)

    def __post_init__(self) -> None:
        self._size_before = self._size()
        self._used_before = self._usage(self.resumes)

    @property
    def signs(self) -> tuple[Callable[[], float | None], ...]:
        """What rises while the session moves."""
        return (self._size,) if self.cli.progress is Progress.EVENTS else ()

    @property
    def began(self) -> bool:
        """Whether the session was past its start-up."""
        return self.cli.progress is Progress.EVENTS and self._size() not in (None, self._size_before)

    def session_id(self) -> str | None:
        """The session's id, of one that ended without telling it; None where it cannot be known."""
        if self.resumes is not None or not self.alone:
            return self.resumes
        return find_session(self.cli, env=self.env, cwd=self.cwd, started_ms=self.started_ms)

    def usage(self, session_id: str | None) -> Usage:
        """What this run of the session used, without what an earlier one had."""
        used = self._usage(session_id)
        if session_id is None or session_id != self.resumes:
            return used
        before = self._used_before
        return Usage(
            tokens=None if used.tokens is None else used.tokens - (before.tokens or 0),
            cost_usd=None if used.cost_usd is None else used.cost_usd - (before.cost_usd or 0.0),
        )

    def _size(self) -> int | None:
        return events_size(self.cli, env=self.env, cwd=self.cwd, started_ms=self.started_ms, resumed=self.resumes)

    def _usage(self, session_id: str | None) -> Usage:
        return session_usage(self.cli, env=self.env, cwd=self.cwd, session_id=session_id)
