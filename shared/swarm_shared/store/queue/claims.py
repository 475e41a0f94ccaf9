"""A worker's view of the queue: the claim, and the data that it stores about an ended session."""

from __future__ import annotations

import os

from msgspec import Struct

from swarm_shared.domain.routes import Choice, Routing


class Claim(Struct, frozen=True, kw_only=True):
    """A task given to one worker alone."""

    task: int
    task_id: str
    attempt: str
    number: int
    token: int
    agent_cli: str
    routes: Choice | None = None  # None: a landing has none
    note: str | None
    run: int
    worker_id: str
    claimed_at: int
    landing: bool = False  # to land what was built, not to build

    def fence(self) -> dict[str, object]:
        """What every write in its name must match."""
        return {"task": self.task, "token": self.token, "attempt": self.attempt}


def new_attempt_id(wall_ms: int) -> str:
    """A UUID (version 7) whose first 48 bits are the time, so that neighbours in time are neighbours in the index.

    Source: RFC 9562, section 5.7.
    """
    time = f"{wall_ms & (2**48 - 1):012x}"
    chance = os.urandom(10).hex()
    variant = "89ab"[int(chance[3], 16) & 0x3]  # two fixed bits, two by chance; the version is the 7
    return f"{time[:8]}-{time[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"


class Claimant(Struct, frozen=True, kw_only=True):
    """Who asks for work."""

    run: int
    worker_id: str
    agent_cli: str  # of tasks that name none
    routing: Routing = Routing()
    spacing_s: float = 1.0  # between starts on a route that recovers from trouble
    serialize: bool = True  # tasks whose files overlap wait for each other


class ClosedSession(Struct, frozen=True, kw_only=True):
    """How a session's process ended; without a pid it could not be started."""

    pid: int | None
    pid_start: int | None
    exit_code: int | None
    signal: int | None
    output_bytes: int
    ended_at: int


class SessionReport(Struct, frozen=True, kw_only=True):
    """What a session reported of itself, as far as it is known."""

    cli_session_id: str | None = None
    models: str | None = None  # joined by commas
    tokens: int | None = None
    cached_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
