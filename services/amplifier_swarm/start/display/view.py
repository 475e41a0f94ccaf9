"""The state of a run at one moment, and the texts for it that all displays share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from amplifier_swarm.output.terminal import about
from amplifier_swarm.start.queue_state import QueueState
from swarm_shared.diagnosis.actors import requested_by
from swarm_shared.domain.models import GROUP_OF, Group
from swarm_shared.program.readable import cut, duration
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN, ProviderHold
from swarm_shared.store.views.estimates.prospect import Prospect

GROUPS_IN_ORDER = (
    Group.COMPLETED,
    Group.IN_PROGRESS,
    Group.NOT_STARTED,
    Group.FAILED,
    Group.HELD,
    Group.CANCELLED,
)

# Events worth a line, with the sign before it.
TOLD_EVENTS: Mapping[str, str] = {
    "completed": "✓",
    "failed": "✗",
    "held": "!",
    "git_settings_changed": "!",
    "killed": "!",
    "cancelled": "-",
    "retry_scheduled": "↻",
    "requeued": "↻",
    "worker_crashed": "!",
    "provider_hold": "!",
    "budget_warning": "!",
    "budget_cost_unknown": "!",
    "paused": "!",
    "resumed": "·",
    "drained": "!",
    "emergency_stop": "!",
    "scaled": "·",
}


class View(Struct, frozen=True, kw_only=True):
    """One moment. `running` and `workers` are rows as the store shows them; `now_ms` is on the wall clock."""

    queue: QueueState
    running: Sequence[Mapping[str, Any]]
    workers: Sequence[Mapping[str, Any]]
    prospect: Prospect | None
    now_ms: int
    elapsed_s: float
    link: str | None
    starting: int = 0  # workers that are awaited, while none of them has started

    def groups(self) -> dict[Group, int]:
        """Tasks per group."""
        numbers = dict.fromkeys(GROUPS_IN_ORDER, 0)
        for status, (number, _) in self.queue.counts.items():
            numbers[GROUP_OF[status]] += number
        return numbers

    def counts_text(self) -> str:
        """`3 completed, 1 running, 8 to do, 1 failed`: what is not zero, after the first three."""
        groups = self.groups()
        parts = [
            f"{groups[Group.COMPLETED]} completed",
            f"{groups[Group.IN_PROGRESS]} running",
            f"{groups[Group.NOT_STARTED]} to do",
        ]
        parts += [f"{groups[g]} {g}" for g in (Group.FAILED, Group.HELD, Group.CANCELLED) if groups[g]]
        return ", ".join(parts)

    def eta_text(self) -> str:
        """When the queue will be done, if that is known; the obstacle explains why it is not."""
        found = self.prospect
        if found is None or found.forecast is None or self.queue.left == 0:
            return ""
        eta_ms = round(found.forecast.eta_s * 1000)
        return f"done {about(self.now_ms + eta_ms, self.now_ms)} (in {duration(eta_ms)})"

    def obstacle_text(self) -> str | None:
        """Why nothing is running although there is work, and what to do; None while something is running."""
        if self.queue.running or not self.queue.left or self.queue.stop:
            return None
        flags = self.queue.flags
        if self.queue.until_midnight:
            return f"paused until midnight ({flags[PAUSED].reason}); to continue now: amplifier-swarm resume"
        if paused := flags.get(PAUSED):
            reason = f" ({paused.reason})" if paused.reason else ""
            by = requested_by(paused.actor).removeprefix("requested ")
            return f"paused {by}{reason}; to continue: amplifier-swarm resume"
        if low := flags.get(DISK_LOW):
            return f"no tasks start: {low.reason or 'the disk is nearly full'}; free some space"
        if down := flags.get(RUNNER_DOWN):
            return f"no tasks start: {down.reason}; to try it: amplifier-swarm runners check"
        if self.queue.holds:
            return self._hold_text(self.queue.holds[0])
        if self.starting or any(is_at_work(worker) for worker in self.workers):
            return None
        return "no worker is running; start some with: amplifier-swarm scale 3"

    def starting_text(self) -> str:
        """What is awaited before the first worker has started; empty afterwards."""
        return f"starting {self.starting} worker{'' if self.starting == 1 else 's'} …" if self.starting else ""

    def _hold_text(self, hold: ProviderHold) -> str:
        held = f"{hold.route} is on hold ({hold.cause}: {cut(hold.reason, 120)})"
        if hold.until_at is None:
            return f"{held}; once that is fixed: amplifier-swarm resume"
        return f"{held}; next try in {duration(max(0, hold.until_at - self.now_ms))}"

    def ending_text(self) -> str | None:
        """What a stop still waits for; None if no stop was requested."""
        stop = self.queue.stop
        if stop is None:
            return None
        names = ", ".join(cut(str(task["id"]), 40) for task in self.running[:5])
        more = f" and {len(self.running) - 5} more" if len(self.running) > 5 else ""
        waits = f"; waiting for {names}{more}" if names else ""
        word = {DRAINED: "draining", EMERGENCY_STOP: "emergency stop"}[stop.name]
        return f"{word}, {requested_by(stop.actor)}{waits}"


def is_at_work(worker: Mapping[str, Any]) -> bool:
    """Whether the newest start of this worker has not ended."""
    return worker["status"] not in ("stopped", "crashed")


def event_line(event: Mapping[str, Any]) -> str | None:
    """One line for an event of the log; None for those that only history needs."""
    sign = TOLD_EVENTS.get(event["event_type"])
    if sign is None:
        return None
    who = event.get("task_id") or event.get("worker_id") or "swarm"
    message = cut(event.get("message") or "", 160)
    if event["event_type"] == "completed":
        message = ""  # it says no more than the type does
    word = str(event["event_type"]).replace("_", " ")
    return f"{sign} {cut(who, 60)} {word}" + (f": {message}" if message else "")
