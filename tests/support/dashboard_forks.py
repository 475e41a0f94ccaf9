"""Starts dashboards by forking a process that has imported them: a start takes a third of the CPU time.

`DashboardForks` runs this file as that process and sends it one request per dashboard. What is forked runs the
program's own `main`. How the program starts by itself is tested in tests/unit/dashboard/test_process.py.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import FileIO
from typing import NoReturn, TextIO

MODULES = ("swarm_dashboard.__main__", "swarm_dashboard.server.server")  # they import all others
MOST_BYTES = 1 << 17  # of a request: mostly the environment


class Forked:
    """A forked dashboard, with those methods of `Popen` that tests use. Its exit code is not known here."""

    def __init__(self, pid: int, pidfd: int, stderr: TextIO) -> None:
        self.pid, self.stderr = pid, stderr
        self._life = FileIO(pidfd)  # it closes when it is dropped
        self._end = select.poll()
        self._end.register(self._life, select.POLLIN)

    def poll(self) -> int | None:
        """0 once it has ended, whatever its exit code; None while it runs."""
        return 0 if self._end.poll(0) else None

    def wait(self, timeout: float) -> None:
        if not self._end.poll(timeout * 1000):
            raise subprocess.TimeoutExpired("swarm_dashboard", timeout)

    def terminate(self) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._life.fileno(), signal.SIGTERM)


class DashboardForks:
    """The process that forks, as seen from the tests."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    def start(self, arguments: Sequence[str], environ: Mapping[str, str]) -> Forked:
        """A dashboard that runs with these arguments and this environment in the current folder."""
        read, write = os.pipe()
        job = {"arguments": [*arguments], "environ": {**environ}, "folder": os.getcwd()}
        socket.send_fds(self._channel, [json.dumps(job).encode()], [write])
        os.close(write)
        answer, (pidfd,), _, _ = socket.recv_fds(self._channel, MOST_BYTES, 1)
        return Forked(int(answer), pidfd, os.fdopen(read))


@contextmanager
def dashboard_forks() -> Iterator[DashboardForks]:
    """Start the process that forks; end it afterwards."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            process = subprocess.Popen([sys.executable, __file__, str(theirs.fileno())], pass_fds=(theirs.fileno(),))
        try:
            yield DashboardForks(ours)
        finally:
            ours.shutdown(socket.SHUT_RDWR)
            process.wait()


def main(channel: socket.socket) -> int:
    """Fork what is asked for until the tests are over."""
    for module in MODULES:
        importlib.import_module(module)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system clears up after them
    while True:
        request, descriptors, _, _ = socket.recv_fds(channel, MOST_BYTES, 1)
        if not request:
            return 0
        (stderr,) = descriptors
        pid = os.fork()
        if pid == 0:
            channel.close()
            become(json.loads(request), stderr)
        pidfd = os.pidfd_open(pid)
        socket.send_fds(channel, [str(pid).encode()], [pidfd])
        os.close(pidfd)
        os.close(stderr)


def become(job: dict[str, object], stderr: int) -> NoReturn:
    """Be the dashboard; never returns."""
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(stderr, 2)
        os.close(stderr)
        os.environ.clear()
        os.environ.update(job["environ"])  # type: ignore[call-overload]
        os.chdir(str(job["folder"]))
        arguments: list[str] = job["arguments"]  # type: ignore[assignment]
        sys.argv = ["swarm-dashboard", *arguments]
        code = sys.modules["swarm_dashboard.__main__"].main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        sys.exit(main(requests))
