"""Logs of all programs: one event per line on standard error, which supervisord keeps in files.

2026-05-01T09:30:00.123Z INFO task_claimed task=2.6.1.a attempt=1 worker=worker-2
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time

from swarm_shared.domain.clock import iso

_PLAIN = re.compile(r"[^\s\"=\\\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x7f-\x9f\u2028\u2029]")
_HANDLER = logging.StreamHandler()


def configure(*, verbose: bool = False) -> None:
    """Send what is logged to standard error: from INFO on, or everything when verbose. Calling it again is fine."""
    _HANDLER.stream = sys.stderr or open(os.devnull, "w")  # noqa: SIM115  # who started us has closed it
    _HANDLER.setFormatter(_OneLine())
    root = logging.getLogger()
    root.handlers[:] = [_HANDLER]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)


def event(logger: logging.Logger, name: str, *, level: int = logging.INFO, **facts: object) -> None:
    """Log that something happened; facts that are None are left out.

    Args:
        name: In the past tense, equal to the name in the execution log if there is one: `task_claimed`.
    """
    if not logger.isEnabledFor(level):
        return
    text = line(name, **facts)
    if logging.root.handlers != [_HANDLER]:
        logger.handle(logger.makeRecord(logger.name, level, "", 0, text, (), None))
        return
    # What our handler does with a record, without making one: a worker logs with every task.
    # One write of a whole line, which standard error passes on by itself; our handler has no level and no filters.
    try:
        _HANDLER.stream.write(f"{_head(time.time(), logging.getLevelName(level))}{text}\n")
    except (OSError, ValueError):
        return  # a log that cannot be written stops nothing


def line(name: str, **facts: object) -> str:
    """An event on one line: `name key=value …`; a value with blanks, quotes or controls is written as a JSON string."""
    return " ".join([name, *(f"{key}={_value(value)}" for key, value in facts.items() if value is not None)])


def _value(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    if _PLAIN.fullmatch(text):
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)


class _OneLine(logging.Formatter):
    """UTC with milliseconds; only a traceback, which is a bug, takes more than one line."""

    def format(self, record: logging.LogRecord) -> str:
        head = _head(record.created, record.levelname)
        if record.exc_info:
            return head + super().format(record)
        return head + " ".join(record.getMessage().splitlines())


def _head(created_s: float, level: str) -> str:
    return f"{iso(int(created_s * 1000))} {level} "
