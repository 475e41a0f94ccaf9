"""Where a secret is, and how it is replaced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

REDACTED = b"[redacted]"  # plain ASCII without quotes or backslashes: valid within any JSON string, URL and shell word
REACH_BYTES = 16 * 1024  # no secret with what identifies it is longer


class Span(NamedTuple):
    """A secret from `start` to `end`, recognized by what begins at `context`."""

    context: int
    start: int
    end: int


def replaced(data: bytes, spans: Iterable[Span]) -> bytes:
    """The data with every span replaced; overlapping ones become one."""
    parts: list[bytes] = []
    done = 0
    for _, start, end in sorted(spans, key=lambda span: (span.start, -span.end)):
        if start >= done:
            parts += data[done:start], REDACTED
        done = max(done, end)
    return b"".join((*parts, data[done:])) if parts else data
