"""The file behind an open database: refused under a second name, and every way of losing it is detected and named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.store.engine.opened_file import still_open_elsewhere


@pytest.fixture
def database(tmp_path: Path) -> Iterator[TaskDatabase]:
    folder = tmp_path / "folder"
    folder.mkdir()
    with TaskDatabase(folder / "tasks.db") as database:
        yield database


@pytest.mark.parametrize("name", ["tasks.db", "second.db"])
@pytest.mark.parametrize("read_only", [True, False])
def test_a_database_with_two_names_is_refused_under_either(database: TaskDatabase, name: str, read_only: bool) -> None:
    folder = database.path.parent
    os.link(database.path, folder / "second.db")
    with pytest.raises(DatabaseError, match=r"has 2 names \(hard links\)") as refusal:
        TaskDatabase(folder / name, create=False, read_only=read_only)
    assert "-samefile" in str(refusal.value.hint)
    (folder / "second.db").unlink()
    TaskDatabase(database.path, create=False, read_only=read_only).close()


def test_a_symbolic_link_is_not_a_second_name(database: TaskDatabase) -> None:
    link = database.path.with_name("link.db")
    link.symlink_to(database.path)
    TaskDatabase(link, create=False).close()


def test_a_dangling_link_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "tasks.db").symlink_to("gone.db")
    with pytest.raises(DatabaseError, match=r"is a link to gone\.db, which does not exist"):
        TaskDatabase(tmp_path / "tasks.db")


def delete(path: Path) -> None:
    path.unlink()


def delete_with_log(path: Path) -> None:
    for each in path.parent.glob("tasks.db*"):
        each.unlink()


def replace(path: Path) -> None:
    other = path.with_name("other.db")
    shutil.copyfile("/etc/hostname", other)
    os.replace(other, path)


def rename(path: Path) -> None:
    path.rename(path.with_name("other.db"))


def move_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("lose", "change"),
    [
        (delete, "was deleted"),
        (delete_with_log, "was deleted"),
        (replace, "was replaced by another file"),
        (rename, "was moved to {folder}/folder/other.db"),
        (move_folder, "was moved to {folder}/elsewhere/tasks.db"),
    ],
)
def test_every_loss_of_the_file_is_detected_and_named(
    database: TaskDatabase, tmp_path: Path, lose: Callable[[Path], None], change: str
) -> None:
    assert database.connection.file.change() is None
    lose(database.path)
    assert database.connection.file.change() == change.format(folder=tmp_path)


def test_a_process_that_still_works_on_a_deleted_file_is_found(database: TaskDatabase) -> None:
    database.path.unlink()
    assert still_open_elsewhere(database.path) == os.getpid()
    database.close()
    assert still_open_elsewhere(database.path) is None
