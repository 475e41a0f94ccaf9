"""Findings that prevent a run, collected so that all are reported together."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import asdict

from amplifier_swarm.start.checks.findings import bad, finding
from swarm_shared.diagnosis import Finding, Level
from swarm_shared.domain.errors import ConfigError, SupervisorError, SwarmError

EXIT_SETTINGS = ConfigError.exit_code


class Problem(Finding, frozen=True, kw_only=True):
    """A finding that must be dealt with before a run can begin; `doctor` shows the same one."""

    exit_code: int

    @classmethod
    def stated(cls, name: str, text: str, advice: str | None, *, exit_code: int = EXIT_SETTINGS) -> Problem:
        return cls.found(finding(name, Level.BAD, text, advice), exit_code=exit_code)

    @classmethod
    def because(cls, name: str, error: SwarmError) -> Problem:
        """A check that ended with an error."""
        return cls.found(bad(name, error), exit_code=error.exit_code)

    @classmethod
    def found(cls, finding: Finding, *, exit_code: int = EXIT_SETTINGS) -> Problem:
        return cls(**asdict(finding), exit_code=exit_code)


class Unfit(SwarmError):
    """The run cannot begin; the exit code is that of the first problem."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].text, hint=problems[0].what_to_do)
        self.problems = tuple(problems)
        self.exit_code = problems[0].exit_code


class ServiceFailed(SupervisorError):
    """A program of the swarm does not start, or supervisord ended; `tail` is the end of its log."""

    def __init__(self, message: str, *, hint: str, tail: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.tail = tuple(tail)
