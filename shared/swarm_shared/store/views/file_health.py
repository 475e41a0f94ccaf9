"""Data about the health of the database file, for `doctor` and the Health screen."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec import Struct

from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.sql import SQL


class Sizes(Struct, frozen=True, kw_only=True):
    """Bytes of the file, of its write-ahead log, and free on its disk."""

    database_bytes: int
    wal_bytes: int
    free_bytes: int


class Health(DataAccess):
    """Reads only."""

    def engine_version(self) -> str:
        return str(self._db.value(SQL["engine_version"]))

    def is_durable(self) -> bool:
        """Whether what is acknowledged outlives a power cut: only with the write-ahead log, which is synced for it."""
        return bool(self._db.value(SQL["journal_mode"]) == "wal")

    def damage(self) -> list[str]:
        """What is wrong with the file, empty when it is whole. Reads all of it: seconds for a gigabyte."""
        found = [str(row[0]) for row in self._db.rows(SQL["damage"])]
        return [] if found == ["ok"] else found

    def sizes(self) -> Sizes:
        """By `stat` alone: opening the files of a database that this process has open would drop its locks."""
        disk = os.statvfs(self._db.path.parent)
        return Sizes(
            database_bytes=_size(self._db.path),
            wal_bytes=_size(Path(f"{self._db.path}-wal")),
            free_bytes=disk.f_bavail * disk.f_frsize,
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
