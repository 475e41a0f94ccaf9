"""Reads the database for the display: events since the last read, running tasks, and the dashboard's link."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from amplifier_swarm.start.display.progress import Progress
from amplifier_swarm.start.display.view import View, event_line
from amplifier_swarm.start.queue_state import QueueState, read_queue
from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.finding import Finding
from swarm_shared.diagnosis.standstill import Standstills
from swarm_shared.settings.settings import Settings
from swarm_shared.store.views.estimates.prospect import Prospect

EVENTS_PER_READ = 500
ETA_EVERY_S = 1.0
STARTS_WITHIN_S = 60.0  # after this long without a worker, that is an obstacle
SILENT_REAPER_MS = 12_000  # it gives a sign of life every 5 s; supervisord kills it soon after this


class Watching:
    """One run as recorded in the database."""

    def __init__(self, database: TaskDatabase, settings: Settings) -> None:
        """Report events from now on."""
        self._db = database
        self._settings = settings
        self._began_ms = database.clock.wall_ms()
        self._began = time.monotonic()
        self._cursor = database.events.last_id()
        self._version = -1
        self._queue = read_queue(database)
        self._running: list[dict[str, Any]] = []
        self._workers: list[dict[str, Any]] = []
        self._prospect: Prospect | None = None
        self._eta_at = 0.0
        self._link: str | None = None

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def queue(self) -> QueueState:
        """As of the last `read`."""
        return self._queue

    def read(self, progress: Progress) -> bool:
        """Read again if there was a commit, and report what happened; whether there was anything new."""
        version = self._db.connection.data_version()
        if version == self._version:
            return False
        self._version = version
        self._queue = read_queue(self._db)
        self._running = self._db.tasks.running()
        self._workers = self._db.workers.shown()
        self._link = self._link or self._find_link()
        for event in self._new_events():
            line = event_line(event)
            if line is not None:
                progress.event(line)
        return True

    def look_again(self) -> None:
        """Force the next `read`: unlike those of others, our own commits do not change the data version."""
        self._version = -1

    def registered(self) -> frozenset[str]:
        """Programs that have registered in this run, such as `swarm-reaper` and `swarm-worker-1`."""
        services = self._db.swarm.services().values()
        names = [service.name for service in services if service.started_at >= self._began_ms]
        names += [str(w["worker_id"]) for w in self._workers if w["started_at"] >= self._began_ms]
        return frozenset(f"swarm-{name}" for name in names)

    def standstill(self) -> Finding | None:
        """Problems that block the whole swarm although its programs are running."""
        standstills = Standstills(self._db.connection, self._db.clock)
        if standstills.silent_reaper(after_ms=SILENT_REAPER_MS) is None:
            return None
        # A write lock that stays taken silences the reaper as well; checking for it takes a moment.
        return standstills.held_lock() or standstills.silent_reaper(after_ms=SILENT_REAPER_MS)

    def view(self) -> View:
        """The current view; as of the last `read`, except for the time."""
        if self._eta_at == 0.0 or time.monotonic() - self._eta_at > ETA_EVERY_S:
            self._eta_at = time.monotonic()
            self._prospect = self._db.prospects.now()
        return View(
            queue=self._queue,
            running=self._running,
            workers=self._workers,
            prospect=self._prospect,
            now_ms=self._db.clock.wall_ms(),
            elapsed_s=self.elapsed_s,
            link=self._link,
            starting=self._starting(),
        )

    def _starting(self) -> int:
        if self.elapsed_s > STARTS_WITHIN_S or any(w["started_at"] >= self._began_ms for w in self._workers):
            return 0
        return self._settings.workers

    def _new_events(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        while batch := self._db.events.since(self._cursor, limit=EVENTS_PER_READ):
            self._cursor = batch[-1]["id"]
            found += batch
            if len(batch) < EVENTS_PER_READ:
                break
        return found

    def _find_link(self) -> str | None:
        """The address that the dashboard registered in this run, with the token that opens it."""
        service = self._db.swarm.services().get("dashboard")
        if service is None or service.started_at < self._began_ms or not service.detail.get("url"):
            return None
        url = str(service.detail["url"]).rstrip("/")
        if self._settings.dashboard_auth == "none":
            return url
        return f"{url}/#t={self._settings.dashboard_token or self._db.swarm.dashboard_token()}"
