"""The file of an open database: checks that it has only one name, and that its path still leads to it.

Everything here works by `stat` and by links in /proc. Opening a database's file a second time in the same process and
closing it again would drop SQLite's locks.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.errors import DatabaseError

_NOT_THERE = (errno.ENOENT, errno.ENOTDIR)
_DELETED = " (deleted)"  # how /proc shows a file without a name


class OpenedFile(Struct, frozen=True, kw_only=True):
    """A path, and the file that it led to when it was opened."""

    path: Path
    device: int
    inode: int

    @classmethod
    def at(cls, path: Path) -> OpenedFile:
        """The file that is there now.

        Raises:
            DatabaseError: There is none, it cannot be looked at, or it has several names (hard links). Write-ahead
                log and locks are named after the path, so processes that use different names damage the file.
        """
        try:
            found = os.stat(path)
        except OSError as error:
            if error.errno in _NOT_THERE:
                refuse_dangling_link(path)
                raise DatabaseError(
                    f"no database at {path}", hint="create it with: amplifier-swarm import-tasks FILE --db PATH"
                ) from error
            raise DatabaseError(
                f"{path} cannot be read: {error.strerror}",
                hint="choose another path, or check the permissions of its folders",
            ) from error
        if found.st_nlink > 1:
            raise DatabaseError(
                f"{path} has {found.st_nlink} names (hard links); using a database under two names damages it",
                hint=f"`find FOLDER -xdev -samefile {path}` lists them: keep the one with a -wal file beside it, and "
                "replace or delete the others (amplifier-swarm backup makes copies)",
            )
        return cls(path=path, device=found.st_dev, inode=found.st_ino)

    def change(self) -> str | None:
        """What happened to the file since, such as "was deleted"; None while its path still leads to it."""
        try:
            found = os.stat(self.path)
        except OSError as error:
            if error.errno not in _NOT_THERE:
                return None  # an unreadable folder proves nothing about the file
            return self._where_to()
        if (found.st_dev, found.st_ino) == (self.device, self.inode):
            return None
        return "was replaced by another file"

    def _where_to(self) -> str:
        for link in Path("/proc/self/fd").glob("*"):
            try:
                found, target = os.stat(link), os.readlink(link)
            except OSError:
                continue  # closed meanwhile
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                return "was deleted" if target.endswith(_DELETED) else f"was moved to {target}"
        return "was deleted or moved"


def refuse_dangling_link(path: Path) -> None:
    """Name the target that is missing.

    Raises:
        DatabaseError: The path is a symbolic link to nothing.
    """
    if path.is_symlink() and not path.exists():
        raise DatabaseError(
            f"{path} is a link to {os.readlink(path)}, which does not exist", hint="delete or correct the link"
        )


def still_open_elsewhere(path: Path) -> int | None:
    """The pid of a process that works on a database which is missing at this path; None when none can be seen."""
    home = os.path.realpath(path.parent) + os.sep + path.name
    # Of a file that was moved away, the log and the shared memory keep the old name.
    names = {home + part + mark for part in ("", "-wal", "-shm") for mark in ("", _DELETED)}
    for process in Path("/proc").glob("[1-9]*"):
        try:
            if any(os.readlink(link) in names for link in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue  # another user's, or ended meanwhile
    return None
