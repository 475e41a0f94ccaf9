"""The only place where the reaper waits: for deaths, signals or a time; a death is noticed within milliseconds."""

from __future__ import annotations

import os
import select
import signal
import socket
from collections.abc import Iterable
from enum import Enum, auto

from swarm_shared.processes.identity import ProcessId

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class WakeReason(Enum):
    """Why a wait ended."""

    TIME = auto()
    DEATH = auto()
    SIGNAL = auto()


class Deaths:
    """Polls the pidfds of processes; processes that cannot be watched this way must be checked by the caller."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._followed: dict[ProcessId, int] = {}
        self._process_of: dict[int, ProcessId] = {}
        self._ended: set[ProcessId] = set()
        self._bell: socket.socket | None = None

    def listen_to_stop_signals(self) -> None:
        """Make a signal end a wait, and do nothing else; to be called in the main thread."""
        self._bell, far_end = socket.socketpair()
        for end in (self._bell, far_end):
            end.setblocking(False)
        self._far_end = far_end
        self._poll.register(self._bell, select.POLLIN)
        signal.set_wakeup_fd(far_end.fileno(), warn_on_full_buffer=False)
        for number in _STOP_SIGNALS:
            signal.signal(number, _only_ring)

    def follow(self, processes: Iterable[ProcessId]) -> bool:
        """Watch exactly these from now on.

        Returns:
            True when one of them, watched for the first time, has ended already.
        """
        wanted = set(processes)
        for process in self._followed.keys() - wanted:
            self._drop(process)
        self._ended &= wanted
        news = False
        for process in wanted - self._followed.keys() - self._ended:
            descriptor = process.pidfd()
            if descriptor is not None:
                self._followed[process] = descriptor
                self._process_of[descriptor] = process
                self._poll.register(descriptor, select.POLLIN)
            elif process.is_alive() is False:
                self._ended.add(process)
                news = True
        return news

    def has_ended(self, process: ProcessId) -> bool:
        """Whether a followed process is known to have ended."""
        return process in self._ended

    def wait(self, timeout_s: float) -> WakeReason:
        """Wait for the death of a followed process, a signal, or the time; a death is reported once."""
        woken = WakeReason.TIME
        for descriptor, _ in self._poll.poll(max(0.0, timeout_s) * 1000):
            process = self._process_of.get(descriptor)
            if process is None:
                assert self._bell is not None
                self._bell.recv(64)
                return WakeReason.SIGNAL
            # It stays readable forever: once reported, it must not wake us again.
            self._drop(process)
            self._ended.add(process)
            woken = WakeReason.DEATH
        return woken

    def close(self) -> None:
        """Stop watching."""
        for process in list(self._followed):
            self._drop(process)
        if self._bell is not None:
            signal.set_wakeup_fd(-1)
            self._bell.close()
            self._far_end.close()

    def _drop(self, process: ProcessId) -> None:
        descriptor = self._followed.pop(process)
        del self._process_of[descriptor]
        self._poll.unregister(descriptor)
        os.close(descriptor)


def _only_ring(number: int, frame: object) -> None:
    """The byte in the wakeup descriptor carries all the information."""
