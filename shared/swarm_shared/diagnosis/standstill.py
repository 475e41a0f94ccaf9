"""Problems that block the whole swarm although its programs run: a hanging reaper, an unreleased write lock."""

from __future__ import annotations

import time
from collections.abc import Callable

from swarm_shared.diagnosis.finding import Finding, Level
from swarm_shared.domain.clock import Clock
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.engine.write_lock import write_lock_holder
from swarm_shared.store.swarm.swarm import Swarm

SILENT_MS = 20_000  # four signs of life were missed
LOST_MS = 60_000
LOCK_POLLS = 20
LOCK_POLL_S = 0.05
REAPER = "reaper"


class Standstills(DataAccess):
    """Reads only. Where the write lock stays taken, that explains the reaper's silence as well."""

    def __init__(self, connection: Connection, clock: Clock, *, pause: Callable[[float], object] = time.sleep) -> None:
        super().__init__(connection, clock)
        self._pause = pause

    def found(self) -> list[Finding]:
        """Everything of this kind; takes a second where another process holds the write lock all the time."""
        held = self.held_lock()
        if held is not None:
            return [held]
        silent = self.silent_reaper()
        return [] if silent is None else [silent]

    def silent_reaper(self, *, after_ms: int = SILENT_MS) -> Finding | None:
        """The reaper of this database, when it lives and has given no sign of life for so long."""
        reaper = Swarm(self._db, self._clock).running(REAPER)
        if reaper is None:
            return None
        silent_ms = reaper.silent_ms(self._clock)
        if silent_ms < after_ms:
            return None
        pid = reaper.process.pid
        return Finding(
            code="reaper_silent", part="swarm", name=REAPER, level=Level.WARN if silent_ms < LOST_MS else Level.BAD,
            text=f"the reaper (process {pid}) has been silent for {silent_ms // 1000} s: tasks of dead workers wait",
            advice="supervisord kills a silent reaper and starts another one; where none does",
            command=f"kill -9 {pid}", target=str(pid), is_obstacle=True, passes=True,
        )  # fmt: skip

    def held_lock(self) -> Finding | None:
        """The process that holds the write lock at each of several looks; being held for a moment is normal."""
        holder = write_lock_holder(self._db.path)
        for _ in range(LOCK_POLLS):
            if holder is None:
                return None
            self._pause(LOCK_POLL_S)
            if write_lock_holder(self._db.path) != holder:
                return None
        process = None if holder is None else ProcessId.of(holder)
        name = process.describe() if process is not None else f"pid {holder}"
        return write_lock_held(name, f"over {LOCK_POLLS * LOCK_POLL_S:g} s", pid=holder, level=Level.WARN)


def write_lock_held(
    process: str, how_long: str, *, pid: int | None, level: Level, program: str | None = None
) -> Finding:
    """A process keeps the write lock.

    Args:
        process: As `ProcessId.describe` gives it.
        pid: Its number, where that is known.
        program: The name under which it has registered, if it is one of the swarm's.
    """
    stopped = pid is not None and "state T" in process
    return Finding(
        code="write_lock_held", part="file", name="write lock", level=level,
        text=f"{f'{program} ({process})' if program else process} has held the write lock of the database for "
        f"{how_long}; nothing can be stored until it is released",
        advice="it is stopped; let it continue, or kill it" if stopped else "let that program finish",
        command=f"kill -CONT {pid}" if stopped else None, target=process, is_obstacle=True,
    )  # fmt: skip
