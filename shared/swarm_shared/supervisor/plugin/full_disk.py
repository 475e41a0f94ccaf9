"""Lets supervisord live through a full disk: its logs lose lines then, and continue when there is room again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from supervisor import loggers

_FAILURES = (OSError, ValueError)  # ValueError: the stream of a rollover that failed is closed


def survive_full_disk() -> None:
    """Change supervisord's log handlers for this process.

    As they are, a line that cannot be written is reported on standard error, which is mostly on the same disk; the
    error that this raises is logged again, and ends supervisord with everything that it runs.
    """
    loggers.Handler.handleError = _drop_line
    loggers.Handler.close = _closed_anyway(loggers.Handler.close)
    loggers.RotatingFileHandler.doRollover = _rolled_over_later(loggers.RotatingFileHandler.doRollover)


def _drop_line(handler: Any) -> None:
    """Where else could it be written?"""


def _closed_anyway(close: Callable[[Any], None]) -> Callable[[Any], None]:
    def closed(handler: Any) -> None:
        try:
            close(handler)
        except _FAILURES:
            handler.closed = True  # what was buffered is lost; the descriptor is closed anyway

    return closed


def _rolled_over_later(roll_over: Callable[[Any], None]) -> Callable[[Any], None]:
    def rolled_over(handler: Any) -> None:
        try:
            roll_over(handler)
        except _FAILURES:
            if handler.stream.closed:
                with suppress(OSError):  # tried again with the next line
                    handler.stream = open(handler.baseFilename, handler.mode)  # noqa: SIM115

    return rolled_over
