"""Problems that block the whole swarm although its programs run: a hanging reaper, an unreleased write lock."""

from __future__ import annotations

import time
from collections.abc import Callable

from msgspec import Struct

from swarm_shared.domain.clock import Clock
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.family import Family
from swarm_shared.store.engine.write_lock import write_lock_holder
from swarm_shared.store.queue.swarm import Swarm

SILENT_MS = 20_000  # four signs of life were missed
LOCK_LOOKS = 20
LOCK_LOOK_S = 0.05
REAPER = "reaper"


class Standstill(Struct, frozen=True, kw_only=True):
    """One thing that keeps everything from moving; `kind` is a stable code for programs."""

    kind: str
    text: str
    advice: str


class Standstills(Family):
    """Reads only. Where the write lock stays taken, that explains the reaper's silence as well."""

    def __init__(self, connection: Connection, clock: Clock, *, pause: Callable[[float], object] = time.sleep) -> None:
        super().__init__(connection, clock)
        self._pause = pause

    def found(self) -> list[Standstill]:
        """Everything of this kind; takes a second where another process holds the write lock all the time."""
        held = self.held_lock()
        if held is not None:
            return [held]
        silent = self.silent_reaper()
        return [] if silent is None else [silent]

    def silent_reaper(self, *, after_ms: int = SILENT_MS) -> Standstill | None:
        """The reaper of this database, when it lives and has given no sign of life for so long."""
        reaper = Swarm(self._db, self._clock).services().get(REAPER)
        if reaper is None or not reaper.is_up(self._clock.wall_ms()):
            return None
        silent_ms = reaper.silent_ms(self._clock)
        if silent_ms < after_ms:
            return None
        pid = reaper.process.pid
        return Standstill(
            kind="reaper_silent",
            text=f"the reaper (process {pid}) has been silent for {silent_ms // 1000} s: tasks of dead workers wait",
            advice=f"supervisord kills a silent reaper and starts another one; where none does: kill -9 {pid}",
        )

    def held_lock(self) -> Standstill | None:
        """The process that holds the write lock at each of several looks; being held for a moment is normal."""
        holder = write_lock_holder(self._db.path)
        for _ in range(LOCK_LOOKS):
            if holder is None:
                return None
            self._pause(LOCK_LOOK_S)
            if write_lock_holder(self._db.path) != holder:
                return None
        process = None if holder is None else ProcessId.of(holder)
        name = process.describe() if process is not None else f"pid {holder}"
        stopped = "state T" in name
        return Standstill(
            kind="write_lock_held",
            text=f"{name} has held the write lock of the database for over {LOCK_LOOKS * LOCK_LOOK_S:g} s; "
            "nothing can be stored until it is released",
            advice=f"it is stopped: kill -CONT {holder}, or kill -9 {holder}" if stopped else "let that program finish",
        )
