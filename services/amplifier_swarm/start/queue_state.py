"""The state of the queue and whether a run has anything left to do, from one read of the database."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status
from swarm_shared.domain.trouble import TroubleKind
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP, PAUSED, Flag, ProviderHold

# Tasks in these statuses continue without you. Blocked tasks do not: once no other tasks are left, the tasks that they
# wait for have failed, are held or were cancelled.
MOVING = (
    Status.NOT_STARTED,
    Status.WAITING_FILES,
    Status.SCHEDULED,
    Status.CLAIMED,
    Status.IN_PROGRESS,
    Status.APPROVED,
    Status.LANDING,
)
GONE_WRONG = (Status.FAILED, Status.HELD, Status.BLOCKED)


class QueueState(Struct, frozen=True, kw_only=True):
    """One snapshot of the queue.

    `counts` gives tasks and estimated hours per stored status. `running` counts attempts that a worker runs or ends,
    except those whose processes cannot be proven dead. `agent_clis` are those of tasks that could start, empty for the
    swarm's own. `workers` counts running workers. `until_midnight`: only the budget of the day pauses the queue.
    """

    counts: Mapping[Status, tuple[int, float]]
    running: int
    flags: Mapping[str, Flag]
    holds: tuple[ProviderHold, ...]
    agent_clis: tuple[str, ...] = ("",)
    workers: int = 1
    until_midnight: bool = False

    def number(self, *statuses: Status) -> int:
        return sum(self.counts.get(status, (0, 0.0))[0] for status in statuses)

    @property
    def total(self) -> int:
        return sum(number for number, _ in self.counts.values())

    @property
    def left(self) -> int:
        """Tasks that can still move without you."""
        return self.number(*MOVING)

    @property
    def is_through(self) -> bool:
        """True when no task can continue and none is running."""
        return self.left == 0 and self.running == 0

    @property
    def all_well(self) -> bool:
        """True when everything completed or was cancelled."""
        return self.number(*GONE_WRONG) == 0

    @property
    def stop(self) -> Flag | None:
        """A drain or emergency stop from any source; the emergency stop takes precedence."""
        return self.flags.get(EMERGENCY_STOP) or self.flags.get(DRAINED)

    @property
    def unstartable(self) -> ProviderHold | None:
        """The agent CLI that failed to start twice in a row and is not tried any more."""
        for hold in self.holds:
            if hold.kind == TroubleKind.STARTUP and hold.until_at is None:
                return hold
        return None


class End(Struct, frozen=True, kw_only=True):
    """How a run ended: its exit code, and the words for the summary's first line, with the run's time between them."""

    exit_code: int
    headline: str
    reason: str = ""

    def text(self, after: str = "") -> str:
        """One line: "gave up after 2 h 10 m: the queue is paused". `after` is the run's time, if it is to be said."""
        what = f"{self.headline} after {after}" if after else self.headline.rstrip(",")
        return f"{what}: {self.reason}" if self.reason else what


def read_queue(database: TaskDatabase) -> QueueState:
    """The current counters, flags and holds; a few rows, whatever the size of the queue."""
    holds = tuple(database.swarm.holds())
    endless = any(hold.until_at is None for hold in holds)
    flags = database.swarm.flags()
    return QueueState(
        counts=database.tasks.counts(),
        running=database.runs.unfinished_attempts(),
        flags=flags,
        holds=holds,
        # Only where it matters: each name costs a query of the ready tasks.
        agent_clis=database.runs.agent_clis_left() if endless else (),
        workers=sum(not each.process.is_foreign for each in database.workers.alive()),
        until_midnight=PAUSED in flags and database.spending.only_until_midnight(),
    )
