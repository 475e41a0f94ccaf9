"""What can go wrong with a call to a supervisord."""

from __future__ import annotations

from swarm_shared.domain.errors import SupervisorError

# Faults of supervisord that we distinguish. Source: Supervisor, class supervisor.xmlrpc.Faults.
SHUTDOWN_STATE = 6
BAD_NAME = 10
ALREADY_STARTED = 60
NOT_RUNNING = 70
STILL_RUNNING = 91

HINTS = {
    SHUTDOWN_STATE: "it is shutting down: wait until it has ended, then start it again",
    BAD_NAME: "`supervisorctl -c supervisord.conf status` lists the names",
    STILL_RUNNING: "to keep it, scale up; it then continues with its task",
}


class SupervisorUnreachable(SupervisorError):
    """Nothing answers at the socket."""


class SupervisorAbsent(SupervisorUnreachable):
    """Nothing listens at the socket, so no supervisord runs there."""


class SupervisorRefused(SupervisorError):
    """supervisord answered, and said no."""

    def __init__(self, message: str, *, fault: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.fault = fault
