"""A session's output as numbered lines: any stretch of them, and those that hold a text, however large it is.

Line numbers count what is kept. An index of line positions is built on the way, so that the millionth line is
read without the lines before it. Lines and byte positions are 0-based here; users are shown the line plus one.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from msgspec import Struct

from swarm_shared.domain.clock import Clock
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.records.output import Chunk, Output

MAX_LINE_BYTES = 4096  # of a longer line only the start is shown
MARK_EVERY_BYTES = 64 * 1024
MAX_HITS = 1000
_ESCAPES = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[@-_])")
# What goes wrong has many names; what only counts failures and finds none is no error.
_ERROR = re.compile(
    r"(?<![\w/.-])(?:[a-z]*error|[a-z]*exception|traceback|fatal|panic(?:ked)?|failed|failure)(?![\w/-])", re.IGNORECASE
)
_NO_ERROR = re.compile(r"\b(?:0|no|without|zero)\s+(?:error|exception|fail)\w*", re.IGNORECASE)


@dataclass(slots=True)
class LineIndex:
    """Line positions of one session, as far as its output was read; grows with it."""

    positions: list[int] = field(default_factory=list)  # where a piece begins
    breaks: list[int] = field(default_factory=list)  # line breaks before it
    end: int = 0  # the byte behind what was looked at
    ends: int = 0  # line breaks in all of it
    ends_whole: bool = True  # nothing follows the last line break
    gap: int = 0  # how far output had been dropped when it was read

    @property
    def lines(self) -> int:
        """How many lines there are; a last one without its line break counts."""
        return self.ends + (not self.ends_whole)


class LogLine(Struct, frozen=True, kw_only=True):
    """One line: its text, the stream that began it, and how many bytes of it are left out."""

    text: str
    stream: int = 1  # 1 standard output, 2 standard error
    cut_bytes: int = 0
    after_gap: bool = False  # output was dropped just before it


class Sought(Struct, frozen=True, kw_only=True):
    """What lines are looked for.

    Args:
        matches: Whether a line without escape sequences is one of them.
        signs: In lower case; where none of them occurs, no such line does.
    """

    matches: Callable[[str], bool]
    signs: tuple[bytes, ...] = ()

    def may_be_in(self, block: bytes) -> bool:
        """A quick look, so that most of a large output need not be taken apart."""
        if not self.signs:
            return True
        small = block.lower()
        return any(sign in small for sign in self.signs)


class Hits(Struct, frozen=True, kw_only=True):
    """Lines that match, and where to continue; `following` is None at the end of the output."""

    lines: list[int]
    following: int | None


class LogLines(DataAccess):
    """Reads only; each call is bounded by a moment of the monotonic clock."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._output = Output(connection, clock)

    def extend(self, session: int, index: LineIndex, *, lost_to: int, until_ms: int) -> bool:
        """Look at what was written since; whether the index has reached the end of the output.

        Args:
            lost_to: Where the dropped middle of the output ends at present, else 0: when it has moved, line numbers
                behind it have too, and the index starts again.
        """
        if lost_to != index.gap:
            index.positions, index.breaks = [], []
            index.end, index.ends, index.ends_whole, index.gap = 0, 0, True, lost_to
        for piece in self._output.pieces(session, index.end):
            position, data = piece.position, piece.data
            if not index.positions or position - index.positions[-1] >= MARK_EVERY_BYTES:
                index.positions.append(position)
                index.breaks.append(index.ends)
            index.ends += data.count(b"\n")
            index.ends_whole = data.endswith(b"\n")
            index.end = position + len(data)
            if self._clock.mono_ms() >= until_ms:
                return False
        return True

    def read(self, session: int, index: LineIndex, *, first: int, count: int) -> list[LogLine]:
        """Lines from the one numbered `first` on."""
        found: list[LogLine] = []
        before, position = self._mark_before(index, first)
        line = _Line()
        expected = position
        for piece in self._stored(session, position, upto=index.end):
            stream, data = piece.stream, piece.data
            after_gap, expected = piece.position > expected, piece.position + len(data)
            parts = data.split(b"\n")
            for place, part in enumerate(parts):
                if before >= first:
                    line.add(part, stream, after_gap=after_gap and place == 0)
                if place == len(parts) - 1:
                    break
                if before >= first:
                    found.append(line.done())
                    line = _Line()
                before += 1
                if len(found) >= count:
                    return found
        if line.begun:
            found.append(line.done())
        return found

    def find(self, session: int, index: LineIndex, sought: Sought, *, first: int, until_ms: int) -> Hits:
        """Numbers of the lines from `first` on that are looked for."""
        hits: list[int] = []
        number, position = self._mark_before(index, first)
        rest = b""
        for piece in self._stored(session, position, upto=index.end):
            block = _without_escapes(rest + piece.data)
            if sought.may_be_in(block):
                *whole, rest = block.split(b"\n")
                hits += [
                    place
                    for place, raw in enumerate(whole, start=number)
                    if place >= first and sought.matches(_plain(raw))
                ]
                number += len(whole)
            else:
                number += block.count(b"\n")
                rest = block[block.rfind(b"\n") + 1 :]
            is_late = number > first and self._clock.mono_ms() >= until_ms  # always a step further than before
            if len(hits) >= MAX_HITS or is_late:
                return Hits(lines=hits, following=number)
            rest = rest[-MAX_LINE_BYTES:]  # of an unfinished line only as much as is ever shown
        if rest and number >= first and sought.matches(_plain(rest)):
            hits.append(number)
        return Hits(lines=hits, following=None)

    def _mark_before(self, index: LineIndex, line: int) -> tuple[int, int]:
        """The last known place before a line begins: how many lines end before it, and its byte position."""
        place = bisect_left(index.breaks, line) - 1
        return (index.breaks[place], index.positions[place]) if place >= 0 else (0, 0)

    def _stored(self, session: int, start: int, *, upto: int) -> Iterator[Chunk]:
        return takewhile(lambda piece: piece.position < upto, self._output.pieces(session, start))


class _Line:
    """A line while it is put together: bounded, whatever was written without a line break."""

    __slots__ = ("after_gap", "begun", "returned", "size", "start", "stream")

    def __init__(self) -> None:
        self.start, self.size, self.stream = bytearray(), 0, 1
        self.begun = self.after_gap = False
        self.returned = False  # a carriage return came last: what follows draws the line again

    def add(self, part: bytes, stream: int, *, after_gap: bool) -> None:
        if not part and not after_gap:
            return
        self.after_gap = self.after_gap or after_gap
        if not self.begun:
            self.begun, self.stream = True, stream
        redrawn = part.rfind(b"\r", 0, len(part) - 1)
        if redrawn >= 0 or (self.returned and part):
            self.start.clear()
            self.size, part = 0, part[redrawn + 1 :]
        self.returned = part.endswith(b"\r")
        self.size += len(part)
        self.start += part[: MAX_LINE_BYTES - len(self.start)]

    def done(self) -> LogLine:
        text = self.start.decode(errors="replace").rstrip("\r")
        return LogLine(text=text, stream=self.stream, cut_bytes=self.size - len(self.start), after_gap=self.after_gap)


def holding(text: str) -> Sought:
    """Lines that hold a text, whatever its case."""
    wanted = text.casefold()
    signs = (wanted.encode(),) if wanted.isascii() else ()
    return Sought(matches=lambda line: wanted in line.casefold(), signs=signs)


def telling_errors() -> Sought:
    """Lines that read as if something had gone wrong."""
    signs = (b"error", b"exception", b"traceback", b"fatal", b"panic", b"fail")
    return Sought(matches=lambda line: _ERROR.search(line) is not None and _NO_ERROR.search(line) is None, signs=signs)


def _without_escapes(block: bytes) -> bytes:
    return _ESCAPES.sub(b"", block) if b"\x1b" in block else block


def _plain(raw: bytes) -> str:
    return raw[:MAX_LINE_BYTES].decode(errors="replace")
