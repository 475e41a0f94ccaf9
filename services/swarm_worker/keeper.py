"""The worker's handle on its keeper: the process that alone starts agents and proves that none is left.

Nothing here waits for the keeper's work: the worker's loop watches `fileno` and reads `events`.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable
from typing import Self

from swarm_shared.processes import ProcessId, wait_for_ends
from swarm_worker import extinction
from swarm_worker.keeper_messages import (
    End,
    Event,
    Exited,
    Gone,
    Inbox,
    KeeperLost,
    Launch,
    Request,
    Start,
    Started,
    StartFailed,
    Unproven,
    pack,
)
from swarm_worker.keeper_process import run_keeper

__all__ = [
    "Event",
    "Exited",
    "Gone",
    "Keeper",
    "KeeperLost",
    "Launch",
    "StartFailed",
    "Started",
    "Unproven",
]

_READ_BYTES = 1 << 16
# A keeper that takes nothing for so long is stopped or hung: it counts as lost.
SEND_DEADLINE_S = 10.0


class Keeper:
    """A running keeper, seen from its worker.

    `pid` and `start_time` name it, as in `ProcessId`: once it is dead while nobody killed it, nothing of
    its tree is left. `lost` is True when it died under us, or does not listen: then call `inherit`, and
    stop watching `fileno`, which stays readable.
    """

    def __init__(self, process: ProcessId, connection: socket.socket) -> None:
        self.process = process
        self.pid = process.pid
        self.start_time = process.start_time
        self.lost = False
        self._connection = connection
        self._inbox = Inbox()
        self._arrived: list[Event] = []
        self._request = 0
        self._ending = 0

    @classmethod
    def fork(cls, *, on_orphaned: Callable[[], None]) -> Self:
        """Fork the keeper off this process, which becomes a child subreaper itself.

        To be called before any thread is started and any database is opened.

        Args:
            on_orphaned: Called in the keeper after this process has gone or called `close`, and nothing
                is left below the keeper; its errors are only printed. It opens what it needs itself.

        Raises:
            OSError: The system gave no process, or knows no child subreapers.
        """
        extinction.become_subreaper()
        ours, theirs = socket.socketpair()
        # Blocked until the keeper ignores them: no handler of the worker may run in it.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                run_keeper(theirs, on_orphaned)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        ours.setblocking(False)
        process = ProcessId.of(pid)
        assert process is not None, "our own child is there until we wait for it"
        return cls(process, ours)

    def fileno(self) -> int:
        """What a selector watches for `events`; readable also when the keeper is lost."""
        return self._connection.fileno()

    def start(self, launch: Launch, stdin: int, stdout: int, stderr: int) -> int:
        """Ask for a process with these three descriptors, which stay the caller's to close.

        Returns:
            The request's number. `Started` and later `Exited` name it, or else `StartFailed`: at once while
            an ending is not `Gone`. Should none come for long, the program's file system hangs: treat
            the keeper as lost.
        """
        self._request += 1
        start = Start(request=self._request, argv=list(launch.argv), env=dict(launch.env), cwd=launch.cwd)
        self._send(start, [stdin, stdout, stderr])
        return self._request

    def end(self, grace_s: float) -> None:
        """End everything that was started and all it left behind: TERM, at most the grace, then KILL.

        `Gone` follows, or `Unproven`; one answer for all calls made before it. A shorter grace overtakes a
        longer one.
        """
        self._ending += 1
        self._send(End(ending=self._ending, grace_s=grace_s))

    def kill(self) -> None:
        """`end` without a grace."""
        self.end(0.0)

    def events(self) -> list[Event]:
        """What has happened since the last call; never waits."""
        self._receive()
        arrived, self._arrived = self._arrived, []
        return [event for event in arrived if not self._is_stale(event)]

    def inherit(self) -> Gone | Unproven:
        """After the loss of the keeper: end everything below this process, the keeper too, and wait for it.

        Blocks for up to `extinction.EFFORT_S`. Takes the statuses of *all* children of this process, so
        whatever else it runs is ended with the rest.
        """
        left = extinction.extinguish()
        return Unproven(ending=self._ending, survivors=left) if left else Gone(ending=self._ending)

    def close(self) -> None:
        """Leave the keeper: it ends everything below it and exits."""
        self._connection.close()

    def join(self, timeout_s: float) -> bool:
        """After `close`: wait until the keeper has ended; False when it still has work after the time."""
        wait_for_ends([self.process], timeout_s)
        try:
            return os.waitpid(self.pid, os.WNOHANG)[0] == self.pid
        except ChildProcessError:
            return True  # `inherit` has waited for it

    def _is_stale(self, event: Event) -> bool:
        # It crossed a later end() on its way, which will have an answer of its own.
        return isinstance(event, Gone | Unproven) and event.ending != self._ending

    def _send(self, request: Request, descriptors: list[int] | None = None) -> None:
        data = memoryview(pack(request))
        deadline = time.monotonic() + SEND_DEADLINE_S
        poll = select.poll()
        poll.register(self._connection, select.POLLIN | select.POLLOUT)
        while data and not self.lost:
            try:
                if descriptors:
                    sent = socket.send_fds(self._connection, [data], descriptors)
                    descriptors = None  # they went with the first bytes
                else:
                    sent = self._connection.send(data)
                data = data[sent:]
            except BlockingIOError:
                # Both may have filled the other's buffer: whoever waits must go on reading.
                if not poll.poll(max(deadline - time.monotonic(), 0) * 1000):
                    self._lose()
                self._receive()
            except ConnectionError:
                self._receive()  # what it said before it died
                self._lose()

    def _receive(self) -> None:
        while not self.lost:
            try:
                data = self._connection.recv(_READ_BYTES)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:
                self._lose()
            for message in self._inbox.feed(data):
                assert not isinstance(message, Start | End)
                self._arrived.append(message)

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            self._arrived.append(KeeperLost())
