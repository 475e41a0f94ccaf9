"""All errors that a user may see: what is wrong, what to do, and the exit code for programs."""

from __future__ import annotations


class SwarmError(Exception):
    """Root of all expected errors; anything else that escapes is a bug (exit code 1)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message


class InputError(SwarmError):
    """A file that cannot be used; found before anything changed."""

    exit_code = 3


class ConfigError(SwarmError):
    """Settings that cannot work; found before anything started."""

    exit_code = 3


class DatabaseError(SwarmError):
    """The database file is missing, not ours, too new, damaged, or stayed locked."""

    exit_code = 4


class DatabaseBusy(DatabaseError):
    """Another process kept the write lock for the whole busy timeout."""


class NotFound(SwarmError):
    """No such task, attempt or worker."""

    exit_code = 5


class StateError(SwarmError):
    """Not allowed in the status the task or the swarm is in."""

    exit_code = 6


class SupervisorError(SwarmError):
    """supervisord cannot be reached, or refused."""

    exit_code = 7


class LeaseLost(SwarmError):
    """The attempt's fencing token is no longer the task's: another worker owns the task, and our result is void."""


# Outcomes of a run, not errors: `start` ends with them.
EXIT_DONE = 0
EXIT_INCOMPLETE = 8
EXIT_STOPPED = 9
EXIT_AGENT_CLI = 10

# Other exit codes of any program.
EXIT_OUTPUT_LOST = 74  # EX_IOERR of sysexits.h
EXIT_INTERRUPTED = 130  # as a shell reports SIGINT
EXIT_READER_GONE = 141  # as a shell reports SIGPIPE
