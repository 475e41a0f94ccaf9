"""A landed worktree becomes a spare that the next task takes over, with nothing of the last one left in it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from landed_tasks import (
    MESSAGE,
    desk_with_products,
    everything_in,
    in_the_list,
    integration_of,
    plant_ignored,
    recycled,
    work,
)
from repositories import Desk

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return desk_with_products(tmp_path)


@pytest.fixture
def integration(desk: Desk) -> Integration:
    return integration_of(desk)


def test_the_next_task_takes_the_spare_over_and_only_what_differs_is_written(
    desk: Desk, integration: Integration
) -> None:
    first = work(desk, integration, "t1")
    inode, time = (first / "lib/b.txt").stat().st_ino, (first / "lib/b.txt").stat().st_mtime_ns
    assert recycled(desk, integration, "t1") is None
    assert not first.exists()
    assert len(desk.trees.spares.paths()) == 1
    desk.commit({"a.txt": "changed meanwhile\n"})
    tip = integration.plan_follow("refs/heads/main", tip=str(integration.tip())).new
    opened = desk.open("t2", tip)
    assert (opened.cwd / "lib/b.txt").stat().st_ino == inode
    assert (opened.cwd / "lib/b.txt").stat().st_mtime_ns == time
    assert (opened.cwd / "a.txt").read_text() == "changed meanwhile\n"
    assert (opened.cwd / "t1.txt").exists(), "it has landed"
    assert opened.checkout.git.line("symbolic-ref", "HEAD") == opened.ref
    assert opened.checkout.git.items("status", "--porcelain", "-z", "--ignored") == ()
    assert desk.trees.spares.paths() == ()
    assert in_the_list(desk) == {opened.cwd}
    desk.git("fsck", "--no-dangling")


def test_a_task_whose_spare_another_one_takes_gets_the_next_landed_worktree_and_no_checkout(
    desk: Desk, integration: Integration
) -> None:
    landed = ["t1", "t2"]
    inodes = {(work(desk, integration, safe) / "a.txt").stat().st_ino for safe in landed}
    tip = str(integration.tip())

    def make_spare() -> bool:
        if not landed:
            return False
        assert recycled(desk, integration, landed.pop()) is None
        if landed:
            desk.open("quicker", tip)
        return True

    opened = desk.trees.open("t3", tip, holder_is_dead=lambda _: True, make_spare=make_spare)
    assert in_the_list(desk) == {opened.cwd, desk.trees.path_of("quicker")}, "there are as many as before"
    assert {(path / "a.txt").stat().st_ino for path in in_the_list(desk)} == inodes
    again = desk.trees.open("t4", tip, holder_is_dead=lambda _: True, make_spare=make_spare)
    assert (again.cwd / "a.txt").stat().st_ino not in inodes, "all are in use"


def plant_empty_folders(cwd: Path) -> None:
    (cwd / "empty" / "inner").mkdir(parents=True)


def plant_read_only(cwd: Path) -> None:
    plant_ignored(cwd)
    (cwd / "out").chmod(0o555)
    (cwd / "a.txt").chmod(0o444)
    (cwd / "lib").chmod(0o500)


def plant_exclusions(cwd: Path) -> None:
    (cwd / "node_modules" / "x").mkdir(parents=True)
    (cwd / "node_modules" / "x" / "clean-me").write_text("secret")


@pytest.mark.parametrize("plant", [plant_ignored, plant_empty_folders, plant_read_only, plant_exclusions])
def test_nothing_of_one_task_is_seen_by_the_next(
    desk: Desk, integration: Integration, plant: Callable[[Path], None], tmp_path: Path
) -> None:
    work(desk, integration, "t1", plant)
    assert recycled(desk, integration, "t1") is None
    (spare,) = desk.trees.spares.paths()
    assert set(everything_in(spare)) == {"a.txt", "lib/b.txt", ".gitignore", "t1.txt"}, "the disk is free of it at once"
    opened = desk.open("t2", integration.tip())
    fresh = tmp_path / "fresh"
    desk.git("worktree", "add", "-q", "--detach", str(fresh), str(integration.tip()))
    assert everything_in(opened.cwd) == everything_in(fresh)
    assert not [p for p in opened.cwd.rglob("*") if p.is_dir() and not any(p.iterdir())]
    assert all(os.access(p, os.W_OK) and p.stat().st_mode & 0o200 for p in opened.cwd.rglob("*"))


def test_gits_own_notes_of_one_task_are_gone_for_the_next(desk: Desk, integration: Integration) -> None:
    desk.git("config", "extensions.worktreeConfig", "true")

    def configure(cwd: Path) -> None:
        desk.git("config", "--worktree", "user.name", "Somebody", cwd=cwd)
        desk.git("update-ref", "refs/worktree/mine", "HEAD", cwd=cwd)
        desk.git("bisect", "start", cwd=cwd)

    work(desk, integration, "t1", configure)
    assert recycled(desk, integration, "t1") is None
    opened = desk.open("t2", integration.tip())
    names = {path.name for path in opened.checkout.git_dir.iterdir()}
    assert names <= {"HEAD", "ORIG_HEAD", "commondir", "gitdir", "index", "logs", "swarm-ready", "swarm-start"}
    assert desk.git("config", "user.name", cwd=opened.cwd) == "Ada Person"
    log = opened.checkout.git_dir / "logs" / "HEAD"
    assert not log.exists() or "work" not in log.read_text()


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_file_that_a_flag_hides_from_git_makes_no_spare(desk: Desk, integration: Integration, flag: str) -> None:
    path = work(desk, integration, "t1")
    desk.git("update-index", flag, "a.txt", cwd=path)
    assert recycled(desk, integration, "t1") is None
    assert desk.trees.spares.paths() == ()
    assert not path.exists(), "it is removed instead"


def test_a_file_with_a_second_name_outside_makes_no_spare(desk: Desk, integration: Integration, tmp_path: Path) -> None:
    path = work(desk, integration, "t1")
    os.link(path / "a.txt", tmp_path / "outside")
    assert recycled(desk, integration, "t1") is None
    assert desk.trees.spares.paths() == ()
    assert (tmp_path / "outside").read_text() == "1\n"


def edit(desk: Desk, path: Path) -> None:
    (path / "a.txt").write_text("by the user\n")


def add_file(desk: Desk, path: Path) -> None:
    (path / "notes.txt").write_text("by the user\n")


def commit(desk: Desk, path: Path) -> None:
    desk.commit({"more.txt": "by the user\n"}, at=path)


def own_repository(desk: Desk, path: Path) -> None:
    (path / "out").mkdir()
    desk.git("init", "-q", str(path / "out" / "own"))
    desk.commit({"x": "only here\n"}, at=path / "out" / "own")


def lock(desk: Desk, path: Path) -> None:
    desk.git("worktree", "lock", str(path))


def inner_worktree(desk: Desk, path: Path) -> None:
    desk.git("worktree", "add", "-q", "--detach", str(path / "out" / "wt"))


@pytest.mark.parametrize("what", [edit, add_file, commit, own_repository, lock, inner_worktree])
def test_what_may_be_the_only_copy_of_something_keeps_the_worktree(
    desk: Desk, integration: Integration, what: Callable[[Desk, Path], None]
) -> None:
    path = work(desk, integration, "t1")
    what(desk, path)
    before = everything_in(path)
    assert recycled(desk, integration, "t1") is not None
    assert everything_in(path) == before
    assert desk.trees.find("t1") is not None


def test_work_that_has_not_landed_keeps_its_worktree(desk: Desk, integration: Integration) -> None:
    opened = desk.open("t1", integration.tip())
    (opened.cwd / "new.txt").write_text("x")
    take_snapshot(opened.checkout, safe="t1", base_sha=opened.base_sha, message=MESSAGE)
    assert recycled(desk, integration, "t1") == "its commits have not landed"
    assert opened.cwd.exists()


def test_where_there_are_enough_spares_a_landed_worktree_is_removed(desk: Desk, integration: Integration) -> None:
    path = work(desk, integration, "t1")
    assert recycled(desk, integration, "t1", spares=0) is None
    assert not path.exists()
    assert in_the_list(desk) == set()
    assert desk.sha("swarm/task/t1"), "its branch stays"


def test_spares_beyond_the_limit_are_removed(desk: Desk, integration: Integration) -> None:
    for safe in ("t1", "t2", "t3"):
        desk.open(safe, integration.tip())
    for safe in ("t1", "t2", "t3"):
        assert recycled(desk, integration, safe, spares=3) is None
    assert len(desk.trees.spares.paths()) == 3
    assert desk.trees.spares.is_tidy(3)
    assert not desk.trees.spares.is_tidy(1)
    assert desk.trees.spares.tidy(1) == 2
    assert len(desk.trees.spares.paths()) == 1
    assert len(in_the_list(desk)) == 1


def test_two_swarms_of_one_repository_have_their_own_spares(
    desk: Desk, integration: Integration, tmp_path: Path
) -> None:
    other = TaskWorktrees(desk.repo, tmp_path / "other" / "worktrees")
    work(desk, integration, "t1")
    assert recycled(desk, integration, "t1") is None
    (spare,) = desk.trees.spares.paths()
    other.open("t9", str(integration.tip()), holder_is_dead=lambda _: True)
    other.spares.tidy(0)
    assert desk.trees.spares.paths() == (spare,)


def test_the_users_own_worktrees_are_untouched(desk: Desk, integration: Integration, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    desk.git("worktree", "add", "-q", "--detach", str(theirs))
    (theirs / "dirty").write_text("by the user\n")
    work(desk, integration, "t1")
    recycled(desk, integration, "t1")
    desk.trees.spares.tidy(0)
    assert in_the_list(desk) == {theirs}
    assert (theirs / "dirty").read_text() == "by the user\n"
