"""Session output: appended in chunks, bounded per session, read back in order."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL

PIECES_AT_ONCE = 16  # up to 64 KiB each
HEAD_SHARE = 0.25  # the first quarter is kept, then the last three; the middle is dropped


class Chunk(Struct, frozen=True, kw_only=True):
    """A piece of a session's output."""

    position: int  # bytes written by the session before this piece
    stream: int  # 1 standard output, 2 standard error
    at: int
    data: bytes


class Output(DataAccess):
    """Appending and reading; a session's writer keeps its own byte count."""

    def append(self, session: int, pieces: list[tuple[int, bytes]], *, position: int, limit_bytes: int) -> int:
        """Store pieces `(stream, data)` in order from byte `position`; the position after them.

        Keeps the first quarter of `limit_bytes` and the last three; the gap is marked on the session and logged once.
        """
        wall = self._clock.wall_ms()
        head_end = int(limit_bytes * HEAD_SHARE)
        before = position
        rows = []
        for stream, data in pieces:
            rows.append({"session": session, "position": position, "stream": stream, "wall": wall, "data": data})
            position += len(data)
        with self._db.transaction(durable=False):
            self._db.change_many(SQL["add_output"], rows)
            if position > limit_bytes:
                tail_start = position - (limit_bytes - head_end)
                self._db.change(SQL["drop_output_between"], {"session": session, "first": head_end, "last": tail_start})
                self._db.change(
                    SQL["mark_output_lost"],
                    {
                        "session": session,
                        "lost_from": head_end,
                        "lost_to": tail_start,
                        "output_bytes": position,
                    },
                )
                if before <= limit_bytes:
                    self._record_loss(session, limit_bytes)
        return position

    def read(self, session: int, *, start: int = 0, limit: int = 256) -> list[Chunk]:
        """Up to `limit` pieces from byte position `start` on."""
        rows = self._db.rows(SQL["read_output"], {"session": session, "from": start, "limit": limit})
        return [Chunk(position=p, stream=s, at=a, data=bytes(d)) for p, s, a, d in rows]

    def pieces(self, session: int, start: int) -> Iterator[Chunk]:
        """Those that begin at byte position `start` or after it, a few at a time in memory."""
        while read := self.read(session, start=start, limit=PIECES_AT_ONCE):
            yield from read
            start = read[-1].position + 1

    def trim_completed(self, *, before: int, limit: int) -> bool:
        """Drop up to `limit` pieces of tasks completed before the wall time `before`; whether there may be more."""
        with self._db.transaction(durable=False):
            return self._db.change(SQL["trim_output"], {"before": before, "limit": limit}) == limit

    def _record_loss(self, session: int, limit_bytes: int) -> None:
        row = self._db.row(SQL["owner_of_session"], {"session": session})
        if row is not None:
            task, task_id, attempt, worker_id = row
            self._event(
                "output_lost",
                f"more than {limit_bytes} bytes of output: the middle is dropped",
                task=task,
                task_id=task_id,
                attempt=attempt,
                worker_id=worker_id,
            )
