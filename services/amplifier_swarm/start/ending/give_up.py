"""Decides when an unattended run waits only for you, and ends it after the time that you chose."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from amplifier_swarm.start.queue_state import GONE_WRONG, End, QueueState
from swarm_shared.domain.errors import EXIT_AGENT_CLI, EXIT_INCOMPLETE
from swarm_shared.domain.models import Status
from swarm_shared.domain.routes import Openness, Routing
from swarm_shared.program.readable import cut, duration
from swarm_shared.store.swarm.swarm import DISK_LOW, PAUSED

WORKERS_COME_WITHIN_S = 60.0  # restarts included
_REASON_CHARS = 200
_RUNNABLE = (Status.NOT_STARTED, Status.SCHEDULED, Status.APPROVED, Status.LANDING, Status.CLAIMED, Status.IN_PROGRESS)


class Blockage(Struct, frozen=True, kw_only=True):
    """A blockage that only you can end, and the exit code of a run that ends because of it."""

    reason: str
    exit_code: int


class GiveUp:
    """Checks the queue repeatedly."""

    def __init__(self, after_s: float | None, routing: Routing | None = None, agent_cli: str = "") -> None:
        """Prepare.

        Args:
            after_s: How long to wait for you; None waits forever.
            routing: The routes that sessions use.
            agent_cli: The swarm's own, for tasks that name none.
        """
        self._after_s = after_s
        self._routing = routing or Routing()
        self._agent_cli = agent_cli
        self._since: float | None = None
        self._without_workers_since: float | None = None

    def check(self, queue: QueueState, now_s: float) -> End | None:
        """The end of the run, once the queue has waited for you all this time; `now_s` is monotonic."""
        if self._after_s is None:
            return None
        blockage = blockage_of(queue, self._routing, self._agent_cli) or self._no_workers(queue, now_s)
        if blockage is None:
            self._since = None
            return None
        if self._since is None:
            self._since = now_s
        if now_s - self._since < self._after_s:
            return None
        reason = f"{blockage.reason}; waited {duration(self._after_s * 1000)} for you"
        return End(exit_code=blockage.exit_code, headline="gave up", reason=reason)

    def _no_workers(self, queue: QueueState, now_s: float) -> Blockage | None:
        if queue.workers or queue.running or not queue.left:
            self._without_workers_since = None
            return None
        if self._without_workers_since is None:
            self._without_workers_since = now_s
        if now_s - self._without_workers_since < WORKERS_COME_WITHIN_S:
            return None
        return Blockage(reason="no worker is running", exit_code=EXIT_INCOMPLETE)


def blockage_of(queue: QueueState, routing: Routing, agent_cli: str) -> Blockage | None:
    """What prevents all remaining tasks from starting until you act; None while any can continue without you."""
    if queue.running or queue.stop:
        return None
    if queue.until_midnight:
        return None
    if paused := queue.flags.get(PAUSED):
        reason = f" ({cut(paused.reason, _REASON_CHARS)})" if paused.reason else ""
        return Blockage(reason=f"the queue is paused{reason}", exit_code=EXIT_INCOMPLETE) if queue.left else None
    if queue.left and (low := queue.flags.get(DISK_LOW)):
        return Blockage(reason=f"the disk is nearly full ({cut(low.reason, _REASON_CHARS)})", exit_code=EXIT_INCOMPLETE)
    if not queue.number(*_RUNNABLE):
        return _needs_you(queue)
    if queue.number(Status.APPROVED, Status.LANDING):
        return None  # it lands without an agent
    held = list(_held(queue, routing, agent_cli))
    return Blockage(reason="; ".join(held), exit_code=EXIT_AGENT_CLI) if held else None


def _needs_you(queue: QueueState) -> Blockage | None:
    """Tasks that are held, or have failed, and others that wait for those."""
    number = queue.number(*GONE_WRONG)
    if not number:
        return None
    what = "1 task needs" if number == 1 else f"{number:,} tasks need"
    return Blockage(reason=f"{what} you and nothing else can run", exit_code=EXIT_INCOMPLETE)


def _held(queue: QueueState, routing: Routing, agent_cli: str) -> Iterator[str]:
    """The holds that only you can end, if every remaining task has only routes with such a hold."""
    endless = {hold.route: hold for hold in queue.holds if hold.until_at is None}

    def openness(route: str) -> Openness:
        return Openness.CLOSED if route in endless else Openness.OPEN

    if not endless or any(routing.choose(name, agent_cli, openness) for name in queue.agent_clis):
        return
    for route, hold in endless.items():
        yield f"{route} is on hold ({hold.cause}: {cut(hold.reason, _REASON_CHARS)})"
