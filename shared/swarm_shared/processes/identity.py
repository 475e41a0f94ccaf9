"""Identifies the process that a recorded pid meant, and whether it is still the same one.

A pid alone does not identify a process: the kernel reuses it. Here a process is its pid, its start time, the
boot, the pid namespace and the machine, and a signal reaches exactly that process or none.
"""

from __future__ import annotations

import errno
import os
import select
import signal
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.clock import SystemClock
from swarm_shared.domain.errors import ConfigError
from swarm_shared.processes.procfs import read_stat

# Kernels without pidfds, and sandboxes that do not know the call.
_NO_PIDFDS = (errno.ENOSYS, errno.EINVAL)
# Where the kernel has no pidfds, deaths are looked for this often.
_POLL_S = 0.02
# Source: machine-id(5); the second is older and often a link to the first.
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))


class ProcessId(Struct, frozen=True, kw_only=True):
    """A unique process identity: no two processes ever have the same one.

    Args:
        pid: Its number; at least 1.
        start_time: Clock ticks since boot, field 22 of /proc/PID/stat.
        boot_id: The boot that the ticks count from.
        pid_ns: Inode of the pid namespace that the number counts in; 0 if there are none.
        host_id: The machine that booted; empty if it has no id, and in rows that are older than this column.

    Raises:
        ValueError: The pid is below 1; to the kernel 0 and -1 mean many processes at once.
    """

    pid: int
    start_time: int
    boot_id: str
    pid_ns: int
    host_id: str = ""

    def __post_init__(self) -> None:
        if self.pid < 1:
            raise ValueError(f"{self.pid} is not the pid of one process")

    @classmethod
    def from_row(cls, pid: int, pid_start: int, boot_id: str, pid_ns: int, host_id: str | None) -> ProcessId:
        """The process that a row names in these five columns."""
        if boot_id == SystemClock().boot_id():
            host_id = own_host_id()  # a boot is of one machine, whatever id a container has been given
        return cls(pid=pid, start_time=pid_start, boot_id=boot_id, pid_ns=pid_ns, host_id=host_id or "")

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this pid now, one that has ended but is not yet waited for included."""
        stat = read_stat(pid) if pid > 0 else None
        return None if stat is None else cls.here(pid, stat.start_time)

    @classmethod
    def here(cls, pid: int, start_time: int) -> ProcessId:
        """A process of this boot and pid namespace."""
        return cls(
            pid=pid,
            start_time=start_time,
            boot_id=SystemClock().boot_id(),
            pid_ns=_own_namespace(),
            host_id=own_host_id(),
        )

    def beside(self, pid: int, start_time: int) -> ProcessId:
        """Another process of the same machine, boot and pid namespace."""
        return replace(self, pid=pid, start_time=start_time)

    def columns(self) -> dict[str, Any]:
        """The values of the columns that `from_row` reads, by their names."""
        return {
            "pid": self.pid,
            "pid_start": self.start_time,
            "boot_id": self.boot_id,
            "pid_ns": self.pid_ns,
            "host_id": self.host_id,
        }

    @property
    def is_foreign(self) -> bool:
        """Whether it belongs to another machine, so that nothing can be known about it here."""
        here = own_host_id()
        return bool(self.host_id and here) and self.host_id != here and self.boot_id != SystemClock().boot_id()

    @classmethod
    def mine(cls) -> ProcessId:
        """The calling process.

        Raises:
            ConfigError: /proc is not mounted, or is that of another pid namespace.
        """
        mine = cls.of(os.getpid())
        if mine is None:
            raise ConfigError(
                "/proc does not show this process, so the swarm could not find and end the processes of its agents",
                hint="mount it: mount -t proc proc /proc",
            )
        return mine

    def is_alive(self) -> bool | None:
        """Whether it runs; False once it has ended, even before its parent waits for it; None when unknown.

        After a reboot of this machine it is certainly gone. A pid of another machine or pid namespace means nothing
        here.
        """
        if self.is_foreign:
            return None
        if self.boot_id != SystemClock().boot_id():
            return False
        if self.pid_ns != _own_namespace():
            return None
        stat = read_stat(self.pid)
        if stat is None:
            # /proc may hide the processes of others (hidepid): then nothing is proven.
            return None if _answers(self.pid) else False
        return stat.start_time == self.start_time and not stat.ended

    def pidfd(self) -> int | None:
        """A descriptor that becomes readable when it has ended; the caller closes it.

        Returns:
            None if it has certainly ended, cannot be judged here, or the system has no pidfds:
            `is_alive` says which.
        """
        if self.pid_ns != _own_namespace() or not hasattr(os, "pidfd_open"):
            return None
        try:
            descriptor = os.pidfd_open(self.pid)
        except (ProcessLookupError, PermissionError):
            return None
        except OSError as error:
            if error.errno in _NO_PIDFDS:
                return None
            raise
        # Opened first, compared second: from here on the descriptor cannot come to mean another process.
        found = ProcessId.of(self.pid)
        if found != self:
            os.close(descriptor)
            return None
        return descriptor

    def kill(self, signal_number: int) -> bool:
        """Send a signal to exactly this process.

        Returns:
            False when it was not sent: the process has ended, its pid belongs to another one now, or we
            are not allowed.
        """
        descriptor = self.pidfd()
        try:
            if descriptor is not None:
                signal.pidfd_send_signal(descriptor, signal_number)
            elif ProcessId.of(self.pid) == self:  # no pidfds here: compare at the last moment
                os.kill(self.pid, signal_number)
            else:
                return False
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            if descriptor is not None:
                os.close(descriptor)
        return True

    def describe(self) -> str:
        """The process as text: pid, name and state; no command line, which may hold secrets."""
        if self.is_foreign:
            return f"pid {self.pid} of another machine"
        if self.pid_ns != _own_namespace():
            return f"pid {self.pid} of another pid namespace"
        stat = read_stat(self.pid)
        if stat is None or stat.start_time != self.start_time:
            return f"pid {self.pid} (ended)"
        return f"pid {self.pid} ({stat.name}, state {stat.state})"


OWNER_VARIABLE = "SWARM_OWNER"  # PID:START of the `start` that nothing of its suite may outlive


SUPERVISORD_VARIABLE = "SWARM_SUPERVISORD"  # PID:START of the supervisord that a program must not outlive


def owner_from(environ: Mapping[str, str]) -> ProcessId | None:
    """The `start` that owns this suite, when there is one: SWARM_OWNER as PID:START of this boot."""
    return _named(environ, OWNER_VARIABLE)


def supervisord_from(environ: Mapping[str, str]) -> ProcessId | None:
    """The supervisord that started this process, when one did; it may have died since."""
    if "SUPERVISOR_ENABLED" not in environ:
        return None
    # Our parent may be another one by now: if it dies while we start, our parent is init, which never ends.
    return _named(environ, SUPERVISORD_VARIABLE) or ProcessId.of(os.getppid())


def _named(environ: Mapping[str, str], variable: str) -> ProcessId | None:
    pid, _, start = environ.get(variable, "").partition(":")
    if not pid.isdecimal() or not start.isdecimal() or int(pid) < 1:
        return None
    return ProcessId.here(int(pid), int(start))


def wait_for_ends(processes: Iterable[ProcessId], timeout_s: float) -> None:
    """Return as soon as one of these has ended, or after the time."""
    poll = select.poll()
    descriptors: list[int] = []
    try:
        for process in processes:
            descriptor = process.pidfd()
            if descriptor is not None:
                descriptors.append(descriptor)
                poll.register(descriptor, select.POLLIN)
                continue
            alive = process.is_alive()
            if alive is False:
                return
            if alive:
                timeout_s = min(timeout_s, _POLL_S)
        poll.poll(max(timeout_s, 0) * 1000)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


@cache
def own_host_id() -> str:
    """Names this machine across its boots; empty if it has no id, as in many containers.

    The machine's id is confidential, so only a checksum of it is stored.
    """
    for path in _MACHINE_IDS:
        try:
            found = path.read_bytes().strip()
        except OSError:
            continue
        if found and found != b"uninitialized":
            return f"{crc32(found):08x}{crc32(found[::-1]):08x}"
    return ""


@cache
def _own_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it exists, and belongs to another user
    return True
