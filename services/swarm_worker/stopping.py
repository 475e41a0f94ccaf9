"""Why a worker stops (signals, the end of what started it, stored requests), and how its row shows this."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP
from swarm_worker.event_loop import Watch
from swarm_worker.lease import Heart

DRAIN_POLL_S = 1.0


class Leave(StrEnum):
    """Why a worker ends its loop."""

    STOPPED = "stopped"  # asked to, by signal or by a stored state
    RETIRED = "retired"
    ABANDONED = "abandoned"  # the process that started it is gone
    KEEPER_LOST = "keeper_lost"  # nothing can be started any more


class Stopping:
    """Answers two questions: whether to leave before the next claim, and whether a running session must end now."""

    def __init__(
        self,
        database: TaskDatabase,
        watch: Watch,
        heart: Heart,
        *,
        run: int,
        graceful_timeout_s: float,
        now: Callable[[], float],
    ) -> None:
        """`now`: monotonic seconds."""
        self._db, self._watch, self._heart, self._run = database, watch, heart, run
        self._graceful_timeout_s, self._now = graceful_timeout_s, now
        self._status = "starting"  # of this worker's row
        self._was_free = False  # whether this worker has seen the swarm neither drained nor stopped
        self._drained_since: float | None = None  # the swarm, as seen while an attempt runs
        self._wanted: str | None = None  # of this worker alone: drain or retire
        self._poll_at = 0.0

    def asked(self) -> bool:
        """Whether this worker must leave for a reason that needs no database query."""
        watch = self._watch
        return bool(watch.stops_asked or watch.retire_asked or watch.abandoned or watch.keeper_lost)

    def has_work(self) -> bool:
        """Whether there is anything but tidying up to do, or may be; asked by what can be interrupted for it."""
        self._watch.wait(0)
        try:
            return self.asked() or self._db.queue.anything_ready() or self._db.landings.anything_to_land()
        except DatabaseError:
            return True

    def signalled(self) -> Leave | None:
        """Why this worker leaves now because of a signal or a process that is gone; reads nothing from the database."""
        self._watch.wait(0)  # what has come is noticed before anything is claimed
        if self._watch.abandoned:
            return Leave.ABANDONED
        if self._watch.keeper_lost:
            return Leave.KEEPER_LOST
        if self._watch.stops_asked:
            return Leave.STOPPED
        if self._watch.retire_asked or not self._heart.alive:
            return Leave.RETIRED
        return None

    def reason_to_leave(self) -> Leave | None:
        """Why this worker leaves now, between two attempts, because of a stored request; None while it stays."""
        wanted = self._db.workers.wanted(self._run)
        if wanted is not None:
            return Leave.RETIRED if wanted == "retire" else Leave.STOPPED
        flags = self._db.swarm.flags()
        if DRAINED in flags or EMERGENCY_STOP in flags:
            # A worker that starts in a stopped swarm waits: exiting so soon would count as a failed start.
            if self._was_free:
                return Leave.STOPPED
            self.show("waiting", "the swarm is drained or stopped; resume lets it continue")
            return None
        self._was_free = True
        self._drained_since = None
        if flags:
            self.show("waiting", ", ".join(sorted(flags)))
        else:
            self.show("idle", None)
        return None

    def must_stop(self) -> str | None:
        """Why a running session must be interrupted now, if it must."""
        if self._watch.abandoned:
            return self._watch.abandoned
        if self._watch.stops_asked > 1:
            return "stopped immediately"
        self._show_whether_it_leaves()
        since = self._watch.stop_asked_at or self._drained_since
        if since is not None and self._now() - since > self._graceful_timeout_s:
            return f"the graceful timeout of {self._graceful_timeout_s:g} s is over"
        return None

    def show(self, status: str, reason: str | None) -> None:
        """Store what this worker does, when it is something other than before."""
        if status != self._status:
            self._status = status
            self._db.workers.set_status(self._run, status, reason)

    def note_claim(self) -> None:
        """The claim has stored that it is busy, which it does only while neither worker nor swarm is to stop."""
        self._status = "busy"
        self._drained_since = None

    def note_settled(self) -> None:
        """The end of its attempt has stored that it is idle, unless it was shown as leaving."""
        if self._status == "busy":
            self._status = "idle"

    def _show_whether_it_leaves(self) -> None:
        """Show that this worker leaves after its task, or no longer does. Only the end of the whole swarm has a limit.

        What is stored is looked up now and then; a resume takes a drain back, also one of this worker alone.
        """
        now = self._now()
        if now >= self._poll_at:
            self._poll_at = now + DRAIN_POLL_S
            drained = DRAINED in self._db.swarm.flags()
            self._drained_since = (self._drained_since or now) if drained else None
            self._wanted = self._db.workers.wanted(self._run)
        if self._watch.stop_asked_at is not None or self._drained_since is not None:
            self.show("draining", "finishes its task within the graceful timeout")
        elif self._wanted == "drain":
            self.show("draining", "finishes its task, then leaves")
        elif self._watch.retire_asked or self._wanted == "retire":
            self.show("retiring", "finishes its task, then leaves")
        else:
            self.show("busy", None)
