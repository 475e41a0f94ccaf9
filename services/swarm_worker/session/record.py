"""The record of an attempt so far: its stages and sessions add to it, and its result is built from it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from swarm_shared.agents.reading.usage import UNKNOWN_USAGE, Usage
from swarm_shared.domain.errors import ConfigError, InputError
from swarm_shared.domain.models import FailureClass, Outcome, Role
from swarm_shared.domain.routes import Route
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.store.queue.policy import AttemptResult
from swarm_worker.session.steps import failed


class Record:
    """Holds the result, which has passed unless a stage says otherwise."""

    def __init__(self) -> None:
        self.result = AttemptResult(outcome=Outcome.PASSED)

    def set(self, **values: Any) -> None:
        """Replace fields of the result."""
        self.result = replace(self.result, **values)

    def warn(self, check: str, text: str) -> None:
        """Record information about this attempt that does not affect the result."""
        warning = {"command": check, "passed": True, "warning": True, "exit_code": None, "output": text}
        self.set(check_results=[*(self.result.check_results or []), warning])

    def session_of(self, role: Role) -> str | None:
        """The agent CLI's id of that role's last session."""
        return self.result.builder_session_id if role is Role.BUILDER else self.result.validator_session_id

    def note_session(self, role: Role, session_id: str | None) -> None:
        if role is Role.BUILDER:
            self.set(builder_session_id=session_id)
        else:
            self.set(validator_session_id=session_id)

    def add_usage(self, usage: Usage) -> None:
        if usage == UNKNOWN_USAGE:
            return
        so_far = self.result
        total = usage.plus(
            Usage(tokens=so_far.tokens, cached_tokens=so_far.cached_tokens, cost_usd=so_far.cost_usd),
        )
        self.set(tokens=total.tokens, cached_tokens=total.cached_tokens, cost_usd=total.cost_usd)

    def failed(self, failure: FailureClass, reason: str) -> AttemptResult:
        return failed(self.result, failure, reason)

    def unfit(self, error: InputError) -> AttemptResult:
        """The task cannot be started as it is, however often it is tried."""
        return replace(self.failed(FailureClass.SETUP, f"{error.message}; {error.hint}"), unfit=True)

    def cannot_start(self, error: ConfigError, *, on: Route | None) -> AttemptResult:
        """The agent CLI cannot be started, on this route if one was reached; no fault of the task."""
        trouble = Trouble(kind=TroubleKind.STARTUP, text=error.message)
        return replace(self.failed(FailureClass.SETUP, error.message), trouble=trouble, trouble_on=on)
