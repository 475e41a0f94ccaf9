"""Notifications beside the reaper's loop: what is new becomes messages, and couriers take them away."""

from __future__ import annotations

import logging
import os
import threading
import time

from swarm_reaper.config import ReaperConfig
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.notifying.collecting import Collector
from swarm_shared.notifying.dispatching import Dispatcher
from swarm_shared.program.logs import event

LOG = logging.getLogger("swarm.reaper")
LOOK_S = 0.25
CONDITIONS_EVERY_S = 5.0  # looked at so often without any commit
PRUNE_EVERY_S = 3_600.0
KEPT_MS = 30 * 86_400_000
BUSY_TIMEOUT_S = 2.0


class Notifications:
    """One database: one round of collecting and dispatching. Does nothing without targets."""

    def __init__(self, database: TaskDatabase, config: ReaperConfig) -> None:
        self._db = database
        self._collector = Collector(database, config.notify, config.pace)
        self._dispatcher = Dispatcher(database, config.notify, os.environ, config.pace.quiet)
        self._version = -1
        self._look_at = self._prune_at = 0.0

    @property
    def busy(self) -> bool:
        return self._dispatcher.busy

    def run_once(self) -> None:
        """Make messages where there was a commit or some time has passed; start couriers for what is due."""
        version, now = self._db.connection.data_version(), time.monotonic()
        if version != self._version or now >= self._look_at:
            self._version, self._look_at = version, now + CONDITIONS_EVERY_S
            while self._collector.run_once():
                pass
        self._dispatcher.run_once()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_S
            self._db.outbox.prune(self._db.clock.wall_ms() - KEPT_MS)


class NotificationsThread:
    """A thread, so that a slow disk or a large log does not delay the reaper; sending is in processes anyway."""

    def __init__(self, config: ReaperConfig, clock: Clock) -> None:
        """Prepare; nothing runs before `start`."""
        self._config, self._clock = config, clock
        self._stop = threading.Event()
        # A daemon: whatever it is in the middle of may be cut off, as by a crash.
        self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)

    def start(self) -> None:
        if self._config.notify:
            self._thread.start()

    def stop(self, *, within_s: float) -> None:
        """Ask it to stop, and wait for that a little, and for couriers on their way."""
        self._stop.set()
        if self._config.notify:
            self._thread.join(within_s)

    def _run(self) -> None:
        with TaskDatabase(self._config.db, create=False, clock=self._clock) as database:
            database.connection.busy_timeout_s = BUSY_TIMEOUT_S
            notifications = Notifications(database, self._config)
            is_last = False
            while True:
                try:
                    notifications.run_once()
                except (DatabaseError, OSError) as error:
                    event(LOG, "notifications_failed", level=logging.WARNING, reason=error)
                if is_last:
                    break
                is_last = self._stop.wait(LOOK_S)  # one more look: the end itself may be news
            while notifications.busy:
                time.sleep(0.02)
