"""Tasks whose declared files overlap do not run at the same time: a rule for claims, not a lock that agents wait for.

A claim that overlaps is undone in its own transaction and the task waits in its own status, so that the next claims do
not meet it again. A task that ends releases the best of those that waited for it.
"""

from __future__ import annotations

from swarm_shared.settings.settings import MAX_WORKERS
from swarm_shared.store.engine.data_access import DataAccess, from_json
from swarm_shared.store.queue.landings import TURN_MS
from swarm_shared.store.sql import SQL
from swarm_shared.taskfile.globs import overlap

MAX_CLASHES_SCANNED = 1_000


class Overlaps(DataAccess):
    """Joins the caller's transaction."""

    def puts_behind(self, task: int, files: str | None) -> bool:
        """Whether the task just claimed must wait for a running one; if so, the claim is undone.

        Args:
            files: What it may change, as stored; None: never overlaps.
        """
        if files is None:
            return False
        own = from_json(files)
        for other, theirs in self._db.rows(SQL["files_at_work"], {"task": task}):
            if any(overlap(one, two) for one in own for two in from_json(theirs)):
                self._db.change(SQL["put_behind"], {"task": task, "clashes_with": other})
                return True
        return False

    def waits_for_turn(self, task: int) -> bool:
        """Start the turn of the task just claimed, if it has one, or take the claim back for an earlier turn.

        Both lost a race to land and change the same files: built at the same time, one of them would lose again.
        """
        if self._db.row(SQL["has_turn"], {"task": task}) is None:
            return False
        values = {"task": task, "wall": self._clock.wall_ms(), "turn_ms": TURN_MS}
        row = self._db.row(SQL["turn_in_the_way"], values)
        if row is None:
            self._db.change(SQL["start_turn"], values)
            return False
        self._db.change(SQL["put_behind"], {"task": task, "clashes_with": row[0]})
        return True

    def let_go(self) -> bool:
        """Make ready the tasks whose files are free again; whether there were any.

        As many as there can be workers: the rest would only overlap with these and wait again.
        """
        room, after = MAX_WORKERS, -1
        for _ in range(MAX_CLASHES_SCANNED):
            row = self._db.row(SQL["next_clash"], {"after": after})
            if row is None or room <= 0:
                break
            after, is_over = row
            if is_over:
                values = {"clashes_with": after, "limit": room, "wall": self._clock.wall_ms()}
                room -= self._db.change(SQL["let_go"], values)
        return room < MAX_WORKERS
