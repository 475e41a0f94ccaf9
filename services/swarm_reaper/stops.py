"""Emergency stops: workers stop themselves; those that have not stopped after a while are ended here."""

from __future__ import annotations

import logging
import signal

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.program.logs import event
from swarm_shared.store.queue.recovery import Ending

LOG = logging.getLogger("swarm.reaper")
WORKERS_STOP_WITHIN_MS = 5_000
# A worker that starts in a stopped swarm waits for a resume; this is not a failure to stop.
_WAITS = ("starting", "waiting")


class Stops:
    """Enforces an emergency stop, or the shutdown of the swarm."""

    def __init__(self, database: TaskDatabase) -> None:
        """Bind to a database."""
        self._db = database
        self._since: int | None = None

    def enforce(self, reason: str | None, *, for_good: bool = False) -> bool:
        """Check once while there is a `reason` to stop; None clears the last one.

        The attempts of workers that do not stop are fenced as interrupted, which costs their tasks nothing; reaping
        kills the workers and proves their process trees gone.

        Args:
            for_good: No worker may stay, including waiting ones.

        Returns:
            Whether any process still has to end.
        """
        if reason is None:
            self._since = None
            return False
        now = self._db.clock.mono_ms()
        if self._since is None:
            self._since = now
        attempts = self._db.recovery.open_attempts()
        workers = [w for w in self._db.workers.alive() if for_good or w.status not in _WAITS]
        if now - self._since >= WORKERS_STOP_WITHIN_MS:
            for attempt in attempts:
                if attempt.ending is None and attempt.worker.is_alive():
                    ending = Ending(outcome=Outcome.FAILED, failure_class=FailureClass.INTERRUPTED, error=reason)
                    self._db.recovery.fence(attempt, ending)
            for worker in workers:
                # One with an attempt is killed by reaping, after its fence.
                if worker.attempt is None and worker.process.kill(signal.SIGKILL):
                    event(LOG, "worker_killed", level=logging.WARNING, worker=worker.worker_id, reason=reason)
        return any(w.process.is_alive() for w in workers) or any(a.status != "held" for a in attempts)
