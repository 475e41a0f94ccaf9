"""Writers of several processes take turns, so that none requests an SQLite lock that it cannot get."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import apsw
import pytest

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseBusy
from swarm_shared.store.engine import connection


@pytest.fixture
def database(tmp_path: Path) -> Iterator[TaskDatabase]:
    database = TaskDatabase(tmp_path / "tasks.db")
    yield database
    database.close()


class Other:
    """What another process does: it takes a turn, or is frozen during one."""

    def __init__(self, database: TaskDatabase) -> None:
        self._log = os.open(f"{database.path}-wal", os.O_RDONLY | os.O_CLOEXEC)

    def takes_its_turn(self) -> bool:
        try:
            fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def ends_its_turn(self) -> None:
        fcntl.flock(self._log, fcntl.LOCK_UN)


@pytest.fixture
def other(database: TaskDatabase) -> Other:
    return Other(database)


def write(database: TaskDatabase) -> None:
    database.events.add("paused", "a note")


def files_open(name: str) -> list[str]:
    """This process's open files with this text in their path."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # that of this listing itself
            found.append(os.readlink(descriptor))
    return [path for path in found if name in path]


def be_interrupted(database: TaskDatabase) -> None:
    with pytest.raises(KeyboardInterrupt), database.connection.transaction():
        raise KeyboardInterrupt


def find_the_lock_taken(database: TaskDatabase) -> None:
    stranger = apsw.Connection(os.fspath(database.path))  # takes no turns
    stranger.execute("BEGIN IMMEDIATE")
    database.connection.busy_timeout_s = 0.0
    with pytest.raises(DatabaseBusy):
        write(database)
    stranger.close()


def be_interrupted_while_the_lock_is_taken(database: TaskDatabase) -> None:
    stranger = apsw.Connection(os.fspath(database.path))
    stranger.execute("BEGIN IMMEDIATE")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", interrupted)
        with pytest.raises(KeyboardInterrupt):
            write(database)
    stranger.close()


def interrupted(seconds: float) -> None:
    raise KeyboardInterrupt


def test_a_writer_waits_for_its_turn_before_it_requests_the_lock(
    database: TaskDatabase, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[bool] = []
    assert other.takes_its_turn()

    def sleep(seconds: float) -> None:
        began.append(database.connection.in_transaction)
        other.ends_its_turn()

    monkeypatch.setattr(time, "sleep", sleep)
    write(database)
    assert began == [False]


def test_a_process_frozen_during_its_turn_does_not_block_other_writers(
    database: TaskDatabase, other: Other, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        assert now < 1001.0, "it is still waiting"

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "sleep", sleep)
    before = database.events.last_id()
    assert other.takes_its_turn()
    write(database)
    assert database.events.last_id() == before + 1


@pytest.mark.parametrize("act", [write, be_interrupted, find_the_lock_taken, be_interrupted_while_the_lock_is_taken])
def test_a_turn_ends_with_its_transaction_however_that_ends(
    database: TaskDatabase, other: Other, act: Callable[[TaskDatabase], None]
) -> None:
    act(database)
    assert other.takes_its_turn()


def test_a_turn_lasts_as_long_as_the_transaction(database: TaskDatabase, other: Other) -> None:
    with database.connection.transaction():
        assert not other.takes_its_turn()


def test_without_kernel_support_for_these_locks_all_processes_can_still_write(
    database: TaskDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    write(database)


def test_the_log_that_is_synced_is_the_one_that_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new.db"
    connection.create_file(path)
    first, second = connection.Connection(path), connection.Connection(path)
    second.use_wal()
    first.script("CREATE TABLE t (n)")
    flock = fcntl.flock

    def after_the_first_has_left(descriptor: int, operation: int) -> None:
        first.close()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", after_the_first_has_left)
    synced: list[bool] = []
    log = f"{path}-wal"
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.path.samefile(f"/proc/self/fd/{fd}", log)))
    with second.transaction():
        second.change("INSERT INTO t VALUES (1)")
    assert synced == [True]


def test_a_database_that_is_dropped_without_being_closed_leaves_no_file_open(tmp_path: Path) -> None:
    database = TaskDatabase(tmp_path / "dropped.db")
    write(database)
    assert files_open("dropped.db")
    del database
    gc.collect()
    assert files_open("dropped.db") == []
