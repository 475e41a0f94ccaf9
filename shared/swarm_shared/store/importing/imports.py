"""Imports checked tasks into the queue: an atomic merge that never holds the write lock for long.

A large import is staged first, invisible, in short transactions, then published in order. A crash while staging
leaves nothing visible; one while publishing is rolled forward by the next process to open it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from msgspec import Struct

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError, StateError
from swarm_shared.domain.models import TaskSpec
from swarm_shared.processes import file_lock
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess, from_json, to_json
from swarm_shared.store.importing.import_plan import Planning
from swarm_shared.store.importing.writing import Writing
from swarm_shared.store.sql import SQL

AT_ONCE_ROWS = 2_000  # an import up to this size is one transaction
BATCH_MS = 40  # a longer one gives the write lock back this often
ROWS_BETWEEN_CHECKS = 50
GIVE_WAY_S = 0.003  # longer than a waiting writer sleeps between two tries
READ_BATCH_ROWS = 2_000
_AGAIN = "import again"

Progress = Callable[[int, int], None]


class ImportResult(Struct, frozen=True, kw_only=True):
    """What an import did, in the shape of its JSON answer."""

    total: int
    imported: int
    updated: int
    unchanged: int
    skipped: int
    reasons: tuple[str, ...] = ()  # why tasks were left as they are, a line each

    def in_words(self) -> str:
        return (
            f"imported {self.imported} of {self.total} tasks "
            f"({self.updated} updated, {self.unchanged} unchanged, {self.skipped} skipped)"
        )

    def shown(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "imported": self.imported,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "skipped": self.skipped,
        }


class Answers(Struct, frozen=True, kw_only=True):
    """The open request that an import carries out, and who does."""

    control: int
    by: str


class Imports(DataAccess):
    """The operations of `import-tasks`, and the cleanup after an import that died."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._writing = Writing(connection, clock)

    def known_ids(self) -> set[str]:
        """Ids already in the queue, which dependencies of a new file may name."""
        return {row[0] for row in self._db.rows(SQL["known_ids"])}

    def source_paths(self) -> set[str]:
        """The paths of the plans that tasks came from, relative to the project root or absolute."""
        return {row[0] for row in self._db.rows(SQL["source_paths"])}

    @contextmanager
    def alone(self, *, wait: bool) -> Iterator[bool]:
        """Let no other process change definitions meanwhile; the value says whether that is granted.

        What is planned must still be true when it is written, and two imports of one file must not both find its
        tasks to be new. What an import that died has left is cleared up first.

        Args:
            wait: Wait for the other process, however long; else give up at once.
        """
        with self._lock(wait=wait) as taken:
            if taken:
                self._finish_interrupted()
            yield taken

    def clear_up(self) -> int:
        """Clear up after imports that died, unless definitions are being changed right now; how many there were."""
        with self._lock(wait=False) as taken:
            return self._finish_interrupted() if taken else 0

    def _lock(self, *, wait: bool) -> AbstractContextManager[bool]:
        return file_lock.alone(self._state_dir / "import.lock", wait=wait)

    def run(
        self,
        specs: Sequence[TaskSpec],
        *,
        source: str,
        actor: str,
        clear: bool = False,
        force: bool = False,
        dry_run: bool = False,
        gone: Container[str] = frozenset(),
        progress: Progress | None = None,
    ) -> ImportResult:
        """Merge checked tasks into the queue; waits while another process does that.

        Args:
            specs: Tasks of one or several files, without duplicates among them.
            clear: Replace the queue: everything that is there now is deleted first.
            force: Clear even while tasks run; their agents are stopped when they notice.
            gone: Paths of sources (`source_paths`) that no longer exist: a plan may have been renamed.
            progress: Called with (rows written, total rows) from time to time.
        Raises:
            StateError: `clear` while tasks run.
            InputError: A dependency leads nowhere or in a circle through tasks of the queue.
        """
        with self.alone(wait=True):
            return self._run(
                specs, source, actor, clear=clear, force=force, dry_run=dry_run, gone=gone, progress=progress
            )

    def carry_out(self, specs: Sequence[TaskSpec], *, source: str, actor: str, answers: Answers) -> bool:
        """As `run`, for a request: its outcome is stored in the transaction that makes the last task visible.

        Returns:
            False when the request has an outcome already; then nothing is imported.
        """
        with self.alone(wait=True):
            # An import that died may just have been completed, with the outcome of its request.
            if self._db.row(SQL["control_is_pending"], {"id": answers.control}) is None:
                return False
            how: dict[str, Any] = {"clear": False, "force": False, "dry_run": False, "progress": None}
            self._run(specs, source, actor, **how, answers=answers)
            return True

    def _run(
        self,
        specs: Sequence[TaskSpec],
        source: str,
        actor: str,
        *,
        clear: bool,
        force: bool,
        dry_run: bool,
        progress: Progress | None,
        gone: Container[str] = frozenset(),
        answers: Answers | None = None,
    ) -> ImportResult:
        if clear and not force and (running := self._db.value(SQL["any_running"])):
            raise StateError(
                f"task {running} is running: --clear would remove it while its agent works on it",
                hint="wait, or stop the swarm first; --force clears the queue anyway",
            )
        plan = Planning(self._db, self._clock).plan(specs, clear=clear, gone=gone)
        result = ImportResult(
            total=len(specs),
            imported=plan.imported,
            updated=plan.updated,
            unchanged=plan.unchanged,
            skipped=len(plan.reasons),
            reasons=tuple(plan.reasons),
        )
        if dry_run:
            return result
        steps = plan.rows + plan.links
        if clear:
            steps.insert(0, {"kind": "clear", "upto": int(self._db.value(SQL["last_seq"]))})
        if answers is not None:
            row = {"id": answers.control, "status": "done", "handled_by": answers.by, "result": result.in_words()}
            steps.append({"kind": "answer", "row": row})
        summary = f"{result.imported} new, {result.updated} updated, {result.skipped} skipped from {source}"
        if len(steps) <= AT_ONCE_ROWS and not clear:
            self._at_once(steps, summary)
        else:
            self._staged(steps, source=source, actor=actor, clear=clear, summary=summary, progress=progress)
        return result

    def _finish_interrupted(self) -> int:
        """Remove imports that ended while staging, and complete half-published ones; how many.

        Only for the holder of the lock: no import is running then, so whatever is unfinished was interrupted, even
        if its process is alive.
        """
        unfinished = self._db.rows(SQL["unfinished_imports"])
        for row_id, state in unfinished:
            if state == "publishing":
                self._publish(row_id, None, 0)
            else:
                self._abandon(row_id)
        return len(unfinished)

    # ───── writing ─────

    def _at_once(self, steps: list[dict[str, Any]], summary: str) -> None:
        with self._db.transaction():
            for step in steps:
                self._writing.apply(step)
            self._event("imported", summary)

    def _staged(
        self,
        steps: list[dict[str, Any]],
        *,
        source: str,
        actor: str,
        clear: bool,
        summary: str,
        progress: Progress | None,
    ) -> None:
        import_id = self._open(source, actor, clear)
        try:
            self._stage(import_id, steps, progress)
        except BaseException:
            self._abandon(import_id)
            raise
        with self._db.transaction():
            if not self._move(import_id, "staging", "publishing", summary):
                raise DatabaseError("this import was removed while it was running: nothing was imported", hint=_AGAIN)
        self._publish(import_id, progress, len(steps))

    def _open(self, source: str, actor: str, clear: bool) -> int:
        mine = ProcessId.mine()
        with self._db.transaction():
            self._db.change(
                SQL["open_import"],
                {
                    "wall": self._clock.wall_ms(),
                    "actor": actor,
                    "source": source,
                    "clear": int(clear),
                    **mine.columns(),
                },
            )
            return self._db.last_id()

    def _stage(self, import_id: int, steps: list[dict[str, Any]], progress: Progress | None) -> None:
        done = 0
        while done < len(steps):
            until = self._clock.mono_ms() + BATCH_MS
            # Nothing here is acknowledged before the publishing is, which syncs.
            with self._db.transaction(durable=False):
                while done < len(steps):
                    piece = steps[done : done + ROWS_BETWEEN_CHECKS]
                    self._db.change_many(
                        SQL["stage"],
                        [
                            {"import": import_id, "position": done + n, "body": to_json(step)}
                            for n, step in enumerate(piece)
                        ],
                    )
                    done += len(piece)
                    if self._clock.mono_ms() >= until:
                        break
            if progress:
                progress(done, 2 * len(steps))
            time.sleep(GIVE_WAY_S)

    def _publish(self, import_id: int, progress: Progress | None, total: int) -> None:
        while True:
            until = self._clock.mono_ms() + BATCH_MS
            with self._db.transaction(durable=False):
                rows = self._db.rows(SQL["staged_rows"], {"import": import_id, "after": -1, "limit": READ_BATCH_ROWS})
                last = None
                for position, body in rows:
                    if not self._writing.apply(from_json(body)):
                        break  # a clear that has more to delete stays in front
                    last = position
                    if position % ROWS_BETWEEN_CHECKS == 0 and self._clock.mono_ms() >= until:
                        break
                if last is not None:
                    self._db.change(SQL["drop_staged"], {"import": import_id, "upto": last})
            if not rows:
                break
            if progress and last is not None:
                progress(total + last + 1, 2 * total)
            time.sleep(GIVE_WAY_S)
        with self._db.transaction():
            summary = self._db.value(SQL["import_summary"], {"import": import_id})
            if not self._move(import_id, "publishing", "done"):
                raise DatabaseError("this import was ended while it was running: tasks may be missing", hint=_AGAIN)
            self._event("imported", str(summary or ""))

    def _abandon(self, import_id: int) -> None:
        with self._db.transaction():
            if self._move(import_id, "staging", "abandoned"):
                self._db.change(SQL["drop_staged"], {"import": import_id, "upto": 2**62})

    def _move(self, import_id: int, was: str, state: str, summary: str | None = None) -> bool:
        """Change the state of an import, inside the caller's transaction; False when it is in another state."""
        values = {"import": import_id, "was": was, "state": state, "summary": summary}
        return bool(self._db.change(SQL["move_import"], values))
