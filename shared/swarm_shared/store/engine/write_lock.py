"""The holder of the database's write lock, according to the kernel; opens no file of the database."""

from __future__ import annotations

import os
from pathlib import Path

# Where the writers of one database exclude each other: this byte of the -shm file.
# Source: SQLite, os_unix.c: UNIX_SHM_BASE is (22 + SQLITE_SHM_NLOCK) * 4, and WAL_WRITE_LOCK is the first lock.
WRITE_LOCK_BYTE = 120


def write_lock_holder(database: Path) -> int | None:
    """The pid of the process that holds the write lock now; None if there is none, or the system does not report it.

    Source: proc_locks(5): ``1: POSIX ADVISORY WRITE PID MAJOR:MINOR:INODE FIRST LAST``, LAST may be EOF. Waiting
    processes are marked with ``->``, and a pid of another namespace shows as 0.
    """
    try:
        inode = os.stat(f"{database}-shm").st_ino
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        _, kind, *rest = line.split()
        if kind != "POSIX" or len(rest) < 6 or rest[1] != "WRITE":
            continue
        pid, file, first, last = rest[2:6]
        end = int(last) if last.isdecimal() else WRITE_LOCK_BYTE
        # By inode alone: on layered file systems the device shown is not the one that stat reports.
        if file.rpartition(":")[2] == str(inode) and int(first) <= WRITE_LOCK_BYTE <= end and int(pid) > 0:
            return int(pid)
    return None
