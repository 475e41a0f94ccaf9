"""How often a worker checks the database for commits: the more workers, the less often each of them."""

from __future__ import annotations

import time
from collections.abc import Callable

from swarm_shared.domain.errors import DatabaseError

IDLE_POLL_S = 0.05  # from a commit to its notice by an idle worker, while there are few
BUSY_POLL_S = 0.1  # by one that runs a session
# By all workers together. Every heartbeat is a commit, and every worker that notices a commit reads the database:
# without this limit, CPU time would grow with the square of the number of workers.
MOST_POLLS_PER_S = 500
COUNT_EVERY_S = 5.0


class Pace:
    """The interval between two checks of one worker, by the number of workers that live."""

    def __init__(self, workers: Callable[[], int], *, now: Callable[[], float] = time.monotonic) -> None:
        """Start with the assumption that this worker is alone.

        Args:
            workers: Counts the workers that live; may raise DatabaseError, after which the last count is used.
            now: Monotonic seconds.
        """
        self._workers, self._now = workers, now
        self._count = 1
        self._next_count = now()

    def idle_s(self) -> float:
        """Seconds between two checks of an idle worker."""
        return max(IDLE_POLL_S, self._share_s())

    def busy_s(self) -> float:
        """Seconds between two checks of a worker that runs a session."""
        return max(BUSY_POLL_S, self._share_s())

    def _share_s(self) -> float:
        now = self._now()
        if now >= self._next_count:
            self._next_count = now + COUNT_EVERY_S
            try:
                self._count = self._workers()
            except DatabaseError:
                pass  # the loop reports it; a pace is no reason to stop
        return self._count / MOST_POLLS_PER_S
