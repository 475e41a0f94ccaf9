"""Schema upgrades, tested with versions that do not exist yet: each step is applied once, completely or not at all."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from queue_harness import PASSED, QueueHarness

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError, SwarmError
from swarm_shared.domain.models import Status, Verb
from swarm_shared.store import sql
from swarm_shared.store.engine import schema as migrations
from swarm_shared.store.engine.connection import APPLICATION_ID, Connection

PRESENT = migrations.SCHEMA_VERSION
SECOND = (PRESENT + 1, "ALTER TABLE tasks ADD COLUMN colour TEXT NOT NULL DEFAULT 'red';")
THIRD = (
    PRESENT + 2,
    "CREATE TABLE paints (name TEXT PRIMARY KEY) STRICT; INSERT INTO paints SELECT DISTINCT colour FROM tasks;",
)
BROKEN = (PRESENT + 2, "UPDATE tasks SET colour = 'blue'; UPDATE no_such_table SET name = 1;")


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A file as the current version leaves it, with one completed and one running task."""
    harness = QueueHarness(tmp_path)
    harness.add("a", "b")
    harness.run(PASSED)
    harness.start()
    harness.db.close()
    return harness.path


def release(monkeypatch: pytest.MonkeyPatch, *steps: tuple[int, str]) -> None:
    """Install these as the versions after the first."""
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", steps[-1][0])
    monkeypatch.setattr(sql, "migrations", lambda: list(steps))


def ask(path: Path, statement: str) -> list[tuple[object, ...]]:
    """The file's contents, read without an upgrade."""
    connection = Connection(path, read_only=True)
    try:
        return connection.rows(statement)
    finally:
        connection.close()


def version(path: Path) -> object:
    return ask(path, "PRAGMA user_version")[0][0]


def test_the_current_version_is_the_last_migration() -> None:
    assert [reached for reached, _ in sql.migrations()] == list(range(2, migrations.SCHEMA_VERSION + 1))


def test_an_old_file_is_upgraded_step_by_step_and_keeps_everything(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ask(released, "SELECT id, status, lease_token, open_attempt FROM tasks ORDER BY seq")
    release(monkeypatch, SECOND, THIRD)
    with TaskDatabase(released) as database:
        assert database.connection.rows("SELECT name FROM paints") == [("red",)]
        assert database.tasks.get("a")["status"] == Status.COMPLETED
    assert version(released) == THIRD[0]
    assert ask(released, "SELECT id, status, lease_token, open_attempt FROM tasks ORDER BY seq") == before


def test_a_partly_upgraded_file_gets_only_the_missing_steps(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, SECOND)
    TaskDatabase(released).close()
    release(monkeypatch, SECOND, THIRD)  # repeating the second step would fail: the column exists
    TaskDatabase(released).close()
    TaskDatabase(released).close()
    assert ask(released, "SELECT count(*) FROM paints") == [(1,)]


def test_a_step_that_fails_leaves_the_file_unchanged(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, SECOND, BROKEN)
    with pytest.raises(Exception, match="no_such_table"):
        TaskDatabase(released)
    assert version(released) == PRESENT
    assert "colour" not in str(ask(released, "SELECT sql FROM sqlite_schema"))
    release(monkeypatch, SECOND, THIRD)
    TaskDatabase(released).close()
    assert version(released) == THIRD[0]


def test_only_one_of_many_concurrent_openers_upgrades_an_old_file(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(monkeypatch, SECOND, THIRD)
    together = threading.Barrier(8)
    errors: list[SwarmError] = []

    def open_it() -> None:
        together.wait()
        try:
            TaskDatabase(released).close()
        except SwarmError as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert version(released) == THIRD[0]


def test_a_reader_does_not_upgrade_and_says_who_does(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, SECOND)
    with pytest.raises(DatabaseError, match="older version") as caught:
        TaskDatabase(released, read_only=True)
    assert "start the swarm" in str(caught.value.hint)
    assert version(released) == PRESENT


def test_a_writer_upgrades_an_existing_file_first(released: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release(monkeypatch, SECOND)
    with TaskDatabase(released, create=False) as database:
        assert database.tasks.get("b")["status"] == Status.IN_PROGRESS
    assert version(released) == SECOND[0]


def test_a_file_of_a_newer_version_is_refused_and_left_unchanged(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later:
        release(later, SECOND, THIRD)
        TaskDatabase(released).close()
    before = released.read_bytes()
    with pytest.raises(DatabaseError, match="newer version"):
        TaskDatabase(released)
    assert released.read_bytes() == before


SCHEMAS = Path(__file__).parents[2] / "data" / "schema"


def shape(path: Path) -> dict[str, object]:
    """The columns of each table, and everything else that the schema defines."""
    tables = [name for (name,) in ask(path, "SELECT name FROM sqlite_schema WHERE type = 'table'")]
    columns: dict[str, object] = {
        str(table): ask(path, f'SELECT name, type, "notnull", dflt_value, pk FROM pragma_table_xinfo({table!r})')
        for table in tables
    }
    return columns | dict(ask(path, "SELECT name, sql FROM sqlite_schema WHERE type <> 'table'"))


@pytest.mark.parametrize("number", range(1, PRESENT))
def test_a_file_of_each_earlier_version_is_upgraded_to_the_current_schema(tmp_path: Path, number: int) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    old.touch()
    connection = Connection(old)
    with connection.transaction():
        connection.script((SCHEMAS / f"{number}.sql").read_text(encoding="utf-8"))
        connection.script(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {number};")
    connection.close()
    TaskDatabase(old).close()
    TaskDatabase(new).close()
    assert shape(old) == shape(new)


def test_requests_and_the_progress_of_bulk_requests_survive_the_new_control_table(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.touch()
    connection = Connection(path)
    with connection.transaction():
        connection.script((SCHEMAS / "2.sql").read_text(encoding="utf-8"))
        for number in (1, 2, 3):
            connection.script(
                "INSERT INTO control (created_at, expires_at, actor, verb, idempotency_key)"
                f" VALUES (1, 2, 'anna', 'bulk', 'key {number}');"
            )
        connection.script("INSERT INTO bulk_steps (control, cursor, done, refused) VALUES (2, 7, 6, 1);")
        connection.script("DELETE FROM control WHERE id = 3;")
        connection.script(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 2;")
    connection.close()
    with TaskDatabase(path) as database:
        assert database.connection.rows("SELECT id, idempotency_key FROM control") == [(1, "key 1"), (2, "key 2")]
        assert database.connection.rows("SELECT * FROM bulk_steps") == [(2, 7, 6, 1, "[]")]
        assert database.control.request(Verb.PAUSE, actor="anna") == 4, "numbers must not be reused"
        with pytest.raises(Exception, match="FOREIGN KEY"), database.connection.transaction():
            database.connection.change("INSERT INTO bulk_steps (control, cursor, done, refused) VALUES (99, 0, 0, 0)")
