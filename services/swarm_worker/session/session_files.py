"""What an agent CLI's own files show about a session: its progress, its id, and its usage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, field

from swarm_shared.agents.amplifier.home import EVENTS_FILE, sessions_folder
from swarm_shared.agents.amplifier.loaded import Loaded, agent_file, loaded
from swarm_shared.agents.amplifier.persona import split_agent
from swarm_shared.agents.presets.cli import AgentCli, Progress
from swarm_shared.agents.reading.session_log import log_size, read_session_log
from swarm_shared.agents.reading.usage import (
    UNKNOWN_USAGE,
    Usage,
    events_size,
    find_session,
    session_usage,
    total_usage,
)

Signs = tuple[Callable[[], float | None], ...]  # what rises while the session moves


class Used(Struct, frozen=True, kw_only=True):
    """What a session used; by model where the files divide it so."""

    usage: Usage
    models: tuple[str, ...]
    by_model: Mapping[str, Usage] = field(default_factory=dict)


class LoggedSession:
    """The log of a CLI that writes one for each session; of other CLIs, only what a session was started with is known.

    To be made just before the session starts.

    Args:
        env: The session's own.
        resumes: The earlier session that it resumes.
    """

    signs: Signs = ()

    def __init__(self, cli: AgentCli, *, env: Mapping[str, str], resumes: str | None) -> None:
        self._cli, self._env, self._resumes = cli, env, resumes
        self._size_before = log_size(cli, env, resumes)

    @property
    def began(self) -> bool:
        """Whether the session was past its start-up."""
        return False

    def session_id(self) -> str | None:
        """The id of a session that ended without reporting it; None if it cannot be known."""
        return self._resumes

    def has_loaded(self, agent: str, session_id: str | None) -> Loaded:
        """Whether the session had the instructions of that agent."""
        return Loaded.YES  # it was started as that agent, if the CLI knows agents at all

    def used(self, session_id: str | None) -> Used:
        """What the session has used so far, and the models that answered; for what the output does not say."""
        said = read_session_log(self._cli, self._env, session_id)
        new = said
        if session_id == self._resumes and self._size_before:  # another model may have answered before
            new = read_session_log(self._cli, self._env, session_id, since=self._size_before)
        usage = Usage(
            tokens=said.tokens,
            cached_tokens=said.cached_tokens,
            output_tokens=said.output_tokens,
            cost_usd=said.cost_usd,
        )
        return Used(usage=usage, models=new.models or said.models)


class AmplifierFiles:
    """What Amplifier writes while a session works, asked as `LoggedSession` is; to be made just before it starts.

    Args:
        env, cwd: The session's own.
        started_ms: Wall time now.
        alone: No other session works in `cwd`, so that a session that appears there is this one.
    """

    def __init__(
        self,
        cli: AgentCli,
        *,
        env: Mapping[str, str],
        cwd: Path,
        started_ms: int,
        resumes: str | None,
        alone: bool,
    ) -> None:
        self._cli, self._env, self._cwd, self._started_ms = cli, env, cwd, started_ms
        self._resumes, self._alone = resumes, alone
        self._size_before = self._size()
        self._used_before = self._used(resumes)
        self._uses_persona = any("{agent_bundle}" in word for words in cli.argv.values() for word in words)
        self._events_before = 0
        if resumes is not None:
            with suppress(OSError):
                self._events_before = self._events_of(resumes).stat().st_size
        self.signs: Signs = (self._size,) if cli.progress is Progress.EVENTS else ()

    @property
    def began(self) -> bool:
        return self._cli.progress is Progress.EVENTS and self._size() not in (None, self._size_before)

    def session_id(self) -> str | None:
        if self._resumes is not None or not self._alone:
            return self._resumes
        return find_session(self._cli, env=self._env, cwd=self._cwd, started_ms=self._started_ms)

    def used(self, session_id: str | None) -> Used:
        by_model = self._used(session_id)
        if session_id is not None and session_id == self._resumes:
            before = self._used_before
            by_model = {
                model: usage.since(before.get(model, UNKNOWN_USAGE), cumulative=("tokens", "cost"))
                for model, usage in by_model.items()
            }
        models = tuple(model for model, usage in by_model.items() if model and usage.tokens)
        return Used(usage=total_usage(by_model), models=models, by_model=by_model)

    def has_loaded(self, agent: str, session_id: str | None) -> Loaded:
        parts = split_agent(agent)
        if parts is None or not self._uses_persona:
            return Loaded.YES  # a bundle, without which Amplifier does not start
        if session_id is None or "/" in session_id:
            return Loaded.UNKNOWN
        since = self._events_before if session_id == self._resumes else 0
        return loaded(self._events_of(session_id), agent_file(*parts), since=since)

    def _events_of(self, session_id: str) -> Path:
        return sessions_folder(self._env, self._cwd) / session_id / EVENTS_FILE

    def _size(self) -> int | None:
        return events_size(self._cli, env=self._env, cwd=self._cwd, started_ms=self._started_ms, resumed=self._resumes)

    def _used(self, session_id: str | None) -> dict[str, Usage]:
        return session_usage(self._cli, env=self._env, cwd=self._cwd, session_id=session_id)


SessionFiles = LoggedSession | AmplifierFiles
