"""Where the copy of a lost database goes: near it, but in no checkout that a clean-up may empty."""

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


def test_outside_of_any_checkout_it_stays_beside_the_database(top: Path) -> None:
    assert first(top / "tasks.db") == top


def test_an_empty_git_folder_makes_no_checkout(top: Path) -> None:
    (top / ".git").mkdir()
    assert first(top / "below" / "tasks.db") == top / "below"


def test_it_leaves_all_checkouts_around_it(top: Path) -> None:
    checkout(top)
    (top / "below" / ".git").write_text("gitdir: elsewhere")  # a linked worktree or a submodule
    assert first(top / "below" / "tasks.db") == top.parent


def test_a_folder_that_is_gone_is_replaced_by_the_nearest_that_is_not(top: Path) -> None:
    assert first(top / "gone" / "deep" / "tasks.db") == top


def test_the_copy_is_whole_private_and_never_replaces_another(top: Path) -> None:
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


def test_a_folder_that_takes_nothing_is_passed_over(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = top.parent / "home"
    home.mkdir()
    nowhere = top / "below"
    monkeypatch.setattr("swarm_shared.store.engine.rescue.refuges", lambda _: [nowhere, home])
    with TaskDatabase(top / "tasks.db") as database:
        nowhere.rmdir()
        assert Rescue(database.connection).write() == home / "tasks.db.rescued-1"
