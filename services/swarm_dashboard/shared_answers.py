"""Answers that many open pages ask for at once, made once and kept as text: for a picture a second old is as new."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from swarm_shared.clock import Clock

FRESH_MS = 1_000
MAX_KEPT = 32


class SharedAnswers:
    """Keeps what was made for a moment; whoever asks meanwhile gets the same."""

    def __init__(self, clock: Clock, *, fresh_ms: int = FRESH_MS) -> None:
        self._clock = clock
        self._fresh_ms = fresh_ms
        self._guard = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, tuple[int, int, str]] = {}

    def get(self, key: Hashable, make: Callable[[], str], *, last: int, wanted: int) -> str:
        """The answer under a key, made now unless somebody did so within the last moment; an error is not kept.

        Args:
            last: The newest event, which an answer that is made now tells of.
            wanted: The event that the answer must tell of: who asks because of it may not get an older answer.
        """
        with self._guard:
            if len(self._kept) > MAX_KEPT:
                self._kept.clear()
                self._making.clear()
            making = self._making.setdefault(key, threading.Lock())
        with making:
            known = self._kept.get(key)
            now = self._clock.mono_ms()
            if known is not None and 0 <= now - known[0] < self._fresh_ms and known[1] >= wanted:
                return known[2]
            made = make()
            self._kept[key] = (self._clock.mono_ms(), last, made)
            return made
