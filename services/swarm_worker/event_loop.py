"""Everything that a worker listens to: signals, its keeper, owners, pipes, and commits to the database."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable

from swarm_shared.processes.identity import ProcessId
from swarm_worker.pace import Pace
from swarm_worker.processes.keeper import Keeper

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Watch:
    """One selector for the whole worker; handlers only record events, and the loop acts on them."""

    def __init__(self, data_version: Callable[[], int], pace: Pace) -> None:
        """Listen to signals; to be made in the main thread.

        Args:
            data_version: Moves when another process has committed.
            pace: How often to check it.
        """
        self.pace = pace
        self.stops_asked = 0  # TERM, INT and HUP so far: the first is polite, the second is not
        self.stop_asked_at: float | None = None
        self.retire_asked = False  # SIGUSR1: finish without a limit, then leave; SIGUSR2: stay after all
        self.abandoned: str | None = None  # who died that we must not outlive
        self.keeper_lost = False  # nothing may be started any more: no process would end what we leave behind
        self._selector = selectors.DefaultSelector()
        self._data_version = data_version
        self._seen_version = -1
        self._next_look = 0.0
        self._read_end, self._write_end = socket.socketpair()
        self._read_end.setblocking(False)
        self._write_end.setblocking(False)
        self._selector.register(self._read_end, selectors.EVENT_READ, self._note_signals)
        signal.set_wakeup_fd(self._write_end.fileno(), warn_on_full_buffer=False)
        for number in (*_STOP_SIGNALS, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCHLD):
            signal.signal(number, _only_wake_up)

    def listen(self, fileno: int, callback: Callable[[], None]) -> None:
        """Call back from `wait` whenever the descriptor is readable."""
        self._selector.register(fileno, selectors.EVENT_READ, callback)

    def ignore(self, fileno: int) -> None:
        """No longer listen; to be called before the descriptor is closed."""
        self._selector.unregister(fileno)

    def bind_to(self, process: ProcessId, text: str) -> None:
        """Note when this process ends: the worker must not outlive it."""
        descriptor = process.pidfd()
        if descriptor is None:
            if process.is_alive() is False:
                self.abandoned = text
            return

        def gone() -> None:
            self.abandoned = text
            self._selector.unregister(descriptor)
            os.close(descriptor)

        self.listen(descriptor, gone)

    def wait(self, timeout_s: float) -> None:
        """Wait until a descriptor is readable or the time is over, and call back for those that are."""
        for key, _ in self._selector.select(max(0.0, timeout_s)):
            key.data()

    def moved(self, every_s: float) -> bool:
        """Whether another process has committed since the last True; asks at most every `every_s`."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + every_s
        version = self._data_version()
        if version == self._seen_version:
            return False
        self._seen_version = version
        return True

    def obey(self, keeper: Keeper) -> None:
        """Handle the signals that the keeper passes on as our own, and detect its loss."""

        def heard() -> None:
            self._note(keeper.signals())
            if keeper.lost:
                self.keeper_lost = True
                self.ignore(keeper.fileno())

        self.listen(keeper.fileno(), heard)

    def _note_signals(self) -> None:
        self._note(self._read_end.recv(64))

    def _note(self, numbers: bytes) -> None:
        for number in numbers:
            if number in (signal.SIGUSR1, signal.SIGUSR2):
                self.retire_asked = number == signal.SIGUSR1
            elif number in _STOP_SIGNALS:
                self.stops_asked += 1
                self.stop_asked_at = self.stop_asked_at or time.monotonic()


def _only_wake_up(number: int, frame: object) -> None:
    """The byte in the wakeup descriptor carries all the information."""
