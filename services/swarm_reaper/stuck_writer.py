"""A stopped process that holds the write lock blocks everyone: finds it, reports it, and ends it if it is ours."""

from __future__ import annotations

import logging
import signal

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat
from swarm_shared.program.logs import event
from swarm_shared.store.engine.write_lock import write_lock_holder

LOG = logging.getLogger("swarm.reaper")
STUCK_AFTER_MS = 5_000
PROBE_EVERY_MS = 1_000
PROBE_S = 0.2
REPORT_EVERY_MS = 30_000
_STOPPED = ("T", "t")


class Holder(Struct, frozen=True, kw_only=True):
    """The process that blocked all writers at the last check; `since` in monotonic ms."""

    process: ProcessId
    name: str | None  # worker id or service; None for a process that is not of this swarm
    stopped: bool
    since: int

    def shown(self) -> dict[str, str | int | None]:
        """For the details of the reaper's row."""
        return {"process": self.process.describe(), "pid": self.process.pid, "name": self.name}


class StuckWriter:
    """Requests the write lock periodically, and looks for its holder if it stays unavailable."""

    def __init__(self, database: TaskDatabase) -> None:
        """Bind to a database."""
        self._db = database
        self.holder: Holder | None = None
        self._busy_since: int | None = None
        self._next_probe = 0
        self._next_report = 0

    def run_once(self) -> None:
        """Check once, if it is time."""
        now = self._db.clock.mono_ms()
        if now < self._next_probe:
            return
        self._next_probe = now + PROBE_EVERY_MS
        if self._db.connection.takes_writes(within_s=PROBE_S):
            self._busy_since = self.holder = None
            return
        if self._busy_since is None:
            self._busy_since = now
        if now - self._busy_since >= STUCK_AFTER_MS:
            self._deal_with_holder(self._busy_since, now)

    def _deal_with_holder(self, since: int, now: int) -> None:
        pid = write_lock_holder(self._db.path)
        process = None if pid is None else ProcessId.of(pid)
        if process is None or process == ProcessId.mine():
            return  # released meanwhile, or hidden from us
        name, overdue = self._registered(process, now)
        stat = read_stat(process.pid)
        stopped = stat is not None and stat.state in _STOPPED
        self.holder = Holder(process=process, name=name, stopped=stopped, since=since)
        if name is not None and (stopped or overdue):
            # The death of a writer rolls back what it had begun, and the next one continues at once.
            process.kill(signal.SIGKILL)
            event(LOG, "stuck_writer_killed", level=logging.WARNING, program=name, pid=process.pid, stopped=stopped)
        elif now >= self._next_report:
            self._next_report = now + REPORT_EVERY_MS
            event(LOG, "writer_stuck", level=logging.ERROR, process=process.describe(), program=name)

    def _registered(self, process: ProcessId, now: int) -> tuple[str | None, bool]:
        """The name under which a process of this swarm has registered, and whether its lease is overdue."""
        for worker in self._db.workers.alive():
            if process == worker.process:
                return worker.worker_id, now > worker.lease_until_mono
            if process == worker.keeper:
                return f"keeper of {worker.worker_id}", False
        for name, service in self._db.swarm.services().items():
            if process == service.process:
                return name, False
        if self._db.workers.is_keeper(process):
            return "keeper", False
        return None, False
