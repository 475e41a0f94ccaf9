"""The kernel reports who holds the write lock, without opening a file of the database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from swarm_shared.database import TaskDatabase
from swarm_shared.store.engine.write_lock import write_lock_holder

HOLD = """
import sys
from swarm_shared.database import TaskDatabase
with TaskDatabase(sys.argv[1]) as database, database.connection.transaction():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows who holds a lock")
def test_the_holder_of_the_write_lock_is_named_and_none_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    with TaskDatabase(path) as database:
        assert write_lock_holder(path) is None
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            assert process.stdout.readline() == b"held\n"
            assert write_lock_holder(path) == process.pid
            assert database.tasks.counts() == {}  # reading continues
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait()
        assert write_lock_holder(path) is None


def test_a_database_that_is_not_open_has_no_holder(tmp_path: Path) -> None:
    assert write_lock_holder(tmp_path / "missing.db") is None
