"""Problems that prevent a run, collected so that all are reported together."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from swarm_shared.domain.errors import SupervisorError, SwarmError


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that must be changed before a run can begin."""

    text: str
    hint: str
    exit_code: int

    @classmethod
    def of(cls, error: SwarmError) -> Problem:
        return cls(text=error.message, hint=error.hint or "", exit_code=error.exit_code)


class Unfit(SwarmError):
    """The run cannot begin; the exit code is that of the first problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].text, hint=problems[0].hint)
        self.problems = tuple(problems)
        self.exit_code = problems[0].exit_code


class ServiceFailed(SupervisorError):
    """A program of the swarm does not start, or supervisord ended; `tail` is the end of its log."""

    def __init__(self, message: str, *, hint: str, tail: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.tail = tuple(tail)
