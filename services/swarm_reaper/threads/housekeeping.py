"""Infrequent maintenance in small steps: disk space, the log, unfinished imports, late landings, old output."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from swarm_reaper.config import ReaperConfig
from swarm_reaper.threads.side_thread import SideThread
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import ConfigError, DatabaseError
from swarm_shared.git.worktrees.disk_use import disk_use
from swarm_shared.program.logs import event
from swarm_shared.store.swarm.swarm import DISK_LOW, RUNNER_DOWN

LOG = logging.getLogger("swarm.reaper")
EVERY_S = 5.0
TRIM_EVERY_MS = 60_000
TRIM_PIECE = 200
MEASURE_EVERY_MS = 60_000  # it reads all folders of all worktrees
TRY_RUNNERS_EVERY_MS = 20_000
PIECE_PAUSE_S = 0.05  # others write meanwhile
WAL_PASSIVE_BYTES = 16 * 1024 * 1024
WAL_TRUNCATE_BYTES = 64 * 1024 * 1024
_DAY_MS = 86_400_000
# Claims start again only when there is clearly enough space, not right at the limit.
_ROOM_AGAIN = 1.1
_MIB = 1024 * 1024


class Sizes(Struct, frozen=True, kw_only=True):
    """Bytes, measured without opening a file of the database, which would drop its locks."""

    database: int
    wal: int
    free: int

    @classmethod
    def of(cls, db: Path) -> Sizes:
        """As the file system reports them now; 0 for a missing file."""
        space = os.statvfs(db.parent)
        return cls(
            database=_size(db),
            wal=_size(db.with_name(db.name + "-wal")),
            free=space.f_bavail * space.f_frsize,
        )


class Housekeeping:
    """One round does everything that is due; it never holds the write lock for long."""

    def __init__(
        self,
        database: TaskDatabase,
        config: ReaperConfig,
        *,
        pause: Callable[[float], bool],
        sizes: Callable[[Path], Sizes] = Sizes.of,
    ) -> None:
        """Bind to a database.

        Args:
            pause: Waits this many seconds between two steps; True means stop.
            sizes: Measures the files and the disk.
        """
        self._db = database
        self._config = config
        self._pause = pause
        self._sizes = sizes
        self._next_trim = 0
        self._next_measure = 0
        self._next_try = 0

    def run_once(self) -> None:
        """Do what is due."""
        sizes = self._sizes(self._db.path)
        self._watch_disk_space(sizes.free)
        self._try_runners()
        if sizes.wal > WAL_PASSIVE_BYTES:
            self._db.connection.checkpoint(truncate=sizes.wal > WAL_TRUNCATE_BYTES)
        finished = self._db.imports.clear_up()
        if finished:
            event(LOG, "imports_cleared_up", count=finished)
        late = self._db.landings.log_late()
        if late is not None:
            event(LOG, "landing_late", level=logging.WARNING, task=late)
        self._db.spending.check(self._config.budgets.spending)  # a new day may have begun
        self._measure_worktrees()
        self._trim()

    def _measure_worktrees(self) -> None:
        now = self._db.clock.mono_ms()
        if now >= self._next_measure:
            self._next_measure = now + MEASURE_EVERY_MS
            used = disk_use(self._config.state_dir)
            self._db.swarm.note_disk_use(used.worktrees, used.spares, used.size_bytes)

    def _watch_disk_space(self, free: int) -> None:
        low = DISK_LOW in self._db.swarm.flags()
        least = self._config.min_free_bytes
        if free < least and not low:
            reason = f"{free // _MIB} MiB free, {least // _MIB} are required; free some space and the queue continues"
            self._db.swarm.set_flag(DISK_LOW, actor="reaper", reason=reason)
            event(LOG, "disk_low", level=logging.ERROR, free_mib=free // _MIB, wanted_mib=least // _MIB)
        elif free >= least * _ROOM_AGAIN and low:
            with self._db.connection.transaction():
                self._db.swarm.clear_flag(DISK_LOW)
                self._db.events.add("resumed", f"there is enough space again: {free // _MIB} MiB free")

    def _try_runners(self) -> None:
        """Let tasks start again once the runners work."""
        flag, now = self._db.swarm.flags().get(RUNNER_DOWN), self._db.clock.mono_ms()
        if flag is None:
            self._next_try = now + TRY_RUNNERS_EVERY_MS  # it just failed: wait before the first try, too
        elif now >= self._next_try:
            self._next_try = now + TRY_RUNNERS_EVERY_MS
            try:
                self._config.try_runners()
            except ConfigError as error:
                event(LOG, "runner_down", level=logging.ERROR, reason=error)
                return
            with self._db.connection.transaction():
                self._db.swarm.clear_flag(RUNNER_DOWN)
                self._db.events.add("resumed", "the runner works again")

    def _trim(self) -> None:
        clock, days = self._db.clock, self._config.keep_output_days
        if days is None or clock.mono_ms() < self._next_trim:
            return
        before = clock.wall_ms() - round(days * _DAY_MS)
        while self._db.output.trim_completed(before=before, limit=TRIM_PIECE):
            if self._pause(PIECE_PAUSE_S):
                return
        self._next_trim = clock.mono_ms() + TRIM_EVERY_MS


class HousekeepingThread(SideThread):
    """Runs housekeeping next to the reaper's loop."""

    def __init__(self, config: ReaperConfig, clock: Clock) -> None:
        super().__init__(config, clock, name="housekeeping")

    def serve(self, database: TaskDatabase) -> None:
        housekeeping = Housekeeping(database, self._config, pause=self._stop.wait)
        while not self._stop.wait(EVERY_S):
            try:
                housekeeping.run_once()
            except (DatabaseError, OSError) as error:
                event(LOG, "housekeeping_failed", level=logging.WARNING, reason=error)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
