"""A session's output without secrets: in bounded chunks for the database, and head and tail for its result."""

from __future__ import annotations

import os

from swarm_shared.redaction.redaction import Redaction
from swarm_shared.redaction.streams import RedactedStream
from swarm_shared.store.records.output import Output

READ_BYTES = 1 << 16
FLUSH_BYTES = 1 << 16
FLUSH_S = 0.25
HELD_BYTES = 4 << 20  # more than this unwritten, and the session must wait: its pipe fills
HEAD_BYTES = 256 << 10
TAIL_BYTES = 2 << 20
_STDOUT, _STDERR = 1, 2


class Kept:
    """The beginning and the end of a stream that may be endless."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._lost = 0

    def add(self, data: bytes) -> None:
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        over = len(self._tail) - TAIL_BYTES
        if over > TAIL_BYTES // 2:  # rarely and in large pieces: cutting costs a copy
            del self._tail[:over]
            self._lost += over

    def text(self) -> str:
        """Decoded; a gap is marked on a separate line."""
        gap = f"\n[… {self._lost} bytes left out …]\n".encode() if self._lost else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "replace")


class Capture:
    """Reads two pipes without blocking, redacts the output, and stores it periodically."""

    def __init__(self, output: Output, *, redaction: Redaction, limit_bytes: int) -> None:
        self.stdout, self.stderr = Kept(), Kept()
        self.total_bytes = 0  # written by the session
        self.stored_bytes = 0  # of these, in the database; redacted ones count as they are stored
        self._output = output
        self._limit_bytes = limit_bytes
        self._streams = {_STDOUT: RedactedStream(redaction), _STDERR: RedactedStream(redaction)}
        self._newest = _STDOUT
        self._undecided_bytes = 0  # read since it was last asked what is decided
        self._decided: list[tuple[int, bytes]] = []
        self._decided_bytes = 0
        self._waiting_since: float | None = None

    @property
    def is_full(self) -> bool:
        """Whether reading must pause until the database takes what is here."""
        return self._undecided_bytes + self._decided_bytes > HELD_BYTES

    def read(self, stream: int, descriptor: int, now: float) -> bool:
        """Take what one pipe holds; False at its end."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        if stream != self._newest:
            self._decide(self._newest, now)  # so that the two streams keep their order
            self._newest = stream
        self._streams[stream].feed(data, now)
        self.total_bytes += len(data)
        self._undecided_bytes += len(data)
        if self._waiting_since is None:
            self._waiting_since = now
        return True

    def drain(self, stream: int, descriptor: int, now: float) -> None:
        """Take everything that is in a pipe now; a background process that holds it open is not waited for."""
        before = -1
        while before != self.total_bytes:
            before = self.total_bytes
            if not self.read(stream, descriptor, now):
                return

    def flush_due_in(self, now: float) -> float | None:
        """Seconds until `flush` is worth a commit; None when nothing waits."""
        if self._undecided_bytes + self._decided_bytes >= FLUSH_BYTES:
            return 0.0
        moments = [stream.due_at() for stream in self._streams.values()]
        if self._waiting_since is not None:
            moments.append(self._waiting_since + FLUSH_S)
        due = min((moment for moment in moments if moment is not None), default=None)
        return None if due is None else max(0.0, due - now)

    def flush(self, session: int, now: float) -> None:
        """Store what is decided.

        Raises:
            DatabaseError: It still waits and can be tried again.
        """
        for stream in self._streams:
            self._decide(stream, now)
        self._undecided_bytes = 0
        self._store(session)

    def finish(self, session: int) -> None:
        """Store all that is left: nothing follows.

        Raises:
            DatabaseError: It still waits and can be tried again.
        """
        for stream, held in self._streams.items():
            self._keep(stream, held.finish())
        self._undecided_bytes = 0
        self._store(session)

    def _decide(self, stream: int, now: float) -> None:
        self._keep(stream, self._streams[stream].take(now))

    def _keep(self, stream: int, data: bytes) -> None:
        if data:
            (self.stdout if stream == _STDOUT else self.stderr).add(data)
            self._decided.append((stream, data))
            self._decided_bytes += len(data)

    def _store(self, session: int) -> None:
        if self._decided:
            self.stored_bytes = self._output.append(
                session, _joined(self._decided), position=self.stored_bytes, limit_bytes=self._limit_bytes
            )
            self._decided, self._decided_bytes = [], 0
        self._waiting_since = None


def _joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Neighbours of the same stream as one piece, so that a chatty session does not make a row per line; long ones in
    several, so that little is dropped at a time."""
    joined: list[tuple[int, bytearray]] = []
    for stream, data in pieces:
        if joined and joined[-1][0] == stream:
            joined[-1][1].extend(data)
        else:
            joined.append((stream, bytearray(data)))
    return [
        (stream, bytes(data[start : start + FLUSH_BYTES]))
        for stream, data in joined
        for start in range(0, len(data), FLUSH_BYTES)
    ]
