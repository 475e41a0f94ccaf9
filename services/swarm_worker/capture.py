"""What a session wrote, twice: in bounded chunks for the database, and head and tail for reading its result."""

from __future__ import annotations

import os

from swarm_shared.store.output import Output

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
        """Decoded; a gap is marked on a line of its own."""
        gap = f"\n[… {self._lost} bytes left out …]\n".encode() if self._lost else b""
        return (bytes(self._head) + gap + bytes(self._tail)).decode("utf-8", "replace")


class Capture:
    """Reads two pipes without blocking and stores what came now and then."""

    def __init__(self, output: Output, *, limit_bytes: int) -> None:
        self.stdout, self.stderr = Kept(), Kept()
        self.total_bytes = 0
        self._output = output
        self._limit_bytes = limit_bytes
        self._waiting: list[tuple[int, bytes]] = []
        self._waiting_bytes = 0
        self._stored_bytes = 0
        self._waiting_since = 0.0

    @property
    def is_full(self) -> bool:
        """Whether reading must pause until the database takes what is here."""
        return self._waiting_bytes > HELD_BYTES

    def read(self, stream: int, descriptor: int, now: float) -> bool:
        """Take what one pipe holds; False at its end."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return True
        if not data:
            return False
        (self.stdout if stream == _STDOUT else self.stderr).add(data)
        self.total_bytes += len(data)
        if not self._waiting:
            self._waiting_since = now
        self._waiting.append((stream, data))
        self._waiting_bytes += len(data)
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
        if not self._waiting:
            return None
        if self._waiting_bytes >= FLUSH_BYTES:
            return 0.0
        return max(0.0, self._waiting_since + FLUSH_S - now)

    def flush(self, session: int) -> None:
        """Store what waits.

        Raises:
            DatabaseError: It still waits and can be tried again.
        """
        if self._waiting:
            self._stored_bytes = self._output.append(
                session, _joined(self._waiting), position=self._stored_bytes, limit_bytes=self._limit_bytes
            )
            self._waiting, self._waiting_bytes = [], 0


def _joined(pieces: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Neighbours of the same stream as one piece, so that a chatty session does not make a row per line."""
    joined: list[tuple[int, bytearray]] = []
    for stream, data in pieces:
        if joined and joined[-1][0] == stream and len(joined[-1][1]) < FLUSH_BYTES:
            joined[-1][1].extend(data)
        else:
            joined.append((stream, bytearray(data)))
    return [(stream, bytes(data)) for stream, data in joined]
