"""Responses that many pages request at once, computed once and cached as text: a second-old chart is new enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable

from msgspec import Struct

from swarm_shared.domain.clock import Clock

FRESH_MS = 1_000
LONGEST_MS = 5_000  # however long it took: a machine that is busy with agents takes its time
MAX_KEPT = 32


class _Kept(Struct, frozen=True, kw_only=True):
    made_at: int
    took_ms: int
    last: int  # the newest event that it includes
    text: str


class SharedAnswers:
    """Caches a response for a moment, for all requests in that time."""

    def __init__(self, clock: Clock, *, most_share: float | None = None) -> None:
        """Keep nothing yet.

        Args:
            most_share: The share of a core that one response may cost. While it would cost more, all get the last
            response, which must state the newest event that it includes.
        """
        self._clock = clock
        self._most_share = most_share
        self._guard = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, _Kept] = {}

    def get(self, key: Hashable, make: Callable[[], str], *, last: int, wanted: int) -> str:
        """The response for a key, computed now unless it was computed a moment ago; errors are not cached.

        Args:
            last: The newest event, which a response that is computed now includes.
            wanted: The event that the response must include, unless it costs too much: a request caused by it must not
            get an older response.
        """
        with self._guard:
            if len(self._kept) > MAX_KEPT:
                self._kept.clear()
                self._making.clear()
            making = self._making.setdefault(key, threading.Lock())
        with making:
            known = self._kept.get(key)
            began = self._clock.mono_ms()
            if known is not None and self._serves(known, began, wanted):
                return known.text
            text = make()
            ended = self._clock.mono_ms()
            self._kept[key] = _Kept(made_at=ended, took_ms=ended - began, last=last, text=text)
            return text

    def _serves(self, known: _Kept, now: int, wanted: int) -> bool:
        age_ms = now - known.made_at
        if self._most_share is not None and 0 <= age_ms < min(known.took_ms / self._most_share, LONGEST_MS):
            return True
        return 0 <= age_ms < FRESH_MS and known.last >= wanted
