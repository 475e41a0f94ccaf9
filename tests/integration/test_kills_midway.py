"""Large changes that are killed halfway or made by several processes: they are complete, or they have no effect."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import midway
import psutil
import pytest
from live_swarm import DEADLINE_S, wait_until

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.store import sql
from swarm_shared.store.engine import schema as migrations
from swarm_shared.store.engine.connection import Connection

pytestmark = pytest.mark.integration


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.db"
    with TaskDatabase(path) as made:
        made.imports.run([TaskSpec(id="was-there", name="x")], source="a test", actor="test")
    return path


@contextmanager
def doing(what: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process at work on it, killed at the end."""
    process = subprocess.Popen(
        [sys.executable, midway.__file__, what, str(path)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_upgrade_killed_halfway_is_started_again(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Connection(database)
    with doing("upgrade", database) as process:
        # Uncommitted work shows only as a log that grows while no other process gets the lock.
        log = Path(f"{database}-wal")
        wait_until(lambda: process.poll() is not None or log.stat().st_size > 10_000_000)
        assert process.poll() is None
        assert not watch.takes_writes(within_s=0.05)
    watch.close()
    with TaskDatabase(database) as as_before:
        assert as_before.tasks.get("was-there")["status"] == Status.NOT_STARTED
        assert as_before.connection.value("PRAGMA user_version") == migrations.SCHEMA_VERSION
        assert as_before.connection.value("PRAGMA integrity_check") == "ok"
    newer = migrations.SCHEMA_VERSION + 1
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", newer)
    monkeypatch.setattr(sql, "migrations", lambda: [(newer, midway.UPGRADE.replace("1000000000", "10"))])
    with TaskDatabase(database) as upgraded:
        assert upgraded.connection.value("SELECT count(*) FROM numbers") == 10
        assert upgraded.connection.value("PRAGMA user_version") == newer


@pytest.mark.parametrize("moment", ["staging", "publishing"])
def test_an_import_killed_halfway_is_complete_or_has_no_effect(database: Path, moment: str) -> None:
    with TaskDatabase(database) as watch:
        with doing(moment, database) as process:
            wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        assert watch.connection.value("SELECT count(*) FROM staged") > 0, "killed halfway"
        assert watch.imports.clear_up() == 1
        there = watch.tasks.page()[1]
        assert there == (1 if moment == "staging" else 1 + midway.TASKS)
        assert watch.connection.value("SELECT count(*) FROM staged") == 0
        if moment == "publishing":
            assert watch.tasks.get("t1")["status"] == Status.BLOCKED
            assert watch.connection.value("SELECT count(*) FROM dependencies") == midway.TASKS * 2 // 3
        assert watch.connection.value("PRAGMA integrity_check") == "ok"


def test_imports_of_the_same_file_at_once_are_one_import_and_repetitions(database: Path) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(doing("import", database)) for _ in range(3)]
        results = [json.loads(process.communicate(timeout=DEADLINE_S)[0]) for process in processes]
    assert sorted(result["imported"] for result in results) == [0, 0, midway.TASKS]
    assert sorted(result["unchanged"] for result in results) == [0, midway.TASKS, midway.TASKS]
    with TaskDatabase(database) as watch:
        assert watch.imports.clear_up() == 0
        assert watch.tasks.page()[1] == 1 + midway.TASKS
