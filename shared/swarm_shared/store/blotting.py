"""A session's output with its secrets blotted out before anything is cut, so that no cut can show a half of one.

A blot is as long as what it covers, and line breaks stay: byte positions and line numbers are those of the output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from swarm_shared.sql import SQL
from swarm_shared.store.base import Family

# The control character "substitute", which means nothing on a page; whoever shows the text says what it stands for.
BLOTTED = "\x1a"
KEY_BYTES = 16 * 1024  # no key is longer
# The two ends of a key stand no further apart: between two reads of one pipe lies at most one of the other's.
REACH_BYTES = KEY_BYTES + 64 * 1024
SCAN_BYTES = 256 * 1024
PIECES_AT_ONCE = 16  # up to 64 KiB each
_BLOT = bytes(byte if byte in b"\r\n" else ord(BLOTTED) for byte in range(256))


class Secrets(Protocol):
    """Who knows a secret when it sees one."""

    def spans(self, data: bytes, *, at_end: bool) -> Iterable[tuple[int, int]]:
        """Where secrets stand in some bytes.

        Args:
            at_end: Nothing more is there yet: what begins like a secret and reaches the end is taken for one.
        """


@dataclass(slots=True, kw_only=True)
class Piece:
    """Consecutive output of one stream, as it is stored."""

    position: int
    stream: int  # 1 standard output, 2 standard error
    data: bytes

    @property
    def end(self) -> int:
        return self.position + len(self.data)


class BlottedOutput(Family):
    """Reads only."""

    def pieces(
        self, secrets: Secrets, session: int, start: int, *, matters: Callable[[bytes], bool] | None = None
    ) -> Iterator[Piece]:
        """The pieces that begin at byte `start` or behind it, in their order.

        Args:
            matters: Asked of a stretch as it was written: where it says no, nobody will see it and nothing is blotted.
        """
        before = {"session": session, "at": max(0, start - REACH_BYTES)}
        held: list[Piece] = []

        def blotted(*, at_end: bool) -> list[Piece]:
            if matters is None or matters(b"".join(piece.data for piece in held)):
                blot(held, secrets, at_end=at_end)
            return held

        for piece in self.stored(session, int(self._db.value(SQL["output_piece_at"], before) or 0)):
            if held and piece.position > held[-1].end:  # what was let go will never end what was begun
                yield from (one for one in blotted(at_end=True) if one.position >= start)
                held.clear()
            held.append(piece)
            if piece.end - held[0].position >= SCAN_BYTES:
                whole = sum(one.end <= piece.end - REACH_BYTES for one in held)
                yield from (one for one in blotted(at_end=False)[:whole] if one.position >= start)
                del held[:whole]
        yield from (one for one in blotted(at_end=True) if one.position >= start)

    def stored(self, session: int, start: int) -> Iterator[Piece]:
        """Such pieces as they were written, a few at a time in memory."""
        while rows := self._db.rows(SQL["read_output"], {"session": session, "from": start, "limit": PIECES_AT_ONCE}):
            for position, stream, _, data in rows:
                yield Piece(position=position, stream=stream, data=data)
            start = rows[-1][0] + 1


def blot(pieces: list[Piece], secrets: Secrets, *, at_end: bool) -> None:
    """Blot the secrets out of consecutive pieces, whichever of them they are spread over; each stream by itself."""
    for stream in {piece.stream for piece in pieces}:
        ours = [piece for piece in pieces if piece.stream == stream]
        data = bytearray().join(piece.data for piece in ours)
        size = len(data)
        for first, last in secrets.spans(bytes(data), at_end=at_end):
            # One that reaches the end may go on: it is seen again, in full, with what follows.
            if at_end or last < size:
                data[first:last] = data[first:last].translate(_BLOT)
        at = 0
        for piece in ours:
            piece.data = bytes(data[at : at + len(piece.data)])
            at += len(piece.data)
