"""Starts workers a few at a time, so that supervisord answers in between.

supervisord starts all processes that are due in one pass of its loop, and answers no request before the pass is over.
That takes minutes for hundreds of workers, because those that were started first compete with it for the processor.

Source: Supervisor 4.3, `Supervisor.runforever` and `Subprocess.transition`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from supervisor.states import ProcessStates

AT_ONCE = 8
# A pass in which nothing starts takes much less; the next one begins at the latest after a second.
BETWEEN_S = 0.05
_MAY_START = (ProcessStates.STOPPED, ProcessStates.EXITED, ProcessStates.BACKOFF)


class Turns:
    """Who may start in this pass. Shared by all processes that take turns."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._taken = 0
        self._last = now()

    def is_left(self) -> bool:
        """Whether one more may start."""
        if self._now() - self._last >= BETWEEN_S:
            self._taken = 0
        return self._taken < AT_ONCE

    def take(self) -> None:
        """One more has started just now."""
        self._taken += 1
        self._last = self._now()


def take_turns(process: Any, turns: Turns) -> None:
    """Let a process of supervisord start by itself only when it is its turn; a `start` by a user does not wait."""
    if "transition" in vars(process):
        return  # it does already
    transition: Callable[[], None] = process.transition

    def in_turn() -> None:
        before = process.pid
        waits = process.get_state() in _MAY_START
        if waits and not turns.is_left():
            return
        transition()
        if waits and process.pid != before:
            turns.take()

    process.transition = in_turn
