"""Files and folders that an agent made read-only prevent no commit, retry or removal; all as an ordinary user."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ordinary_user import as_ordinary_user
from repositories import Harness, all_dead

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.landing_worktree import landing_checkout
from swarm_shared.git.landing.prune import prune
from swarm_shared.git.plumbing.permissions import make_accessible, remove_folder
from swarm_shared.git.running.git_errors import GitError
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.snapshots.undo import undo_since


def closed(folder: Path, mode: int) -> None:
    """A nested folder with a file of this mode, and all folders from `folder` down."""
    (folder / "in" / "deep").mkdir(parents=True)
    (folder / "in" / "deep" / "f").write_text("1\n")
    (folder / "in" / "deep" / "f").chmod(mode & 0o666)
    for path in (folder / "in" / "deep", folder / "in", folder):
        path.chmod(mode)


MODES = [0o555, 0o000, 0o111, 0o444, 0o200]


@pytest.mark.parametrize("mode", MODES, ids=oct)
@pytest.mark.parametrize("where", ["out", "dist"], ids=["ignored", "tracked"])
def test_a_worktree_with_read_only_folders_is_pruned_completely(mode: int, where: str) -> None:
    def work(folder: Path) -> None:
        harness = Harness(folder)
        landed = Integration(repository=harness.repo)
        tip = landed.begin(harness.base)
        tree = harness.open("t")
        closed(tree.checkout.path / where, mode)
        made = take_snapshot(tree.checkout, safe="t", base_sha=tree.base_sha, message="m\n")
        landed.advance(made.head_sha, old=tip)
        results = prune(harness.trees, landed, busy=())
        assert [(one.safe, one.kept_because) for one in results] == [("t", None)]
        assert not tree.checkout.path.exists()
        assert harness.git("worktree", "list", "--porcelain").count("worktree ") == 1

    as_ordinary_user(work)


@pytest.mark.parametrize("mode", MODES, ids=oct)
def test_work_in_a_read_only_folder_is_committed_and_the_retry_can_write_there(mode: int) -> None:
    def work(folder: Path) -> None:
        harness = Harness(folder)
        tree = harness.open("t")
        closed(tree.checkout.path / "dist", mode)
        made = take_snapshot(tree.checkout, safe="t", base_sha=tree.base_sha, message="m\n")
        assert (made.refused, "dist/in/deep/f" in harness.files(made.head_sha)) == ((), True)
        make_closed_again(tree.checkout.path / "dist", mode)
        again = harness.open("t")
        (again.checkout.path / "dist" / "in" / "deep" / "g").write_text("2\n")
        again.checkout.path.chmod(0o555)
        assert [file.path for file in undo_since(again.checkout, made.head_sha, ref=again.ref)] == ["dist/in/deep/g"]

    as_ordinary_user(work)


def make_closed_again(folder: Path, mode: int) -> None:
    for path in (folder / "in" / "deep", folder / "in", folder):
        path.chmod(mode)


def test_folders_made_read_only_by_a_check_in_the_landing_worktree_are_reset(tmp_path: Path) -> None:
    def work(folder: Path) -> None:
        harness = Harness(folder)
        path = folder / "state" / "landing"
        landing_checkout(harness.repo, path, harness.base, holder_is_dead=all_dead)
        closed(path / "left", 0o555)
        newer = harness.commit({"sub/b.txt": "b\n"})
        landing_checkout(harness.repo, path, newer, holder_is_dead=all_dead)
        (path / "sub").chmod(0o555)
        landing_checkout(harness.repo, path, harness.base, holder_is_dead=all_dead)
        assert sorted(one.name for one in path.iterdir()) == [".git", ".gitignore", "a.txt"]

    as_ordinary_user(work)


def test_permissions_outside_are_unchanged() -> None:
    def work(folder: Path) -> None:
        outside, inside = folder / "outside", folder / "inside"
        closed(outside, 0o555)
        inside.mkdir()
        (inside / "link").symlink_to(outside)
        (inside / "file").symlink_to(outside / "in" / "deep" / "f")
        assert make_accessible(inside) == 0
        remove_folder(inside)
        assert stat.S_IMODE(os.stat(outside).st_mode) == 0o555
        assert (outside / "in" / "deep" / "f").exists()
        make_accessible(outside)

    as_ordinary_user(work)


def test_a_folder_that_cannot_be_deleted_is_not_reported_as_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(folder: Path) -> None:
        harness = Harness(folder)
        landed = Integration(repository=harness.repo)
        landed.begin(harness.base)
        path = harness.open("t").checkout.path
        (path / "out").mkdir()
        (path / "out" / "f").write_text("1\n")
        (path / "out").chmod(0o555)
        monkeypatch.setattr("swarm_shared.git.plumbing.permissions._allow", lambda *_: 0)  # another user's folder
        for _ in range(2):
            (kept,) = prune(harness.trees, landed, busy=())
            assert "cannot be deleted" in (kept.kept_because or "")
            assert "Permission denied" in (kept.kept_because or "")
        monkeypatch.undo()
        assert prune(harness.trees, landed, busy=())[0].kept_because is None
        assert not path.exists()

    as_ordinary_user(work)


def test_a_folder_that_git_no_longer_knows_is_not_reported_as_removed(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    path = harness.open("t").checkout.path
    harness.git("worktree", "remove", "--force", str(path))
    path.mkdir()
    with pytest.raises(GitError, match="is left"):
        harness.trees.remove("t")
