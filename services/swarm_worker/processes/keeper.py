"""The keeper: the worker's parent, which outlives it, ends the processes that it left, and proves this by its own end.

Whatever a dead worker leaves behind becomes the keeper's child, so it knows when nothing is left; it exits only then,
so its end is the proof for everyone else. Signals for the worker arrive here and are passed on, because supervisord and
a terminal only know the keeper.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import traceback
from collections.abc import Callable
from typing import NoReturn

from swarm_shared.processes.identity import ProcessId
from swarm_worker.processes import extinction

# The worker is dead: its agents cannot report to it, so they only get time to save a transcript.
ORPHAN_GRACE_S = 0.2
HANDED_DOWN = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_RETRY_S = 1.0
_SIGNAL_EXIT = 128  # plus the number: how a shell reports death by a signal
# Signals that the kernel raises for our own faults must still end us; signals that others may send must not.
_FAULTS = {
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGSYS,
}
_UNTOUCHABLE = {signal.SIGKILL, signal.SIGSTOP}


class Keeper:
    """The keeper as its worker sees it: `process` names it, and `fileno` delivers the signals that it passes on."""

    def __init__(self, process: ProcessId, connection: socket.socket) -> None:
        self.process = process
        self.lost = False  # it was killed: no process will end what we leave behind
        self._connection = connection

    def fileno(self) -> int:
        """What a selector watches for `signals`; stays readable once the keeper is lost."""
        return self._connection.fileno()

    def signals(self) -> bytes:
        """The numbers of the signals that came since the last call; never waits."""
        try:
            data = self._connection.recv(64)
        except BlockingIOError:
            return b""
        except ConnectionError:
            data = b""
        if not data:
            self.lost = True
        return data


def fork_worker(*, on_orphaned: Callable[[], None]) -> Keeper:
    """Continue as the worker, in a child of this process, which itself becomes the keeper and never returns.

    To be called before any thread is started and any database is opened. The keeper exits as the worker did, after
    nothing of it is left.

    Args:
        on_orphaned: Called in the keeper when the worker did not end well and nothing below is left any more; its
            errors are only printed. It opens what it needs itself.

    Raises:
        OSError: The system gave no process, or knows no child subreapers.
    """
    extinction.become_subreaper()
    ours, workers = socket.socketpair()
    # Blocked until either has its own handlers: none of the keeper's may run in the worker, nor one be lost.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    keeper = ProcessId.mine()
    worker = os.fork()
    if worker:
        workers.close()
        _keep(worker, ours, on_orphaned)
    ours.close()
    # Out of the reach of a terminal and of signals to the keeper's group: a stop must not arrive twice.
    os.setsid()
    extinction.become_subreaper()  # not inherited by a fork
    _take_a_name("swarm-worker")
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    workers.setblocking(False)
    return Keeper(keeper, workers)


def _keep(worker: int, connection: socket.socket, on_orphaned: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        _take_a_name("swarm-keeper")
        code = _wait_for(worker, connection)
        connection.close()
        nothing_left = extinction.reap()[1]
        _end_all_whatever_fails()
        if code or not nothing_left:
            on_orphaned()
    except BaseException:
        connection.close()  # to the worker, if it lives, we are lost
        _print_fault()
        _end_all_whatever_fails()
    finally:
        os._exit(code)


def _wait_for(worker: int, connection: socket.socket) -> int:
    """Hand signals down until the worker has ended; the exit code that says how."""
    wakeup = _listen_to_signals()
    connection.setblocking(False)
    while True:
        select.select([wakeup], [], [])
        numbers = os.read(wakeup, 512)
        pid, status = os.waitpid(worker, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else _SIGNAL_EXIT - code
        for number in numbers:
            if number in HANDED_DOWN:
                _hand_down(connection, number)


def _hand_down(connection: socket.socket, number: int) -> None:
    try:
        connection.send(bytes([number]))
    except OSError:
        pass  # it is about to end, or has stopped reading long ago


def _listen_to_signals() -> int:
    """A descriptor that becomes readable when a signal came that concerns us: the numbers, a byte each."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    heard = {*HANDED_DOWN, signal.SIGCHLD}
    for number in signal.valid_signals() - _UNTOUCHABLE - _FAULTS - heard:
        signal.signal(number, signal.SIG_IGN)
    for number in _FAULTS:
        signal.signal(number, signal.SIG_DFL)
    for number in heard:
        signal.signal(number, lambda number, frame: None)  # only so that the pipe is written to
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # The worker may have ended before we listened.
    os.write(writable, bytes([signal.SIGCHLD]))
    return readable


def _end_all_whatever_fails() -> None:
    # Our exit counts as the proof that nothing is left: even a bug of ours must not make us exit early.
    while True:
        try:
            if not extinction.extinguish(grace_s=ORPHAN_GRACE_S):
                return
        except Exception:
            _print_fault()  # the system may be out of something: files, memory
            select.select([], [], [], _RETRY_S)


def _print_fault() -> None:
    # Not through sys.stderr: it may refer to a file that is closed here.
    try:
        os.write(2, traceback.format_exc().encode(errors="replace"))
    except OSError:
        pass  # the other end is closed; the work continues


def _take_a_name(name: str) -> None:
    # What `ps -o comm` and `top` show; the command line is the same for both.
    try:
        with open("/proc/self/comm", "w") as file:
            file.write(name)
    except OSError:
        pass  # a courtesy only
