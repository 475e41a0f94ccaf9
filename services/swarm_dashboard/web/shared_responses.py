"""Answers that many open pages ask for at once, made once and kept as text: for a picture a second old is as new."""

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
    last: int  # the newest event that it tells of
    text: str


class SharedAnswers:
    """Keeps what was made for a moment; whoever asks meanwhile gets the same."""

    def __init__(self, clock: Clock, *, most_share: float | None = None) -> None:
        """Keep nothing yet.

        Args:
            most_share: Of a core, what one answer may cost. While it would cost more, everybody gets the one that was
                made last, which must say of itself what the newest event is that it tells of.
        """
        self._clock = clock
        self._most_share = most_share
        self._guard = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._kept: dict[Hashable, _Kept] = {}

    def get(self, key: Hashable, make: Callable[[], str], *, last: int, wanted: int) -> str:
        """The answer under a key, made now unless somebody did so within the last moment; an error is not kept.

        Args:
            last: The newest event, which an answer that is made now tells of.
            wanted: The event that the answer must tell of, if it does not cost too much: who asks because of it may
                not get an older answer.
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
