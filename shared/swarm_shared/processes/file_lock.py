"""An advisory lock: one process at a time, released by the kernel however its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swarm_shared.domain.errors import DatabaseError


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file, unless another one has it; whether it is ours now.

    A process that inherits the descriptor also holds the lock. It ends when the last one closes it, or by `unlock`.

    Raises:
        DatabaseError: This file system has no locks.
    """
    try:
        _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock(descriptor: int, operation: int) -> None:
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno == errno.EWOULDBLOCK:
            raise
        raise DatabaseError(
            f"files cannot be locked where the database is: {error.strerror}",
            hint="put the database on a local disk: without file locks two swarms could work on it at once",
        ) from error


def unlock(descriptor: int) -> None:
    """Give the lock back, if it is ours, and keep the file open."""
    fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def alone(lock: Path, *, wait: bool) -> Iterator[bool]:
    """Hold a lock file in a state directory, which is made where it is missing; the value says whether it was taken.

    Args:
        wait: Wait for the other one, however long; else give up at once.

    Raises:
        DatabaseError: The file cannot be made, or this file system has no locks.
    """
    try:
        lock.parent.mkdir(mode=0o700, exist_ok=True)  # its own parent holds the database
        descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DatabaseError(
            f"cannot make {lock}: {error.strerror}", hint="choose a folder that you may write to"
        ) from error
    try:
        if wait:
            _lock(descriptor, fcntl.LOCK_EX)
        yield wait or try_lock(descriptor)
    finally:
        os.close(descriptor)
