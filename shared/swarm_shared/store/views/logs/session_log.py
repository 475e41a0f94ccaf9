"""Reads session output for display: pieces of text from any byte on, and the last line of running sessions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import Any

from msgspec import Struct

from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import NotFound
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.records.output import Output
from swarm_shared.store.sql import SQL

MAX_LINE_CHARS = 240
LAST_LINE_BYTES = 8192
LAST_PIECES = 64
LOG_PIECES = 512
# Escape sequences (colours, titles, cursor moves) and other controls mean nothing in one line of text.
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


class LogPiece(Struct, frozen=True, kw_only=True):
    """Consecutive output of one stream, from byte position `start` to `end`."""

    start: int
    end: int
    stream: int  # 1 standard output, 2 standard error
    text: str


class SessionLog(DataAccess):
    """Reads only; secrets were redacted before it was stored."""

    def sessions(self, attempt: str, *, limit: int) -> list[dict[str, Any]]:
        """The newest sessions of an attempt in order, without their prompts."""
        rows = self._db.dicts(SQL["sessions_shown"], {"attempt": attempt, "limit": limit})
        return [
            row | {"started_at": iso(row["started_at"]), "ended_at": iso(row["ended_at"])} for row in reversed(rows)
        ]

    def attempt(self, task_id: str, number: int) -> str:
        """The id of an attempt.

        Raises:
            NotFound: No such task or attempt.
        """
        row = self._db.row(SQL["attempt_numbered"], {"id": task_id, "number": number})
        if row is None:
            raise NotFound(f"task {task_id!r} has no attempt {number}")
        return str(row[0])

    def session(self, attempt: str, session: int) -> dict[str, Any] | None:
        """What bounds a session's output: `ended_at` (ms), `lost_from` and `lost_to`; None if it is not of it."""
        rows = self._db.dicts(SQL["session_bounds"], {"attempt": attempt, "session": session})
        return rows[0] if rows else None

    def last_line(self, attempt: str) -> str:
        """The last line with anything in it that an attempt's newest session wrote, without escape sequences."""
        rows = self._db.rows(SQL["last_pieces"], {"attempt": attempt, "bytes": LAST_LINE_BYTES, "limit": LAST_PIECES})
        written = b"".join(data[-LAST_LINE_BYTES:] for _, _, data in reversed(rows))
        text = _ESCAPES.sub("", written[-LAST_LINE_BYTES:].decode(errors="replace"))
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines[-1][:MAX_LINE_CHARS] if lines else ""

    def read(self, session: int, *, start: int, limit_bytes: int) -> tuple[list[LogPiece], int]:
        """A session's output from byte position `start`, counted from the end when negative, and where to continue.

        A character that is not yet whole at the end is left for the next call.
        """
        end = int(self._db.value(SQL["output_end"], {"session": session}) or 0)
        if start < 0:
            start = max(0, end + start)
        first = self._db.value(SQL["output_piece_at"], {"session": session, "at": start})
        pieces: list[_Raw] = []
        taken = 0
        stored = Output(self._db, self._clock).pieces(session, start if first is None else first)
        for piece in islice(stored, LOG_PIECES):
            begin = max(piece.position, start)
            chunk = piece.data[begin - piece.position :][: limit_bytes - taken]
            if not chunk:
                continue
            taken += len(chunk)
            _join(pieces, begin, piece.stream, chunk)
            if taken >= limit_bytes:
                break
        return _finished(pieces, start)


@dataclass(slots=True, kw_only=True)
class _Raw:
    """A log piece while it grows, not yet decoded."""

    start: int
    stream: int
    data: bytearray

    @property
    def end(self) -> int:
        return self.start + len(self.data)


def _join(pieces: list[_Raw], begin: int, stream: int, chunk: bytes) -> None:
    """Append a chunk, to the last piece where it follows on in the same stream, so that characters stay whole."""
    if pieces and pieces[-1].stream == stream and pieces[-1].end == begin:
        pieces[-1].data += chunk
        return
    pieces.append(_Raw(start=begin, stream=stream, data=bytearray(chunk)))


def _finished(pieces: list[_Raw], start: int) -> tuple[list[LogPiece], int]:
    if pieces:
        last = pieces[-1].data
        del last[len(last) - _unfinished_bytes(last) :]
    whole = [
        LogPiece(start=raw.start, end=raw.end, stream=raw.stream, text=raw.data.decode(errors="replace"))
        for raw in pieces
        if raw.data
    ]
    return whole, whole[-1].end if whole else start


def _unfinished_bytes(data: bytearray) -> int:
    """How many bytes at the end begin a UTF-8 character that is not whole yet; 0 to 3."""
    for back in range(1, min(3, len(data)) + 1):
        byte = data[-back]
        if byte & 0b1100_0000 == 0b1000_0000:
            continue
        length = 2 if byte >> 5 == 0b110 else 3 if byte >> 4 == 0b1110 else 4 if byte >> 3 == 0b11110 else 1
        return back if length > back else 0
    return 0
