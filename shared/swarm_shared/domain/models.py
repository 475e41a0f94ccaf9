"""The shared vocabulary as types: statuses, verbs, failure classes, and the rows that services exchange."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from msgspec import Struct, field


class Status(StrEnum):
    """The state of a task; the stored values."""

    NOT_STARTED = "not_started"  # ready: may be claimed now
    BLOCKED = "blocked"  # waits for dependencies
    WAITING_FILES = "waiting_files"  # ready, but its files overlap those of a running task
    SCHEDULED = "scheduled"  # waits for a time: retry back-off
    CLAIMED = "claimed"  # a worker has the lease, no agent has started yet
    IN_PROGRESS = "in_progress"  # a session runs; the stage says which
    APPROVED = "approved"  # passed, waits to land
    LANDING = "landing"  # is being landed
    COMPLETED = "completed"
    FAILED = "failed"  # no retry left
    HELD = "held"  # needs you; the hold reason is typed
    CANCELLED = "cancelled"  # cancelled by a user


class Group(StrEnum):
    """The documented filters, and the two final statuses that only users cause."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    HELD = "held"
    CANCELLED = "cancelled"


GROUP_OF: Mapping[Status, Group] = MappingProxyType(
    {
        Status.NOT_STARTED: Group.NOT_STARTED,
        Status.BLOCKED: Group.NOT_STARTED,
        Status.WAITING_FILES: Group.NOT_STARTED,
        Status.SCHEDULED: Group.NOT_STARTED,
        Status.CLAIMED: Group.IN_PROGRESS,
        Status.IN_PROGRESS: Group.IN_PROGRESS,
        Status.APPROVED: Group.IN_PROGRESS,
        Status.LANDING: Group.IN_PROGRESS,
        Status.COMPLETED: Group.COMPLETED,
        Status.FAILED: Group.FAILED,
        Status.HELD: Group.HELD,
        Status.CANCELLED: Group.CANCELLED,
    }
)


def statuses_named(word: str) -> tuple[Status, ...]:
    """The stored statuses that a word means: a group first, else one status; hyphen or underscore.

    Raises:
        ValueError: The word names neither.
    """
    plain = word.strip().lower().replace("-", "_")
    if plain in set(Group):
        return tuple(status for status, group in GROUP_OF.items() if group == plain)
    return (Status(plain),)


class Stage(StrEnum):
    """The stage of a running attempt."""

    PREPARING = "preparing"
    BUILDING = "building"
    CHECKING = "checking"
    VALIDATING = "validating"


class Role(StrEnum):
    """Who a session is."""

    BUILDER = "builder"
    VALIDATOR = "validator"
    CHECK = "check"


class FailureClass(StrEnum):
    """The cause of an attempt's end; each class has its own limit."""

    QUALITY = "quality"  # the task's: counts against max_retries
    CRASH = "crash"  # worker or agent died: own budget, then held
    PROVIDER = "provider"  # rate limit, overload, quota: pauses claiming, costs nothing
    SETUP = "setup"  # the agent CLI cannot start: stop early and report it
    INTERRUPTED = "interrupted"  # our own shutdown: costs nothing
    UNREADABLE = "unreadable"  # no answer of the required shape after the repeats: held

    @property
    def blames_task(self) -> bool:
        """Whether it counts against the task; the others have an outside cause and cost nothing."""
        return self in (FailureClass.QUALITY, FailureClass.CRASH, FailureClass.UNREADABLE)

    @property
    def judged(self) -> bool:
        """Whether checks or a validator judged the work; otherwise the attempt was cut short."""
        return self is FailureClass.QUALITY


class FailureCause(StrEnum):
    """The part of an attempt that failed."""

    BUILDER = "builder"  # it gave up, or ended badly
    CHECK = "check"
    VALIDATOR = "validator"  # it objects
    TIME = "time"  # past its limit, or without any sign of progress
    LANDING = "landing"  # a conflict, or a failing check on the merged result
    CRASH = "crash"
    UNREADABLE = "unreadable"


class Outcome(StrEnum):
    """How an attempt ended."""

    PASSED = "passed"
    FAILED = "failed"  # with a failure class
    KILLED = "killed"  # by a user
    CANCELLED = "cancelled"  # by a user


class HoldReason(StrEnum):
    """Why a task is held."""

    KILLED = "killed"
    BY_PERSON = "by_person"
    CRASHED = "crashed_repeatedly"
    UNREADABLE = "unreadable_answer"
    NOT_PROVEN_DEAD = "not_proven_dead"
    OBJECTION = "objection"  # the same twice
    SAME_PROBLEM = "same_problem"
    AS_IMPORTED = "as_imported"
    NOT_LANDED = "not_landed"
    CANNOT_START = "cannot_start"  # its sessions cannot be started
    SHARED_STASH = "shared_stash"
    BUDGET = "budget"  # its own budget is used up
    PROPOSED = "proposed"  # by the agent of another task: waits for your approval
    QUESTION = "question"  # its builder cannot continue without a decision of the user


class Verb(StrEnum):
    """The requests that a control row can make."""

    KILL = "kill"
    RETRY = "retry"
    CANCEL = "cancel"
    HOLD = "hold"
    RELEASE = "release"
    APPROVE = "approve"
    REJECT = "reject"
    PRIORITIZE = "prioritize"
    PAUSE = "pause"
    RESUME = "resume"
    DRAIN = "drain"
    EMERGENCY_STOP = "emergency_stop"
    SCALE = "scale"
    RESTART_WORKER = "restart_worker"
    ANSWER = "answer"
    ADD = "add"  # a task to the queue
    EDIT = "edit"  # the definition of a task
    BULK = "bulk"  # one of the task verbs on many tasks
    LAND = "land"  # landed work into a branch of the user's
    IMPORT = "import"  # the tasks of a text


TASK_VERBS = frozenset(
    {
        Verb.KILL,
        Verb.RETRY,
        Verb.CANCEL,
        Verb.HOLD,
        Verb.RELEASE,
        Verb.APPROVE,
        Verb.REJECT,
        Verb.PRIORITIZE,
        Verb.ANSWER,
        Verb.EDIT,
    }
)
# They change definitions, as imports do, and take turns with them.
DEFINITION_VERBS = frozenset({Verb.ADD, Verb.EDIT})

# They may take minutes: the reaper carries them out next to its loop.
LONG_VERBS = frozenset({Verb.LAND, Verb.IMPORT})

# Smaller is sooner. An integer that has a name is shown and exported by the name.
PRIORITY_NAMES: Mapping[str, int] = MappingProxyType({"critical": 1, "high": 2, "medium": 3, "low": 4})
DEFAULT_PRIORITY = PRIORITY_NAMES["medium"]
PRIORITY_RANGE = (-1_000_000, 1_000_000)


def priority_value(text: str | int) -> int:
    """The stored number of a priority given by name (any case) or as an integer.

    Raises:
        ValueError: Neither a known name nor an integer within `PRIORITY_RANGE`.
    """
    named = PRIORITY_NAMES.get(str(text).strip().lower())
    if named is not None:
        return named
    number = int(text)
    if not PRIORITY_RANGE[0] <= number <= PRIORITY_RANGE[1]:
        raise ValueError(f"priority {number} is out of range")
    return number


def priority_label(number: int) -> str | int:
    """The name of a priority where it has one, else the number itself."""
    for name, value in PRIORITY_NAMES.items():
        if value == number:
            return name
    return number


class Source(Struct, frozen=True, kw_only=True):
    """The item of another tool's plan that a task was made from.

    `format` is a name of `swarm_shared.sources`. `path` is the file, relative to the project root with forward
    slashes; absolute if it is outside, and an address for what is no file. `key` identifies the item within the
    file and survives edits of everything but the item's own title. `tick` says whether the file has a place that
    records the item as done (`swarm_shared.sources.tick`); only a relative path has one.
    """

    format: str
    path: str
    key: str
    tick: bool = False


class TaskSpec(Struct, frozen=True, kw_only=True):
    """One task as a task file states it, after checking; see the manual's list of keys.

    Lists are tuples of text. `extra` holds unknown keys, which are exported again.
    `line` is the task's line in its file, 0 when it came from elsewhere.
    """

    id: str
    name: str
    description: str = ""
    phase: str = ""
    type: str = ""
    status: Status = Status.NOT_STARTED  # not_started, completed, failed, cancelled or held
    priority: int = DEFAULT_PRIORITY
    estimated_hours: float | None = None
    acceptance_criteria: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    design_docs: tuple[str, ...] = ()
    dependencies: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    run: str | None = None
    verify: str | None = None
    max_retries: int | None = None
    timeout_minutes: float | None = None
    builder_agent: str | None = None
    validator_agent: str | None = None
    agent_cli: str | None = None
    builder_model: str | None = None
    validator_model: str | None = None
    builder_args: tuple[str, ...] = ()
    validator_args: tuple[str, ...] = ()
    allow_empty: bool | None = None
    labels: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    source: Source | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    line: int = 0
