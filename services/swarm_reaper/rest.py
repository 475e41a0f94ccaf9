"""Limits what rounds cost that commits start: a round reads every worker, and with many workers commits never cease."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST_SHARE = 0.2  # of a core


class Rest:
    """After a round, commits start the next one only once the last one's CPU time is a small share of the time."""

    def __init__(
        self,
        *,
        most_share: float = MOST_SHARE,
        now: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        """`now` and `cpu`: seconds; CPU time, so that a round that only waits is not followed by a long rest."""
        self._most_share, self._now, self._cpu = most_share, now, cpu
        self._until = 0.0

    @contextmanager
    def after(self) -> Iterator[None]:
        """Surrounds a round."""
        began, cpu = self._now(), self._cpu()
        try:
            yield
        finally:
            self._until = began + (self._cpu() - cpu) / self._most_share

    def is_over(self) -> bool:
        """Whether a commit may start a round again."""
        return self._now() >= self._until
