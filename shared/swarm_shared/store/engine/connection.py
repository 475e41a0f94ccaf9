"""The only module that uses SQLite: checks the engine, opens files, runs transactions, and makes errors readable.

Amplifier Swarm includes its own engine (apsw). The standard library's module is never imported: two SQLite
libraries in one process strip each other's file locks.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

import apsw

from swarm_shared.domain.errors import DatabaseBusy, DatabaseError
from swarm_shared.processes.file_lock import try_lock, unlock
from swarm_shared.store.engine.opened_file import OpenedFile, refuse_dangling_link

Params = Mapping[str, Any] | Sequence[Any]

BUSY_TIMEOUT_S = 30.0
BUSY_WAIT_S = (0.0001, 0.0005)  # SQLite's own handler grows to 100 ms, which starves old waiters
SHORT_WAIT_S = (0.00002, 0.0001)  # at first: most transactions hold the lock for about 0.1 ms
SHORT_WAITS = 8
QUEUE_S = 0.05  # as long as a writer waits for its turn before it asks SQLite anyway
APPLICATION_ID = 0x5357524D  # "SWRM", in the file's header
PAGE_CACHE_KIB = 2_000
WAL_AUTOCHECKPOINT_PAGES = 4_000  # 16 MiB: the writer that fills it waits for two syncs
JOURNAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024

_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs"}
)


def engine_version() -> str:
    """The version of SQLite that is built in, such as 3.53.3."""
    return str(apsw.sqlite_lib_version())


def check_engine(version: str) -> None:
    """Refuse an SQLite that can lose committed transactions of concurrent writers (the WAL-reset bug).

    Raises:
        DatabaseError: The version is 3.7.0–3.51.2 without the back-ported fix, or the withdrawn 3.52.0.
    Source: sqlite.org, release notes of 3.51.3, 3.50.7 and 3.44.6.
    """
    parts = tuple(int(part) for part in version.split(".")[:3])
    fixed = parts >= (3, 51, 3) or (3, 50, 7) <= parts < (3, 51, 0) or (3, 44, 6) <= parts < (3, 45, 0)
    if not fixed or parts == (3, 52, 0):
        raise DatabaseError(
            f"SQLite {version} can lose committed work when several processes write",
            hint="install a current apsw: pip install --upgrade apsw",
        )


class Connection:
    """One SQLite connection, for one thread, opened after any fork and closed by its owner."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open an existing database file.

        Raises:
            DatabaseError: Missing, unreadable, with a second name, on a network disk, not a database, or a refused
                engine.
        """
        check_engine(engine_version())
        self.path = path
        self.busy_timeout_s = BUSY_TIMEOUT_S
        self._log_path = f"{os.fspath(path)}-wal"
        self._log: FileIO | None = None  # the write-ahead log, for syncing and turns; it closes when it is dropped
        self._busy_until = 0.0
        self.file = OpenedFile.at(path)
        refuse_network_disk(path)
        flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE
        with self._errors():
            self._raw = apsw.Connection(os.fspath(path), flags=flags, statementcachesize=200)
            self._raw.set_busy_handler(self._wait_for_lock)
            # Otherwise a statement that could use a partial index is planned again for each other value bound to it.
            self._raw.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
            self._raw.execute("PRAGMA foreign_keys=ON")
            self._raw.execute(f"PRAGMA cache_size=-{PAGE_CACHE_KIB}")
            self._raw.execute("PRAGMA temp_store=MEMORY")
            self._raw.execute("PRAGMA synchronous=NORMAL")  # what must be durable is synced by `sync`
            # Both hold for one connection only, unlike the journal mode.
            self._raw.execute(f"PRAGMA wal_autocheckpoint={WAL_AUTOCHECKPOINT_PAGES}")
            self._raw.execute(f"PRAGMA journal_size_limit={JOURNAL_SIZE_LIMIT_BYTES}")
            self._cursor = self._raw.cursor()  # one for all: every statement is read to its end before the next one
        if self.file.change() is not None:  # between our look and SQLite's open
            self.close()
            raise DatabaseError(f"{path} was replaced while it was being opened", hint="try again")

    def use_wal(self) -> None:
        """Switch the file to write-ahead logging; once set it stays with the file."""
        with self._errors():
            mode = self._raw.execute("PRAGMA journal_mode=WAL").get
            if mode != "wal":
                raise DatabaseError(
                    f"{self.path}: write-ahead logging is not possible here",
                    hint="keep the database on a local disk",
                )
            self.value("SELECT count(*) FROM sqlite_schema")  # from here on the log stays the same file

    def close(self) -> None:
        self._raw.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def transaction(self, *, durable: bool = True) -> Transaction:
        """One IMMEDIATE transaction: committed at the end, rolled back on any exception.

        Args:
            durable: True syncs the commit to disk (state that was acknowledged); False may lose the
                last moments in a power failure, never in the death of a process (claims, heartbeats, output).

        Raises:
            DatabaseBusy: Another process kept the write lock beyond `busy_timeout_s`.
        """
        return Transaction(self, durable)

    def begin(self) -> None:
        """Start a transaction; for `Transaction`."""
        self._wait_for_turn()
        try:
            self._cursor.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self._end_turn()
            if isinstance(error, apsw.Error):
                raise self._database_error(error) from error
            raise

    def finish(self, *, commit: bool) -> None:
        """End a transaction; for `Transaction`. A commit that fails is rolled back."""
        try:
            if commit:
                self._cursor.execute("COMMIT")
        except apsw.Error as error:
            raise self._database_error(error) from error
        finally:
            try:
                # A full disk or a corrupt page may have rolled back by itself already.
                if self._raw.in_transaction:
                    self._cursor.execute("ROLLBACK")
            finally:
                self._end_turn()

    def sync(self) -> None:
        """Make everything committed so far durable, after the write lock was released.

        SQLite's own `synchronous=FULL` does the same inside the lock, where every other writer waits for the disk.
        Here several writers' syncs meet in one. Only this log is opened and never the database or its -shm file, whose
        POSIX locks a closed descriptor would drop; the log has no locks.

        Raises:
            DatabaseError: The disk failed. What was committed is visible, but not known to be durable.
        Source: sqlite.org, “Write-Ahead Logging” and “PRAGMA synchronous”: under NORMAL a checkpoint still syncs the
            log before, and the database after, so only the newest commits of the log depend on this.
        """
        try:
            if (log := self._opened_log()) is not None:
                os.fdatasync(log)
        except OSError as error:
            raise DatabaseError(
                f"{self._log_path} could not be written to disk: {error.strerror}",
                hint="check the disk; nothing was lost yet",
            ) from error

    def _opened_log(self) -> int | None:
        """The descriptor of the write-ahead log; None for a database without one, which syncs by itself."""
        if self._log is None:
            with suppress(FileNotFoundError):
                self._log = FileIO(self._log_path)  # the same file as long as any process has the database open
        return None if self._log is None else self._log.fileno()

    def _wait_for_turn(self) -> None:
        """Wait until none of our other processes writes, and say that this one does.

        Nothing depends on it: SQLite's own lock decides, and a writer that has waited long, say behind a frozen
        process, goes ahead without a turn. It makes waiting cheap, because a BEGIN that finds the lock taken has read
        the log's end and dropped its pages for nothing. The kernel keeps this lock apart from SQLite's, another kind.
        A checkpoint at the end of a COMMIT is within the turn: with no other writer meanwhile it empties the log in
        one go, where each of the next commits would try again, with a third more syncs in all.
        """
        if self._try_turn():
            return
        until = time.monotonic() + min(QUEUE_S, self.busy_timeout_s)
        waits = 0
        while time.monotonic() < until:
            time.sleep(random.uniform(*(SHORT_WAIT_S if waits < SHORT_WAITS else BUSY_WAIT_S)))
            waits += 1
            if self._try_turn():
                return

    def _try_turn(self) -> bool:
        """Take the turn if it is free; True also where turns are not used."""
        try:
            return (log := self._opened_log()) is None or try_lock(log)
        except (OSError, DatabaseError):
            return True  # no descriptor or no such lock: turns are a courtesy, and SQLite itself decides

    def _end_turn(self) -> None:
        if self._log is not None:
            with suppress(OSError):
                unlock(self._log.fileno())

    def rows(self, sql: str, params: Params = ()) -> list[tuple[Any, ...]]:
        """All rows of a statement, fetched whole so that no read snapshot stays open."""
        try:
            return self._cursor.execute(sql, params).fetchall()
        except apsw.Error as error:
            raise self._database_error(error) from error

    def row(self, sql: str, params: Params = ()) -> tuple[Any, ...] | None:
        """The first row, or None."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def value(self, sql: str, params: Params = ()) -> Any:
        """The first column of the first row, or None."""
        found = self.rows(sql, params)
        return found[0][0] if found else None

    def dicts(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        """All rows as dictionaries, for reading paths that render them."""
        try:
            cursor = self._raw.execute(sql, params)
            try:
                names = [column[0] for column in cursor.get_description()]
            except apsw.ExecutionCompleteError:
                return []  # how apsw says that there is no row
            return [dict(zip(names, row, strict=True)) for row in cursor]
        except apsw.Error as error:
            raise self._database_error(error) from error

    def change(self, sql: str, params: Params = ()) -> int:
        """Run a writing statement; the number of rows it changed."""
        try:
            self._cursor.execute(sql, params)
            return self._raw.changes()
        except apsw.Error as error:
            raise self._database_error(error) from error

    def change_many(self, sql: str, params: Sequence[Params]) -> None:
        """Run a writing statement once per set of values."""
        try:
            self._raw.executemany(sql, params)
        except apsw.Error as error:
            raise self._database_error(error) from error

    def script(self, sql: str) -> None:
        """Run several statements; for schema and migrations."""
        with self._errors():
            self._raw.execute(sql)

    @property
    def in_transaction(self) -> bool:
        return self._raw.in_transaction

    def last_id(self) -> int:
        """The integer key of the row inserted last on this connection."""
        return self._raw.last_insert_rowid()

    def data_version(self) -> int:
        """Moves when another connection has committed; says "look", never what. Costs microseconds."""
        with self._errors():
            return int(self._cursor.execute("PRAGMA data_version").get)

    def takes_writes(self, *, within_s: float) -> bool:
        """Whether the write lock can be had within the time; nothing is written."""
        usual, self.busy_timeout_s = self.busy_timeout_s, within_s
        try:
            with self.transaction(durable=False):
                return True
        except DatabaseBusy:
            return False
        finally:
            self.busy_timeout_s = usual

    def back_up_to(self, target: Path) -> None:
        """Write a consistent copy into a new file; never by copying the live file."""
        with self._errors():
            self._raw.execute("VACUUM INTO ?", (os.fspath(target),))

    def checkpoint(self, *, truncate: bool = False) -> None:
        """Move the write-ahead log into the database file as far as readers allow."""
        mode = apsw.SQLITE_CHECKPOINT_TRUNCATE if truncate else apsw.SQLITE_CHECKPOINT_PASSIVE
        try:
            with self._errors():
                self._raw.wal_checkpoint(mode=mode)
        except DatabaseBusy:
            pass  # another process writes or checkpoints right now: the next round will do

    def _wait_for_lock(self, tries: int) -> bool:
        now = time.monotonic()
        if tries == 0:
            self._busy_until = now + self.busy_timeout_s
        if now >= self._busy_until:
            return False
        time.sleep(random.uniform(*BUSY_WAIT_S))
        return True

    def _database_error(self, error: apsw.Error) -> DatabaseError:
        """The same error, readable; a mistake in our own SQL stays what it is."""
        if isinstance(error, apsw.BusyError):
            return DatabaseBusy(
                f"{self.path} stayed locked for {self.busy_timeout_s:.0f} s",
                hint="another process holds the write lock: amplifier-swarm doctor names it",
            )
        if isinstance(error, apsw.NotADBError | apsw.CorruptError):
            return DatabaseError(
                f"{self.path} is damaged or is not a database ({error})",
                hint="keep the file, then restore a copy made with: amplifier-swarm backup FILE",
            )
        if isinstance(error, apsw.FullError):
            return DatabaseError(f"the disk under {self.path} is full", hint="free some space; nothing was lost")
        if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | apsw.PermissionsError | apsw.IOError):
            return DatabaseError(f"{self.path} cannot be read or written ({error})", hint=self._access_advice())
        raise error

    def _access_advice(self) -> str:
        with suppress(OSError):
            if os.statvfs(self.path.parent).f_flag & os.ST_RDONLY:
                return (
                    "the file system is read-only, and reading needs to write a -shm file: copy the database, with its "
                    "-wal file if there is one, to a folder that can be written"
                )
        return "check the permissions of the file and of its folder"

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise self._database_error(error) from error


class Transaction:
    """The only way in which writes are grouped; a class because a generator would cost a task a tenth of its time."""

    __slots__ = ("_connection", "_durable")

    def __init__(self, connection: Connection, durable: bool) -> None:
        self._connection, self._durable = connection, durable

    def __enter__(self) -> None:
        self._connection.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.finish(commit=kind is None)
        if kind is None and self._durable:
            self._connection.sync()


def create_file(path: Path) -> None:
    """Create an empty database file that only its owner can read; an existing one is left alone.

    Only for a path that this process has not opened yet: closing a descriptor of an open database drops its locks.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        refuse_dangling_link(path)
    except OSError as error:
        raise DatabaseError(
            f"cannot create {path}: {error.strerror}", hint="choose another path in a folder that you may write to"
        ) from error


def refuse_network_disk(path: Path) -> None:
    """Write-ahead logging needs memory shared by all processes, which network disks do not give.

    Raises:
        DatabaseError: The file is on a network file system.
    """
    try:
        mounts = Path("/proc/self/mountinfo").read_text(errors="replace")
    except OSError:
        return
    folder = os.path.realpath(path.parent)
    best, kind = "", ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4]
        inside = folder == point or folder.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    if kind in _NETWORK_FILE_SYSTEMS:
        raise DatabaseError(
            f"{path} lies on a network disk ({kind}), where SQLite cannot be shared safely",
            hint="keep the database on a local disk: --db PATH",
        )
