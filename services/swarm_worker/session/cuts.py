"""Why a running session is ended early, and how much time it gets to end on its own."""

from __future__ import annotations

from collections.abc import Iterable

from swarm_shared.domain.models import Verb
from swarm_shared.store.queue.claims import Claim
from swarm_worker.lease import ProgressMeter
from swarm_worker.session.session_types import OVER_BUDGET, Cause, Cut, Plan, SessionContext

REQUESTED_GRACE_S = 0.5  # the user waits: an agent gets this long to save its transcript


class Cuts:
    """Looks for a reason, in the order in which they matter: a stop, the lease, the keeper, time, requests."""

    def __init__(
        self, around: SessionContext, claim: Claim, plan: Plan, *, deadline: float, meter: ProgressMeter
    ) -> None:
        """`deadline`: monotonic seconds."""
        self._around, self._claim, self._plan = around, claim, plan
        self.deadline, self._meter = deadline, meter

    def check(self, *, exited: bool) -> Cut | None:
        """A reason to end the session now, if there is one.

        Args:
            exited: Its process has ended, and only what it left behind is awaited.
        """
        if reason := self._around.must_stop():
            return Cut(cause=Cause.INTERRUPTED, text=reason)
        if not self._around.heart.alive:
            return Cut(cause=Cause.LEASE_LOST, text="the worker's row was closed")
        if self._around.watch.keeper_lost:
            return Cut(cause=Cause.KEEPER_LOST, text="the worker's keeper process died")
        if not exited and (late := self._late()):
            return late
        # Looked up only when another process has committed.
        watch = self._around.watch
        return self._open_requests() if watch.moved(watch.pace.busy_s()) else None

    def _late(self) -> Cut | None:
        role = self._plan.role
        if self._around.now() >= self.deadline:
            minutes = f"{self._plan.limit_s / 60:.4g}"
            return Cut(cause=Cause.TIME_LIMIT, text=f"the {role} session passed its limit of {minutes} minutes")
        if self._meter.is_stuck():
            minutes = f"{self._meter.silent_s() / 60:.4g}"
            return Cut(cause=Cause.STUCK, text=f"no sign of progress from the {role} for {minutes} minutes")
        return None

    def _open_requests(self) -> Cut | None:
        watched = self._around.database.queue.watch(self._claim)
        if not watched.owned:
            return Cut(cause=Cause.LEASE_LOST, text="the task has another owner")
        if watched.emergency:
            return Cut(cause=Cause.INTERRUPTED, text="emergency stop")
        if watched.over_budget and self._around.ends_over_budget:
            return Cut(cause=Cause.INTERRUPTED, text=OVER_BUDGET)
        return requested(watched.requests)


def requested(requests: Iterable[tuple[int, Verb, str]]) -> Cut | None:
    """The cut that one of these open requests `(id, verb, actor)` asks for."""
    for row, verb, actor in requests:
        if verb in (Verb.KILL, Verb.CANCEL):
            cause = Cause.KILLED if verb is Verb.KILL else Cause.CANCELLED
            return Cut(cause=cause, text=f"{cause} by {actor}", requests=(row,))
    return None


def grace_s(cause: Cause, usual_s: float) -> float:
    """Seconds between TERM and KILL."""
    if cause is Cause.KEEPER_LOST:
        return 0.0  # if we die as well, nothing would end it
    if cause in (Cause.KILLED, Cause.CANCELLED, Cause.LEASE_LOST):
        return min(REQUESTED_GRACE_S, usual_s)
    return usual_s
