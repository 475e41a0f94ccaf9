"""What a session runs, what it shares with the worker's other sessions, and how it may end."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.reading.session_result import SessionEnd
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Role, Stage
from swarm_shared.redaction.redaction import Redaction
from swarm_shared.runners.runner import Start
from swarm_worker.event_loop import Watch
from swarm_worker.lease import Heart
from swarm_worker.processes.roll import Roll
from swarm_worker.processes.session_tree import Tree

OVER_BUDGET = "a budget is used up"


class Cause(StrEnum):
    """Why a session was cut short."""

    KILLED = "killed"  # by a user
    CANCELLED = "cancelled"  # by a user
    INTERRUPTED = "interrupted"  # our own stop
    LEASE_LOST = "lease_lost"
    TIME_LIMIT = "time_limit"
    STUCK = "stuck"
    KEEPER_LOST = "keeper_lost"
    RUNNER = "runner"  # its runner could not run it


class Cut(Struct, frozen=True, kw_only=True):
    """A session cut short by us. `requests` are the control rows that asked for it."""

    cause: Cause
    text: str
    requests: tuple[int, ...] = ()


class Plan(Struct, frozen=True, kw_only=True):
    """What to run, as its runner starts it: `limit_s` bounds it; `stuck_s` None leaves only that bound.

    `signs` rise while it works; so does CPU time beyond `idle_cpu_s` a minute.
    """

    role: Role
    name: str
    stage: Stage
    prompt: str | None
    start: Start
    cwd: Path
    stdin: bytes
    limit_s: float
    stuck_s: float | None
    redaction: Redaction  # with the values of what it is started with
    resumes: str | None = None  # the agent CLI's id of the earlier session that it resumes
    signs: tuple[Callable[[], float | None], ...] = ()
    idle_cpu_s: float = 1.0


class Ended(Struct, frozen=True, kw_only=True):
    """How it ended; `cut` is None when it ended by itself. `session` is the key of its row."""

    session: int
    end: SessionEnd
    cut: Cut | None
    duration_s: float


class SessionContext(Struct, frozen=True, kw_only=True):
    """What every session of a worker shares."""

    database: TaskDatabase
    tree: Tree
    roll: Roll
    watch: Watch
    heart: Heart
    must_stop: Callable[[], str | None]  # why running sessions must be interrupted now
    ends_over_budget: bool  # sessions in flight, when a budget is used up
    kill_grace_s: float
    output_limit_bytes: int
    redaction: Redaction
    now: Callable[[], float]  # monotonic seconds
