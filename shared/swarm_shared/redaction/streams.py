"""Redacts output while it arrives, in whatever pieces it was written."""

from __future__ import annotations

from swarm_shared.redaction.blocks import open_block
from swarm_shared.redaction.context import unfinished_in
from swarm_shared.redaction.names import open_scalar
from swarm_shared.redaction.redaction import Redaction
from swarm_shared.redaction.spans import REACH_BYTES, replaced

HELD_BYTES = 64 * 1024  # a longer line is decided in parts
QUIET_S = 1.0  # a line without new output for so long is shown as far as it is decided


class RedactedStream:
    """One stream of one process. What is undecided is held back: a line without its end, a key without its end."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._held = bytearray()
        self._newest_at = 0.0
        self._is_new = False

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, data: bytes, now: float) -> None:
        self._held += data
        self._newest_at, self._is_new = now, True

    def due_at(self) -> float | None:
        """When more may be decided without more output; None when nothing is held."""
        return self._newest_at + QUIET_S if self._held and self._is_new else None

    def take(self, now: float) -> bytes:
        """What is decided by now."""
        is_quiet = now >= self._newest_at + QUIET_S
        if not self._held or not self._is_new:
            return b""
        data = bytes(self._held)
        cut = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if cut == 0 and not is_quiet and len(data) <= HELD_BYTES:
            return b""
        self._is_new = not is_quiet
        if len(data) - cut > HELD_BYTES:
            cut = len(data) - REACH_BYTES
        elif is_quiet:
            cut += _decided(data[cut:])
        return self._released(data, cut)

    def finish(self) -> bytes:
        """All that is left."""
        data, self._held = bytes(self._held), bytearray()
        return self._redaction.bytes(data)

    def _released(self, data: bytes, cut: int) -> bytes:
        spans = self._redaction.spans(data)
        for begun in (open_block(data), open_scalar(data[:cut]), self._redaction.known.begun(data)):
            if begun is not None:
                cut = min(cut, begun)
        # Of what lies across the cut nothing is decided.
        for span in sorted(spans, reverse=True):
            if span.context < cut < span.end:
                cut = span.context
        if cut == 0 and len(data) > HELD_BYTES + REACH_BYTES:
            cut = len(data)  # nothing that is known is so long
        del self._held[:cut]
        return replaced(data[:cut], [span for span in spans if span.end <= cut])


def _decided(line: bytes) -> int:
    """How much of a line without its end cannot belong to a secret that continues."""
    word = max(line.rfind(b" "), line.rfind(b"\t")) + 1
    begun = unfinished_in(line)
    return word if begun is None else min(word, begun)
