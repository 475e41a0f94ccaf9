"""Copies a database that has lost its file: a process that still has it open can read all of it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from swarm_shared.domain.errors import DatabaseError
from swarm_shared.store.engine.connection import Connection

SUFFIX = ".rescued-"


class Rescue:
    """One rescue copy; `file` is None until it exists."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.file: Path | None = None
        self.problem = "no folder that may be written to"  # why there is no copy

    def write(self) -> Path | None:
        """Copy everything that was committed; a second call brings the copy up to date.

        Returns:
            The file, readable by its owner only; None when no folder takes it.
        """
        for folder in (self.file.parent,) if self.file else refuges(self._connection.path):
            try:
                self._write_into(folder)
                break
            except (DatabaseError, OSError) as error:
                self.problem = str(error)
        return self.file

    def _write_into(self, folder: Path) -> None:
        target = self.file or _free_name(folder, self._connection.path.name)
        descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=folder)
        try:
            self._connection.back_up_to(Path(draft))
            os.fsync(descriptor)
            os.replace(draft, target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        self.file = target


def refuges(database: Path) -> Iterator[Path]:
    """Existing folders for a copy, best first: near the database, but in no checkout that a clean-up may empty."""
    folder = Path(os.path.realpath(database.parent))
    while not folder.is_dir():  # it was moved or deleted as a whole
        folder = folder.parent
    checkouts = [each for each in (folder, *folder.parents) if _is_checkout(each)]
    if not checkouts:
        yield folder
    # Out of all of them, else at least out of the innermost; a home folder may be a repository as well.
    yield from (each.parent for each in reversed(checkouts) if each.parent != Path(each.anchor))
    yield from (each for each in (Path.home(), Path(tempfile.gettempdir())) if each.is_dir())
    yield folder


def _is_checkout(folder: Path) -> bool:
    git = folder / ".git"
    return git.is_file() or (git / "HEAD").exists()  # an empty .git makes no repository


def _free_name(folder: Path, name: str) -> Path:
    names = (folder / f"{name}{SUFFIX}{number}" for number in count(1))
    return next(each for each in names if not each.exists())
