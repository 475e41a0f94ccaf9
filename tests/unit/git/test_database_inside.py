"""A database inside a checkout: no commit takes it, and its owner reads what a clean-up would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Desk

from swarm_shared.git.worktrees.database_inside import danger, keep_out_of_commits

NAMES = ["tasks.db", "we ird?[x]*.db", "#hash !.db", "trailing ", "ümlaut\\.db"]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def add_everything(desk: Desk) -> str:
    desk.git("add", "--all")
    return desk.git("status", "--porcelain")


@pytest.mark.parametrize("folder", [".", "a folder"])
@pytest.mark.parametrize("name", NAMES)
def test_commits_pass_over_it_and_all_that_belongs_to_it_and_over_nothing_else(
    desk: Desk, name: str, folder: str
) -> None:
    home = desk.root / folder
    home.mkdir(exist_ok=True)
    keep_out_of_commits(home / name)
    for part in ("", "-wal", "-shm"):
        (home / f"{name}{part}").write_text("")
    (home / f"{name}.swarm").mkdir()
    (home / f"{name}.swarm" / "log").write_text("")
    assert add_everything(desk) == ""
    (home / f"{name}x").write_text("")
    assert add_everything(desk) != ""


def test_what_is_ignored_already_is_not_written_again(desk: Desk) -> None:
    exclude = desk.root / ".git" / "info" / "exclude"
    exclude.write_text("no line end: *.log")
    keep_out_of_commits(desk.root / "tasks.db")
    once = exclude.read_text()
    assert once.startswith("no line end: *.log\n/tasks.db\n")
    keep_out_of_commits(desk.root / "tasks.db")
    assert exclude.read_text() == once


def test_in_a_linked_worktree_it_is_kept_out_too(desk: Desk, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    desk.git("worktree", "add", "-q", "-b", "other", str(linked))
    keep_out_of_commits(linked / "tasks.db")
    (linked / "tasks.db").write_text("")
    assert desk.run("status", "--porcelain", cwd=linked).stdout == ""


def test_outside_of_any_checkout_nothing_is_done_or_said(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    keep_out_of_commits(tmp_path / "tasks.db")
    assert danger(tmp_path / "tasks.db") is None


def test_the_danger_is_named_with_a_place_outside(desk: Desk) -> None:
    text = danger(desk.root / "tasks.db") or ""
    assert f"inside the checkout {desk.root}, where `git clean -fdx` would delete it" in text
    assert text.endswith(f"then --db {desk.root.parent}/project-tasks.db")
