"""Proves that a process and everything that it started have ended, using a file lock that they all hold.

A program opens its own file under `<state>/alive`, locks it, and passes the open file to what it starts. The
kernel keeps the lock for as long as one of them has the file open, whatever it did to its environment, session or
parent; and a lock that can be taken proves that all are gone, also where their pid namespace cannot be seen.

A second file next to it records which processes were seen below the program: a daemon that closes all files is still
found by its pid and start time. It is not passed on: what is recorded gets killed, and an agent must not write there.
A third file records the program's ancestors, which can inherit what it leaves.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from swarm_shared.domain.errors import DatabaseError
from swarm_shared.processes.file_lock import try_lock
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import all_pids, read_stat
from swarm_shared.processes.tree import ancestors

FOLDER = "alive"
CONTAINER_GONE = "its container is gone: nothing holds its lock file"
# Out of the way of programs that expect certain numbers to be free, where the limit on open files allows it.
_DESCRIPTOR = 100
_DELETED = " (deleted)"
_SEEN = ".seen"
_ABOVE = ".above"
# Of one length, so that a shorter record over a longer one leaves whole lines behind.
_LINE = "{:>10} {:>20}\n"
_END = "end\n"  # of a record that is complete


class Lifeline:
    """The calling program's own file, locked until the last process that inherited `descriptor` has ended."""

    def __init__(self, state_dir: Path, process: ProcessId) -> None:
        """Make and lock it.

        Args:
            process: Names the file; a reader of it must know the same process.

        Raises:
            DatabaseError: The file cannot be made, or this file system has no locks.
        """
        self._path = _path(state_dir, process)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.descriptor = _locked(self._path)
            self._record = _high(
                os.open(_seen(self._path), os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            )
            self._note_ancestors()
        except OSError as error:
            raise DatabaseError(
                f"cannot lock {self._path}: {error.strerror}",
                hint="put the database on a local disk, in a folder that you may write to",
            ) from error
        self._recorded: dict[ProcessId, None] = {}

    def record(self, processes: Iterable[ProcessId]) -> None:
        """Write down processes that were seen; those recorded before stay as long as they live."""
        known = {process: None for process in self._recorded if process.is_alive() is not False}
        known |= dict.fromkeys(processes)
        if known.keys() == self._recorded.keys():
            return
        self._recorded = known
        text = "".join(_LINE.format(process.pid, process.start_time) for process in known).encode()
        try:
            os.pwrite(self._record, text, 0)
            os.ftruncate(self._record, len(text))
        except OSError:
            self._recorded = {}  # a full disk, say; the next call writes it again

    def _note_ancestors(self) -> None:
        """Once is enough: a process that loses its parent gets one that is above it already."""
        path = _above(self._path)
        path.unlink(missing_ok=True)
        if (above := ancestors(os.getpid())) is not None:
            text = "".join(_LINE.format(process.pid, process.start_time) for process in above)
            path.write_text(text + _END, encoding="ascii")

    def remove(self) -> None:
        """Remove the files: nothing below the program is left, and the program itself is about to end."""
        _remove(self._path)


class Lifelines:
    """The lock files of all programs of a swarm, to prove that one is gone."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir

    def is_free(self, process: ProcessId) -> bool | None:
        """Whether the program of that file and everything that inherited it are gone.

        Returns:
            None when there is no such file, or it cannot be judged here: locks of another machine may not show.
        """
        return None if process.is_foreign else _is_free(_path(self._state_dir, process))

    def holders(self, process: ProcessId) -> list[ProcessId]:
        """Who holds the lock, as far as /proc shows it; also when the file was deleted meanwhile."""
        path = str(_path(self._state_dir, process).resolve())
        found = []
        for pid in all_pids():
            stat = read_stat(pid) if pid != os.getpid() else None
            if stat is not None and not stat.ended and not stat.kernel_thread and _holds(pid, path):
                found.append(ProcessId.here(pid, stat.start_time))
        return found

    def recorded(self, process: ProcessId) -> list[ProcessId]:
        """What the program has seen below itself; not all of it need live."""
        return _listed(_text(_seen(_path(self._state_dir, process))), process)

    def ancestors(self, process: ProcessId) -> list[ProcessId] | None:
        """The ancestors of a program when it began; None: not known, or of another pid namespace."""
        text = _text(_above(_path(self._state_dir, process)))
        known = text.endswith(_END) and process.pid_ns == ProcessId.mine().pid_ns
        return _listed(text, process) if known else None

    def clear(self, *, needed: Collection[ProcessId]) -> None:
        """Remove the files without a holder, except those of processes that are still to be proven gone."""
        keep = {_path(self._state_dir, process).name for process in needed}
        try:
            files = [*(self._state_dir / FOLDER).iterdir()]
        except OSError:
            return
        names = {file.name.removesuffix(_SEEN).removesuffix(_ABOVE) for file in files}
        locks = {name: self._state_dir / FOLDER / name for name in names}
        for name, lock in locks.items():
            if name not in keep and (not lock.exists() or _is_free(lock)):
                _remove(lock)


def _path(state_dir: Path, process: ProcessId) -> Path:
    boot = process.boot_id.partition("-")[0]
    return state_dir / FOLDER / f"{boot}-{process.pid_ns}-{process.pid}-{process.start_time}"


def _seen(path: Path) -> Path:
    return path.with_name(path.name + _SEEN)


def _above(path: Path) -> Path:
    return path.with_name(path.name + _ABOVE)


def _text(path: Path) -> str:
    """A record; empty if there is none."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _listed(record: str, beside: ProcessId) -> list[ProcessId]:
    """The processes that a record lists, which are of the machine and namespace of another one."""
    found = []
    for line in record.splitlines():
        pid, _, start = line.strip().partition(" ")
        if pid.isdecimal() and start.strip().isdecimal() and int(pid) > 0:
            found.append(beside.beside(int(pid), int(start)))
    return found


def _remove(path: Path) -> None:
    """The records last: without their lock file, the next clean-up removes them."""
    path.unlink(missing_ok=True)
    _seen(path).unlink(missing_ok=True)
    _above(path).unlink(missing_ok=True)


def _locked(path: Path) -> int:
    """A descriptor of the file, which holds its lock."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            if not try_lock(descriptor):
                raise BlockingIOError(errno.EWOULDBLOCK, "another process holds it")
            os.ftruncate(descriptor, 0)
            if not _is_at(path, descriptor):
                continue  # removed between our open and our lock
            return _high(descriptor)
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _high(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _DESCRIPTOR)
    except OSError:  # the limit on open files is lower
        return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)


def _is_free(path: Path) -> bool | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Shared, so that two who look at the same time do not take each other for holders.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return True


def _holds(pid: int, path: str) -> bool:
    """Whether the process has the file open *and* through that the lock: a backup that reads the file is no holder."""
    try:
        descriptors = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return False
    for descriptor in descriptors:
        try:
            if os.readlink(f"/proc/{pid}/fd/{descriptor}").removesuffix(_DELETED) != path:
                continue
            with open(f"/proc/{pid}/fdinfo/{descriptor}", encoding="ascii", errors="replace") as file:
                if any("FLOCK" in line and "WRITE" in line for line in file):
                    return True
        except OSError:
            continue  # closed, or ended
    return False
