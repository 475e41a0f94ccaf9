"""What is unusual about the files of a clean worktree, in a way that git does not see."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from msgspec import Struct

_WRITABLE = stat.S_IRUSR | stat.S_IWUSR


class Survey(Struct, frozen=True, kw_only=True):
    """Paths of what a checkout would not have made.

    Args:
        linked: Files with a second name, which may be outside.
        closed: Files and folders that their owner cannot read or write.
        empty: Folders with nothing in them.
    """

    linked: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    def now(self) -> Survey:
        """The same where it still holds, after something was cleaned up."""
        return Survey(
            linked=tuple(path for path in self.linked if _is_linked(path)),
            closed=tuple(path for path in self.closed if _is_closed(path)),
            empty=tuple(path for path in self.empty if _is_empty(path)),
        )

    def open(self) -> None:
        """Give the owner of what is closed the permissions that a checkout gives."""
        for path in self.closed:
            mode = os.lstat(path).st_mode
            os.chmod(path, stat.S_IMODE(mode) | (stat.S_IRWXU if stat.S_ISDIR(mode) else _WRITABLE))


def survey(top: Path, keep: Iterable[Path] = ()) -> Survey:
    """Look at every file; nothing is changed.

    Args:
        keep: Folders to leave out.

    Raises:
        PermissionError: A folder cannot be looked into.
    """
    kept = {os.path.join(top, path) for path in keep}
    linked: list[str] = []
    closed: list[str] = []
    empty: list[str] = []
    waiting = [os.fspath(top)]
    while waiting:
        at = waiting.pop()
        # Names in an open folder: a whole path for each file would take a third longer.
        folder = os.open(at, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            names = os.listdir(folder)
            if not names:
                empty.append(at)
            for name in names:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                mode = status.st_mode
                if stat.S_ISREG(mode):
                    if status.st_nlink != 1:
                        linked.append(os.path.join(at, name))
                    if mode & _WRITABLE != _WRITABLE:
                        closed.append(os.path.join(at, name))
                elif stat.S_ISDIR(mode) and (path := os.path.join(at, name)) not in kept:
                    if mode & stat.S_IRWXU != stat.S_IRWXU:
                        closed.append(path)
                    waiting.append(path)
        finally:
            os.close(folder)
    return Survey(linked=tuple(linked), closed=tuple(closed), empty=tuple(empty))


def _is_linked(path: str) -> bool:
    try:
        return os.lstat(path).st_nlink != 1
    except OSError:
        return False


def _is_closed(path: str) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    wanted = stat.S_IRWXU if stat.S_ISDIR(mode) else _WRITABLE
    return mode & wanted != wanted


def _is_empty(path: str) -> bool:
    try:
        return not os.listdir(path)
    except OSError:
        return False
