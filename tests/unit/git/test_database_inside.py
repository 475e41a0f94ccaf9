"""A database inside a checkout: no commit includes it, and its owner reads what a clean-up would do."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.git.worktrees.database_inside import danger, keep_out_of_commits

NAMES = ["tasks.db", "we ird?[x]*.db", "#hash !.db", "trailing ", "ümlaut\\.db"]


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def add_everything(harness: Harness) -> str:
    harness.git("add", "--all")
    return harness.git("status", "--porcelain")


@pytest.mark.parametrize("folder", [".", "a folder"])
@pytest.mark.parametrize("name", NAMES)
def test_commits_skip_the_database_and_its_companion_files_and_nothing_else(
    harness: Harness, name: str, folder: str
) -> None:
    home = harness.root / folder
    home.mkdir(exist_ok=True)
    keep_out_of_commits(home / name)
    for part in ("", "-wal", "-shm"):
        (home / f"{name}{part}").write_text("")
    (home / f"{name}.swarm").mkdir()
    (home / f"{name}.swarm" / "log").write_text("")
    assert add_everything(harness) == ""
    (home / f"{name}x").write_text("")
    assert add_everything(harness) != ""


def test_a_file_that_is_already_ignored_is_not_added_again(harness: Harness) -> None:
    exclude = harness.root / ".git" / "info" / "exclude"
    exclude.write_text("no line end: *.log")
    keep_out_of_commits(harness.root / "tasks.db")
    once = exclude.read_text()
    assert once.startswith("no line end: *.log\n/tasks.db\n")
    keep_out_of_commits(harness.root / "tasks.db")
    assert exclude.read_text() == once


def test_in_a_linked_worktree_it_is_skipped_too(harness: Harness, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    harness.git("worktree", "add", "-q", "-b", "other", str(linked))
    keep_out_of_commits(linked / "tasks.db")
    (linked / "tasks.db").write_text("")
    assert harness.run("status", "--porcelain", cwd=linked).stdout == ""


def test_outside_any_checkout_nothing_is_done_or_reported(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    keep_out_of_commits(tmp_path / "tasks.db")
    assert danger(tmp_path / "tasks.db") is None


def test_the_danger_is_reported_with_a_place_outside(harness: Harness) -> None:
    text = danger(harness.root / "tasks.db") or ""
    assert f"inside the checkout {harness.root}, where `git clean -fdx` would delete it" in text
    assert text.endswith(f"then --db {harness.root.parent}/project-tasks.db")
