"""A damaged database: every command reports it in two lines and changes nothing, and a backup can replace it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import TaskSpec

TASKS = 400


def overwrite(file: Path, start: int, count: int) -> None:
    content = bytearray(file.read_bytes())
    content[start : start + count] = os.urandom(count)
    file.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], None]] = {
    "header": lambda file: overwrite(file, 0, 100),
    "pages": lambda file: overwrite(file, 8_192, file.stat().st_size - 8_192),
    "cut": lambda file: os.truncate(file, file.stat().st_size // 3),
}
COMMANDS = [
    ("status",),
    ("list-tasks", "--limit", "1000"),
    ("task-info", "t7"),
    ("retry", "t7"),
    ("pause",),
    ("backup", "second.db"),
]


@pytest.fixture
def healthy(harness: CliHarness) -> Path:
    """A backup of a queue in its folder; nothing has the queue open."""
    harness.queue(*(TaskSpec(id=f"t{n}", name="T" * 500) for n in range(TASKS)))
    with harness.open() as database:
        database.connection.checkpoint(truncate=True)
    copy = harness.folder / "copy.db"
    assert harness.run("backup", str(copy)).code == 0
    return copy


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("damage", DAMAGE)
def test_every_command_reports_a_damaged_database_and_changes_nothing(
    harness: CliHarness, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(harness.folder)
    DAMAGE[damage](harness.db)
    before = harness.db.read_bytes()
    export = ("export-tasks", str(harness.db), "out.yaml")
    for words in (*COMMANDS, export):
        ran = harness.bare(*words) if words is export else harness.run(*words)
        assert ran.code == 4, (words, ran)
        error, hint = ran.err.splitlines()
        assert "damaged" in error, words
        assert "backup" in hint, words
        assert harness.db.read_bytes() == before, words
    assert not Path("second.db").exists()
    assert not Path("out.yaml").exists()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_backup_can_replace_a_damaged_database(harness: CliHarness, healthy: Path, damage: str) -> None:
    DAMAGE[damage](harness.db)
    for rest in ("-wal", "-shm"):
        Path(f"{harness.db}{rest}").unlink(missing_ok=True)
    shutil.copyfile(healthy, harness.db)
    assert harness.run("status", "--json").json["tasks"]["total"]["count"] == TASKS
    assert harness.run("hold", "t7").code == 0


@pytest.mark.usefixtures("healthy")
@pytest.mark.parametrize("name", ["first", "second"])
def test_every_command_refuses_a_database_with_two_names_under_either(
    harness: CliHarness, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(harness.folder)
    second = tmp_path / "second.db"
    os.link(harness.db, second)
    if name == "second":
        harness.db = second
    (harness.folder / "more.yaml").write_text("tasks: [{id: more, name: more}]")
    before = harness.db.read_bytes()
    for words in (*COMMANDS, ("import-tasks", "more.yaml"), ("doctor",), ("reset-orphans",)):
        ran = harness.run(*words)
        assert "has 2 names (hard links)" in ran.out + ran.err, words
        assert ran.code == (3 if words == ("doctor",) else 4), words
    assert harness.db.read_bytes() == before
