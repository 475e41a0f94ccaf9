"""Where the copy of a lost database goes: near it, but not into a checkout that a clean-up may empty."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import TaskSpec
from swarm_shared.store.engine.rescue import Rescue, refuges


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "project"
    (top / "below").mkdir(parents=True)
    return top


def checkout(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("ref: refs/heads/main")


def first(database: Path) -> Path:
    return next(iter(refuges(database)))


def test_outside_any_checkout_the_copy_is_placed_next_to_the_database(top: Path) -> None:
    assert first(top / "tasks.db") == top


def test_an_empty_git_folder_is_not_a_checkout(top: Path) -> None:
    (top / ".git").mkdir()
    assert first(top / "below" / "tasks.db") == top / "below"


def test_the_copy_is_placed_outside_all_enclosing_checkouts(top: Path) -> None:
    checkout(top)
    (top / "below" / ".git").write_text("gitdir: elsewhere")  # a linked worktree or a submodule
    assert first(top / "below" / "tasks.db") == top.parent


def test_a_missing_folder_is_replaced_by_its_nearest_existing_parent(top: Path) -> None:
    assert first(top / "gone" / "deep" / "tasks.db") == top


def test_the_copy_is_complete_and_private_and_never_replaces_another(top: Path) -> None:
    path = top / "tasks.db"
    (top / "tasks.db.rescued-1").write_text("an earlier one")
    with TaskDatabase(path) as database:
        database.imports.run([TaskSpec(id="a", name="a")], source="a test", actor="a test")
        path.unlink()
        rescue = Rescue(database.connection)
        assert rescue.write() == top / "tasks.db.rescued-2"
        database.imports.run([TaskSpec(id="b", name="b")], source="a test", actor="a test")
        file = rescue.write()
    assert file == top / "tasks.db.rescued-2"
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    with TaskDatabase(file, create=False) as copy:
        assert {copy.tasks.get(name)["id"] for name in "ab"} == {"a", "b"}
    assert (top / "tasks.db.rescued-1").read_text() == "an earlier one"


def test_a_folder_that_cannot_be_written_is_skipped(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = top.parent / "home"
    home.mkdir()
    nowhere = top / "below"
    monkeypatch.setattr("swarm_shared.store.engine.rescue.refuges", lambda _: [nowhere, home])
    with TaskDatabase(top / "tasks.db") as database:
        nowhere.rmdir()
        assert Rescue(database.connection).write() == home / "tasks.db.rescued-1"
