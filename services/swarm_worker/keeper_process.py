"""Inside the keeper: start what the worker asks for, report how it ends, end everything, and leave last.

It is a fork of the worker and touches nothing that it inherited but one socket. Whatever its processes
leave behind becomes its child, so it alone can say truthfully that nothing is left; and it exits only
then, which makes its own end the proof for everybody else.
"""

from __future__ import annotations

import array
import errno
import gc
import os
import select
import signal
import socket
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import NoReturn

from swarm_shared.procfs import ON_LINUX, read_stat
from swarm_worker import extinction
from swarm_worker.keeper_messages import (
    End,
    Event,
    Exited,
    Gone,
    Inbox,
    Start,
    Started,
    StartFailed,
    Unproven,
    pack,
)

# The worker is dead: its agents have nobody to report to, so they get just time to save a transcript.
ORPHAN_GRACE_S = 0.2
_RETRY_S = 1.0
_READ_BYTES = 1 << 16
_DESCRIPTORS = 3  # standard input, output and error
_CLOSE_ON_EXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
# What the kernel raises for a fault of our own must still end us; everything that somebody may send must not.
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
_SETTABLE = signal.valid_signals() - _UNTOUCHABLE


def run_keeper(worker: socket.socket, on_orphaned: Callable[[], None]) -> NoReturn:
    """Be the keeper, in a process just forked with all signals blocked; never returns.

    Args:
        worker: Our end of the socket to the worker.
        on_orphaned: Called when the worker is gone and nothing is left below us, before we exit.
    """
    code = 1
    try:
        # What we inherited must never be finalised here: closing the worker's database would harm it.
        gc.freeze()
        os.setsid()
        wakeup = _own_descriptors_only(worker)
        _deaf_to_signals()
        extinction.become_subreaper()
        os.chdir("/")
        _take_a_name()
        _Keeper(worker, wakeup).run()
        on_orphaned()
        code = 0
    except BaseException:
        worker.close()  # to the worker, if it lives, we are lost
        _print_fault()
        _end_all_whatever_fails()
    finally:
        os._exit(code)


def _take_a_name() -> None:
    # What `ps -o comm` and `top` show; the command line stays the worker's.
    try:
        with open("/proc/self/comm", "w") as file:
            file.write("swarm-keeper")
    except OSError:
        pass  # a courtesy only


def _print_fault() -> None:
    # Not through sys.stderr: that may stand for a file of the worker's, which is closed here.
    try:
        os.write(2, traceback.format_exc().encode(errors="replace"))
    except OSError:
        pass  # nobody reads it any more; the work goes on


def _end_all_whatever_fails() -> None:
    # Our exit is taken for the proof that nothing is left: even a fault of ours must not make us leave early.
    while True:
        try:
            if not extinction.extinguish():
                return
        except Exception:
            _print_fault()  # the system may be out of something: files, memory
            select.select([], [], [], _RETRY_S)


def _own_descriptors_only(worker: socket.socket) -> int:
    """Keep the socket and standard error; returns a pipe's end that becomes readable when a child ends."""
    null = os.open(os.devnull, os.O_RDWR)
    # Nothing received later may get a number below 3: it would be overwritten while it is handed on.
    for number in (0, 1):
        os.dup2(null, number)
    for number in map(int, os.listdir("/proc/self/fd" if ON_LINUX else "/dev/fd")):
        if number > 2 and number != worker.fileno():
            try:
                os.close(number)
            except OSError:
                pass  # the one that the listing itself had open
    readable, writable = os.pipe()
    os.set_blocking(readable, False)
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    return readable


def _deaf_to_signals() -> None:
    for number in _SETTABLE - _FAULTS - {signal.SIGCHLD}:
        signal.signal(number, signal.SIG_IGN)
    for number in _FAULTS:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only so that the pipe is written to
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


class _Keeper:
    """The keeper's loop: one thread that waits for the worker, for deaths, or for an ending's next round."""

    def __init__(self, worker: socket.socket, wakeup: int) -> None:
        self._worker = worker
        self._wakeup = wakeup
        self._inbox = Inbox()
        self._descriptors: deque[Sequence[int]] = deque()  # one entry for each Start on its way
        self._requests: dict[int, int] = {}  # pid of a started process -> its request
        self._ending: extinction.Extinction | None = None
        self._ending_number = 0
        self._told_unproven = False
        self._orphaned = False

    def run(self) -> None:
        """Serve until the worker is gone and nothing is left."""
        poll = select.poll()
        poll.register(self._worker, select.POLLIN)
        poll.register(self._wakeup, select.POLLIN)
        while True:
            nothing_left = self._reap()
            if nothing_left and self._orphaned:
                return
            due_s = self._go_on_ending(nothing_left)
            ready = {descriptor for descriptor, _ in poll.poll(None if due_s is None else due_s * 1000)}
            if self._wakeup in ready:
                _drain(self._wakeup)
            if self._worker.fileno() in ready and not self._listen():
                poll.unregister(self._worker)
                self._orphaned = True
                self._end(ORPHAN_GRACE_S)

    def _reap(self) -> bool:
        statuses, nothing_left = extinction.reap()
        for pid, status in statuses:
            request = self._requests.pop(pid, None)
            if request is None:
                continue  # adopted: nobody asked for it
            code = os.waitstatus_to_exitcode(status)
            self._tell(
                Exited(
                    request=request,
                    exit_code=code if code >= 0 else None,
                    signal=-code if code < 0 else None,
                    alone=nothing_left,
                )
            )
        return nothing_left

    def _go_on_ending(self, nothing_left: bool) -> float | None:
        """One round of the ending where there is one; returns the seconds until the next."""
        if self._ending is None:
            return None
        if nothing_left:
            self._ending = None
            self._tell(Gone(ending=self._ending_number))
            return None
        now = time.monotonic()
        due_s = self._ending.round(now)
        if self._ending.is_past_effort(now) and not self._told_unproven:
            self._told_unproven = True
            self._tell(Unproven(ending=self._ending_number, survivors=extinction.survivors()))
        return due_s

    def _end(self, grace_s: float) -> None:
        now = time.monotonic()
        if self._ending is None or self._ending.is_past_effort(now):
            self._ending = extinction.Extinction(now=now, grace_s=grace_s)
        else:
            self._ending.hasten(now=now, grace_s=grace_s)
        self._told_unproven = False

    def _listen(self) -> bool:
        """Do what the worker asks; False when it is gone."""
        try:
            data, ancillary, flags, _ = self._worker.recvmsg(
                _READ_BYTES, socket.CMSG_SPACE(_DESCRIPTORS * array.array("i").itemsize), _CLOSE_ON_EXEC
            )
        except ConnectionError:
            return False
        # The kernel ends a read after bytes that carried descriptors: never more than one set at a time.
        received = array.array("i")
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                received.frombytes(content)
        if received or flags & socket.MSG_CTRUNC:
            self._descriptors.append(received)
        for message in self._inbox.feed(data):
            if isinstance(message, Start):
                self._start(message)
            elif isinstance(message, End):
                self._ending_number = message.ending
                self._end(message.grace_s)
        return bool(data)

    def _start(self, start: Start) -> None:
        descriptors = self._descriptors.popleft()
        try:
            pid = self._spawn(start, descriptors)
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) and error.errno is not None else errno.EINVAL
            self._tell(StartFailed(request=start.request, errno=number, text=_explain(start, error)))
            return
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        self._requests[pid] = start.request
        # Even if it has ended already: until we wait for it the kernel keeps its entry.
        stat = read_stat(pid)
        self._tell(Started(request=start.request, pid=pid, start_time=stat.start_time if stat else 0))

    def _spawn(self, start: Start, descriptors: Sequence[int]) -> int:
        if self._ending is not None:
            raise OSError(errno.EBUSY, "the processes of the last session are not gone yet")
        if len(descriptors) != _DESCRIPTORS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        os.chdir(start.cwd)
        try:
            # vfork inside: half the price of fork and exec. Our own descriptors close on exec. A process
            # of its own session is out of the terminal's reach; it starts with no signal ignored or blocked.
            return os.posix_spawn(
                start.argv[0],
                list(start.argv),
                start.env,
                file_actions=[(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(descriptors)],
                setsid=True,
                setsigmask=(),
                setsigdef=_SETTABLE,
            )
        finally:
            os.chdir("/")  # keep no folder that somebody wants to remove

    def _tell(self, event: Event) -> None:
        try:
            self._worker.sendall(pack(event))
        except OSError:
            pass  # the worker is gone; reading says so as well


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        pass  # read to its end


def _explain(start: Start, error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    if isinstance(error, OSError) and error.filename == start.cwd:
        return f"the working directory {start.cwd} cannot be entered: {reason}"
    if isinstance(error, FileNotFoundError) and os.path.exists(start.argv[0]):
        reason = "the interpreter that its first line names was not found"
    return f"{start.argv[0]} cannot be started: {reason}"
