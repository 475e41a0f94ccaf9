"""Signals as a list that the run's loop reads, and the one place where the loop waits."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Iterable
from types import TracebackType
from typing import Self

STOP_POLITELY = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
STOP_NOW = frozenset({signal.SIGUSR1})


class Inbox:
    """Catches the signals that end a run while it is open; a handler only wakes the loop up."""

    def __init__(self) -> None:
        self._read_end, self._write_end = socket.socketpair()
        self._read_end.setblocking(False)
        self._write_end.setblocking(False)

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._write_end.fileno(), warn_on_full_buffer=False)
        wanted = STOP_POLITELY | STOP_NOW
        if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
            wanted -= {signal.SIGHUP}  # nohup: this run must outlive its terminal
        self._before = {number: signal.signal(number, _only_wake_up) for number in wanted}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._read_end.close()
        self._write_end.close()

    def take(self) -> list[signal.Signals]:
        """The signals that came since the last call, in order."""
        try:
            numbers = self._read_end.recv(256)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in numbers if number in STOP_POLITELY | STOP_NOW]

    def wait(self, timeout_s: float, also: Iterable[int] = ()) -> None:
        """Return when a signal came, one of these descriptors is readable, or the time is over."""
        poll = select.poll()
        for descriptor in (self._read_end.fileno(), *also):
            poll.register(descriptor, select.POLLIN)
        poll.poll(max(timeout_s, 0.0) * 1000)


def _only_wake_up(number: int, frame: object) -> None:
    """The byte in the wakeup descriptor carries all the information."""
