"""Acknowledged changes are on disk: a durable commit is synced before its caller continues, outside the write lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from queue_harness import QueueHarness

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.domain.models import Status
from swarm_shared.store.engine.connection import Connection


@pytest.fixture
def database(tmp_path: Path) -> TaskDatabase:
    return TaskDatabase(tmp_path / "tasks.db")


@pytest.fixture
def synced(database: TaskDatabase, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry for each sync of the log: whether the write lock was still held."""
    calls: list[bool] = []
    sync = os.fdatasync

    def noted(descriptor: int) -> None:
        assert os.path.samefile(f"/proc/self/fd/{descriptor}", f"{database.path}-wal")
        calls.append(database.connection.in_transaction)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", noted)
    return calls


def test_a_durable_commit_is_synced_after_the_lock_is_released(database: TaskDatabase, synced: list[bool]) -> None:
    database.swarm.set_flag("paused", actor="test")
    assert synced == [False]


def test_a_commit_that_need_not_be_durable_is_not_synced(database: TaskDatabase, synced: list[bool]) -> None:
    database.events.add("paused", "a note")
    assert synced == []


def test_a_rollback_is_not_synced(database: TaskDatabase, synced: list[bool]) -> None:
    with pytest.raises(RuntimeError), database.connection.transaction():
        raise RuntimeError
    assert synced == []


def test_every_durable_commit_is_synced(database: TaskDatabase, synced: list[bool]) -> None:
    for _ in range(3):
        database.swarm.set_flag("paused", actor="test")
    assert synced == [False] * 3


def test_the_end_of_an_attempt_is_synced_immediately(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = QueueHarness(tmp_path)
    harness.add("a")
    claim = harness.start()
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: synced.append(harness.status("a")))
    harness.settle(claim)
    assert synced == [Status.COMPLETED]


def test_changes_that_a_power_cut_may_undo_are_not_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    harness = QueueHarness(tmp_path)
    harness.add("a")
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", synced.append)
    harness.start()
    assert synced == []


def test_a_failure_to_sync_is_reported(database: TaskDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(DatabaseError, match="could not be written to disk"):
        database.swarm.set_flag("paused", actor="test")


def test_syncing_does_not_drop_the_lock_of_a_running_transaction(database: TaskDatabase) -> None:
    other = Connection(database.path)
    other.busy_timeout_s = 0.05
    try:
        with database.connection.transaction():
            database.connection.sync()
            with pytest.raises(DatabaseError, match="locked"), other.transaction():
                pass
    finally:
        other.close()
