"""Slow work runs in threads next to the reaper's loop, so that the loop notices deaths at once."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable

from swarm_reaper.config import ReaperConfig
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.program.logs import event

LOG = logging.getLogger("swarm.reaper")
BUSY_TIMEOUT_S = 2.0
AGAIN_AFTER_S = 5.0  # after a failure


def keep_serving(serve: Callable[[], None], *, stopped: Callable[[float], bool]) -> None:
    """Run `serve` until it returns, and again after a pause if it fails: no failure may end a thread for good.

    Args:
        stopped: Waits this many seconds; True means stop.
    """
    while True:
        try:
            serve()
            return
        except DatabaseError as error:  # such as a file that could not be opened just now
            event(LOG, "thread_failed", level=logging.WARNING, thread=threading.current_thread().name, reason=error)
        except Exception:
            LOG.exception("thread_failed thread=%r", threading.current_thread().name)
        if stopped(AGAIN_AFTER_S):
            return


class SideThread(ABC):
    """A daemon thread with its own database connection that works until `stop`."""

    def __init__(self, config: ReaperConfig, clock: Clock, *, name: str, wanted: bool = True) -> None:
        """Prepare the thread; nothing runs before `start`.

        Args:
            wanted: Whether these settings give it anything to do; if not, it never starts.
        """
        self._config, self._clock, self._wanted = config, clock, wanted
        self._stop = threading.Event()
        # A daemon thread, because its work may be interrupted at any point, as a crash would.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        if self._wanted:
            self._thread.start()

    def stop(self, *, within_s: float) -> None:
        """Ask the thread to stop and wait up to `within_s` seconds for it."""
        self._stop.set()
        if self._wanted:
            self._thread.join(within_s)

    @abstractmethod
    def serve(self, database: TaskDatabase) -> None:
        """Work until `self._stop` is set."""

    def _run(self) -> None:
        keep_serving(self._open_and_serve, stopped=self._stop.wait)

    def _open_and_serve(self) -> None:
        with TaskDatabase(self._config.db, create=False, clock=self._clock) as database:
            database.connection.busy_timeout_s = BUSY_TIMEOUT_S
            self.serve(database)
