"""What a signal to the run means: the first drains, the second stops everything now, the third kills."""

from __future__ import annotations

import signal
from collections.abc import Callable

from amplifier_swarm.start.queue_state import QueueState
from swarm_shared.carry_out import carry_out_now
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.domain.models import Verb
from swarm_shared.program.readable import cut
from swarm_shared.store.swarm.swarm import EMERGENCY_STOP

# Workers interrupt their own sessions when the graceful timeout is over; after this much longer we stop waiting for
# them.
DRAIN_MARGIN_S = 10.0
# Workers end their sessions within a second or two, and the reaper those of workers that do not after five.
EMERGENCY_PATIENCE_S = 12.0
NAMED = 5


class Stopping:
    """Turns signals into a stored drain or emergency stop, and decides how long to wait for it."""

    def __init__(self, database: TaskDatabase, *, graceful_timeout_s: float, say: Callable[[str], None]) -> None:
        self._db = database
        self._clock: Clock = database.clock
        self._graceful_timeout_s = graceful_timeout_s
        self._say = say
        self._asked = 0
        self._name = ""
        self._since_ms = 0
        self.out_of_patience = False

    def politely(self, number: signal.Signals) -> None:
        """A Ctrl+C, SIGTERM or a closed terminal."""
        self._asked += 1
        if self._asked == 1:
            self._order(Verb.DRAIN, number)
        elif self._asked == 2:
            self.now(number)
        else:
            self._say("killing everything that is left")
            self.out_of_patience = True

    def now(self, number: signal.Signals) -> None:
        """SIGUSR1, or a second Ctrl+C."""
        self._asked = max(self._asked, 2)
        self._say("emergency stop: all sessions end now; interrupted tasks can be started again")
        self._order(Verb.EMERGENCY_STOP, number)

    def follow(self, queue: QueueState) -> bool:
        """Keep the time of a stop, from any source, and clear it after a resume.

        Returns:
            Whether a harder stop was ordered: the queue is no longer true.
        """
        stop = queue.stop
        now_ms = self._clock.mono_ms()
        if stop is None:
            if self._name:
                self._asked, self._name = 0, ""
            return False
        if stop.name != self._name:
            self._name, self._since_ms = stop.name, now_ms
        waited_s = (now_ms - self._since_ms) / 1000
        if stop.name == EMERGENCY_STOP:
            self.out_of_patience |= waited_s > EMERGENCY_PATIENCE_S
        elif waited_s > self._graceful_timeout_s + DRAIN_MARGIN_S:
            self._say("the graceful timeout is over")
            self.now(signal.SIGTERM)
            return True
        return False

    def _order(self, verb: Verb, number: signal.Signals) -> None:
        try:
            carry_out_now(self._db, verb, "", {}, actor=f"{number.name} to start")
        except DatabaseError as error:
            if verb is Verb.DRAIN:
                self._asked = 0
                self._say(f"cannot store the drain: {error.message}; try again")
                return
            self._say(f"cannot store the emergency stop ({error.message}): ending all programs anyway")
            self.out_of_patience = True
            return
        if verb is Verb.DRAIN:
            self._say(f"draining: no new tasks start; {self._waiting()}; do it again to stop everything immediately")

    def _waiting(self) -> str:
        running = [cut(str(task["id"]), 60) for task in self._db.tasks.running()]
        if not running:
            return "nothing runs"
        more = f" and {len(running) - NAMED} more" if len(running) > NAMED else ""
        return f"waiting for {', '.join(running[:NAMED])}{more}, at most {self._graceful_timeout_s:g} s"
