"""Delivers signals to children between fork and exec: they end the child instead of being lost."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

# Those that supervisord handles and with which programs are stopped.
ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def hear_signals_from_birth(options: Any) -> None:
    """Change how this supervisord forks.

    Until its exec, a child has supervisord's signal handlers, which only record a signal for a loop that the child
    never runs. Stopping a program right after its start would then take until supervisord's SIGKILL, minutes for a
    worker.
    """
    options.fork = _heard_from_birth(options.fork)


def _heard_from_birth(fork: Callable[[], int]) -> Callable[[], int]:
    def forked() -> int:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            pid = fork()
            if pid == 0:
                for number in ENDING:
                    signal.signal(number, signal.SIG_DFL)
            return pid
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return forked
