"""Notifications alongside the reaper's loop: new events become messages, and couriers send them."""

from __future__ import annotations

import logging
import os
import time

from swarm_reaper.config import ReaperConfig
from swarm_reaper.threads.side_thread import SideThread
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.notifying.collecting import Collector
from swarm_shared.notifying.dispatching import Dispatcher
from swarm_shared.program.logs import event

LOG = logging.getLogger("swarm.reaper")
POLL_S = 0.25
CONDITIONS_EVERY_S = 5.0  # checked this often even without a commit
PRUNE_EVERY_S = 3_600.0
KEPT_MS = 30 * 86_400_000


class Notifications:
    """Collects and dispatches the notifications of one database. Does nothing without targets."""

    def __init__(self, database: TaskDatabase, config: ReaperConfig) -> None:
        self._db = database
        self._collector = Collector(database, config.notify, config.pace)
        self._dispatcher = Dispatcher(database, config.notify, os.environ, config.pace.quiet)
        self._version = -1
        self._poll_at = self._prune_at = 0.0

    @property
    def busy(self) -> bool:
        return self._dispatcher.busy

    def run_once(self) -> None:
        """Create messages after a commit or some time, and start couriers for those that are due."""
        version, now = self._db.connection.data_version(), time.monotonic()
        if version != self._version or now >= self._poll_at:
            self._version, self._poll_at = version, now + CONDITIONS_EVERY_S
            while self._collector.run_once():
                pass
        self._dispatcher.run_once()
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_S
            self._db.outbox.prune(self._db.clock.wall_ms() - KEPT_MS)


class NotificationsThread(SideThread):
    """Sends notifications next to the reaper's loop; `stop` also waits for couriers that are still sending."""

    def __init__(self, config: ReaperConfig, clock: Clock) -> None:
        super().__init__(config, clock, name="notifications", wanted=bool(config.notify))

    def serve(self, database: TaskDatabase) -> None:
        notifications = Notifications(database, self._config)
        is_last = False
        while True:
            try:
                notifications.run_once()
            except (DatabaseError, OSError) as error:
                event(LOG, "notifications_failed", level=logging.WARNING, reason=error)
            if is_last:
                break
            is_last = self._stop.wait(POLL_S)  # one more round: the end itself may be news
        while notifications.busy:
            time.sleep(0.02)
