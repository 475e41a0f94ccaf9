"""How long something has looked wrong without interruption, counting only time in which a recovery would have been
seen.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from swarm_shared.domain.clock import Clock

# A judge polls at least once a second; a longer gap means that the machine or the judge itself was not running.
BREAK_MS = 3_000


class Patience:
    """Memory of suspicions from round to round.

    After a sleep of the machine, a paused virtual machine, or a writer that held up everyone, all signs of life look
    old at once. So a suspicion counts only after it has lasted for a while in which the judge was awake and the
    database took writes: every live process had the same time to show it.
    """

    def __init__(self, clock: Clock, takes_writes: Callable[[], bool]) -> None:
        """Start without suspicions.

        Args:
            takes_writes: Whether the write lock can be had now, so that a sign of life could be written.
        """
        self._clock = clock
        self._takes_writes = takes_writes
        self._since: dict[Hashable, int] = {}
        self._asked: set[Hashable] = set()
        self._writable: bool | None = None
        self._round_at: int | None = None

    def begin_round(self) -> None:
        """Forget what was not checked in the last round, and everything after a break."""
        now = self._clock.mono_ms()
        if self._round_at is not None and now - self._round_at > BREAK_MS:
            self._since.clear()
        self._since = {key: since for key, since in self._since.items() if key in self._asked}
        self._asked.clear()
        self._round_at = now
        self._writable = None

    def is_over(self, suspicion: Hashable, *, after_ms: int) -> bool:
        """Whether the suspicion, true again in this round, has lasted so long; at once for 0."""
        if after_ms <= 0:
            return True
        if self._writable is None:
            self._writable = self._takes_writes()
        if not self._writable:
            self._since.clear()
            return False
        self._asked.add(suspicion)
        now = self._clock.mono_ms()
        return now - self._since.setdefault(suspicion, now) >= after_ms
