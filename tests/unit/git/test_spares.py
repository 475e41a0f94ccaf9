"""A landed worktree becomes a spare that the next task takes over, with nothing of the previous task left in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from landed_tasks import (
    MESSAGE,
    everything_in,
    harness_with_products,
    in_the_list,
    integration_of,
    made_spare,
    open_at_once,
    plant_ignored,
    recycled,
    work,
)
from repositories import Harness

from swarm_shared.git.landing import recycle as recycling
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.snapshots.snapshot import take_snapshot
from swarm_shared.git.worktrees.spares import Recycled
from swarm_shared.git.worktrees.survey import Survey, survey
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return harness_with_products(tmp_path)


@pytest.fixture
def integration(harness: Harness) -> Integration:
    return integration_of(harness)


def test_the_next_task_takes_over_the_spare_and_only_differing_files_are_written(
    harness: Harness, integration: Integration
) -> None:
    first = work(harness, integration, "t1")
    inode, time = (first / "lib/b.txt").stat().st_ino, (first / "lib/b.txt").stat().st_mtime_ns
    assert recycled(harness, integration, "t1") is None
    assert not first.exists()
    assert len(harness.trees.spares.paths()) == 1
    harness.commit({"a.txt": "changed meanwhile\n"})
    tip = integration.plan_follow("refs/heads/main", tip=str(integration.tip())).new
    opened = harness.open("t2", tip)
    assert (opened.cwd / "lib/b.txt").stat().st_ino == inode
    assert (opened.cwd / "lib/b.txt").stat().st_mtime_ns == time
    assert (opened.cwd / "a.txt").read_text() == "changed meanwhile\n"
    assert (opened.cwd / "t1.txt").exists(), "its work has landed"
    assert opened.checkout.git.line("symbolic-ref", "HEAD") == opened.ref
    assert opened.checkout.git.items("status", "--porcelain", "-z", "--ignored") == ()
    assert harness.trees.spares.paths() == ()
    assert in_the_list(harness) == {opened.cwd}
    harness.git("fsck", "--no-dangling")


def test_a_task_whose_spare_is_taken_by_another_gets_the_next_landed_worktree_without_a_checkout(
    harness: Harness, integration: Integration
) -> None:
    landed = ["t1", "t2"]
    inodes = {(work(harness, integration, safe) / "a.txt").stat().st_ino for safe in landed}
    tip = str(integration.tip())

    def make_spare() -> Recycled | None:
        if not landed:
            return None
        made = made_spare(harness.trees, integration, landed.pop())
        if landed:
            harness.open("quicker", tip)
        return made

    opened = harness.trees.open("t3", tip, holder_is_dead=lambda _: True, make_spare=make_spare)
    assert in_the_list(harness) == {opened.cwd, harness.trees.path_of("quicker")}, "there are as many as before"
    assert {(path / "a.txt").stat().st_ino for path in in_the_list(harness)} == inodes
    again = harness.trees.open("t4", tip, holder_is_dead=lambda _: True, make_spare=make_spare)
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


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("plant", [plant_ignored, plant_empty_folders, plant_read_only, plant_exclusions])
def test_nothing_of_one_task_is_visible_to_the_next(
    harness: Harness, integration: Integration, plant: Callable[[Path], None], tmp_path: Path, at_once: bool
) -> None:
    work(harness, integration, "t1", plant)
    if at_once:
        opened = open_at_once(harness.trees, integration, "t2", "t1")
    else:
        assert recycled(harness, integration, "t1") is None
        (spare,) = harness.trees.spares.paths()
        left = set(everything_in(spare))
        assert left == {"a.txt", "lib/b.txt", ".gitignore", "t1.txt"}, "its disk space is freed at once"
        opened = harness.open("t2", integration.tip())
    fresh = tmp_path / "fresh"
    harness.git("worktree", "add", "-q", "--detach", str(fresh), str(integration.tip()))
    assert everything_in(opened.cwd) == everything_in(fresh)
    assert not [p for p in opened.cwd.rglob("*") if p.is_dir() and not any(p.iterdir())]
    assert all(os.access(p, os.W_OK) and p.stat().st_mode & 0o200 for p in opened.cwd.rglob("*"))


@pytest.mark.parametrize("others", [{}, {"a.txt": "changed meanwhile\n", "lib/new.txt": "new\n"}])
def test_a_worktree_that_is_taken_right_after_its_examination_is_not_read_again(
    harness: Harness, integration: Integration, others: dict[str, str]
) -> None:
    work(harness, integration, "t1")
    if others:
        harness.commit(others)
        old = str(integration.tip())
        merge = integration.plan_follow("refs/heads/main", tip=old)
        integration.advance(str(merge.new), old=old)
    asked: list[str] = []

    def noting(command: Sequence[str], **how: Any) -> Completed:
        asked.append(next(word for word in command[1:] if word != "-c" and "=" not in word))
        return run_process(command, **how)

    spied = harness.trees.of(replace(harness.repo, git=replace(harness.repo.git, run=noting)))
    opened = open_at_once(spied, integration, "t2", "t1")
    assert asked == ["update-ref", "status", *(["read-tree"] if others else [])]
    assert {path: text.decode() for path, text in everything_in(opened.cwd).items()} == {
        "a.txt": "1\n", "lib/b.txt": "2\n", ".gitignore": "*.log\nout/\nnode_modules/\n", "t1.txt": "t1\n", **others
    }  # fmt: skip
    assert opened.checkout.git.items("status", "--porcelain", "-z", "--ignored") == ()
    assert opened.checkout.git.line("symbolic-ref", "HEAD") == opened.ref


def test_a_spare_that_changes_after_its_examination_is_restored(harness: Harness, integration: Integration) -> None:
    work(harness, integration, "t1")
    harness.commit({"a.txt": "changed meanwhile\n"})
    tip = str(integration.plan_follow("refs/heads/main", tip=str(integration.tip())).new)

    def make_spare() -> Recycled | None:
        made = made_spare(harness.trees, integration, "t1")
        assert made.examined is not None
        (made.examined.path / "a.txt").write_text("spoiled\n")
        return made

    opened = harness.trees.open("t2", tip, holder_is_dead=lambda _: True, make_spare=make_spare)
    assert (opened.cwd / "a.txt").read_text() == "changed meanwhile\n"
    assert opened.checkout.git.items("status", "--porcelain", "-z", "--ignored") == ()


def test_knowledge_about_one_spare_is_not_applied_to_another(harness: Harness, integration: Integration) -> None:
    for safe in ("t1", "t2"):
        harness.open(safe, integration.tip())
    assert recycled(harness, integration, "t1", spares=2) is None
    (older,) = harness.trees.spares.paths()
    (older / "a.txt").write_text("spoiled\n")
    tip, hidden = str(integration.tip()), harness.root / "hidden"
    older.rename(hidden)

    def make_spare() -> Recycled | None:
        made = made_spare(harness.trees, integration, "t2", spares=2)
        assert made.examined is not None
        hidden.rename(older)
        harness.trees.spares.take(harness.trees.path_of("quicker"), ref="refs/heads/quicker", first=made.examined.path)
        return made

    opened = harness.trees.open("t3", tip, holder_is_dead=lambda _: True, make_spare=make_spare)
    assert (opened.cwd / "a.txt").read_text() == "1\n"


def test_gits_own_records_of_one_task_are_gone_for_the_next(harness: Harness, integration: Integration) -> None:
    harness.git("config", "extensions.worktreeConfig", "true")

    def configure(cwd: Path) -> None:
        harness.git("config", "--worktree", "user.name", "Somebody", cwd=cwd)
        harness.git("update-ref", "refs/worktree/mine", "HEAD", cwd=cwd)
        harness.git("bisect", "start", cwd=cwd)

    work(harness, integration, "t1", configure)
    assert recycled(harness, integration, "t1") is None
    opened = harness.open("t2", integration.tip())
    names = {path.name for path in opened.checkout.git_dir.iterdir()}
    assert names <= {"HEAD", "ORIG_HEAD", "commondir", "gitdir", "index", "logs", "swarm-ready", "swarm-start"}
    assert harness.git("config", "user.name", cwd=opened.cwd) == "Ada Person"
    log = opened.checkout.git_dir / "logs" / "HEAD"
    assert not log.exists() or "work" not in log.read_text()


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_a_worktree_with_a_file_hidden_from_git_does_not_become_a_spare(
    harness: Harness, integration: Integration, flag: str
) -> None:
    path = work(harness, integration, "t1")
    harness.git("update-index", flag, "a.txt", cwd=path)
    assert recycled(harness, integration, "t1") is None
    assert harness.trees.spares.paths() == ()
    assert not path.exists(), "the worktree is removed instead"


def test_a_worktree_with_a_file_hard_linked_outside_does_not_become_a_spare(
    harness: Harness, integration: Integration, tmp_path: Path
) -> None:
    path = work(harness, integration, "t1")
    os.link(path / "a.txt", tmp_path / "outside")
    assert recycled(harness, integration, "t1") is None
    assert harness.trees.spares.paths() == ()
    assert (tmp_path / "outside").read_text() == "1\n"


def edit(harness: Harness, path: Path) -> None:
    (path / "a.txt").write_text("by the user\n")


def add_file(harness: Harness, path: Path) -> None:
    (path / "notes.txt").write_text("by the user\n")


def commit(harness: Harness, path: Path) -> None:
    harness.commit({"more.txt": "by the user\n"}, at=path)


def own_repository(harness: Harness, path: Path) -> None:
    (path / "out").mkdir()
    harness.git("init", "-q", str(path / "out" / "own"))
    harness.commit({"x": "only here\n"}, at=path / "out" / "own")


def lock(harness: Harness, path: Path) -> None:
    harness.git("worktree", "lock", str(path))


def inner_worktree(harness: Harness, path: Path) -> None:
    harness.git("worktree", "add", "-q", "--detach", str(path / "out" / "wt"))


@pytest.mark.parametrize("what", [edit, add_file, commit, own_repository, lock, inner_worktree])
def test_a_possible_only_copy_of_something_keeps_the_worktree(
    harness: Harness, integration: Integration, what: Callable[[Harness, Path], None]
) -> None:
    path = work(harness, integration, "t1")
    what(harness, path)
    before = everything_in(path)
    assert recycled(harness, integration, "t1") is not None
    assert everything_in(path) == before
    assert harness.trees.find("t1") is not None


def test_work_that_has_not_landed_keeps_its_worktree(harness: Harness, integration: Integration) -> None:
    opened = harness.open("t1", integration.tip())
    (opened.cwd / "new.txt").write_text("x")
    take_snapshot(opened.checkout, safe="t1", base_sha=opened.base_sha, message=MESSAGE)
    assert recycled(harness, integration, "t1") == "its commits have not landed"
    assert opened.cwd.exists()


def test_with_enough_spares_a_landed_worktree_is_removed(harness: Harness, integration: Integration) -> None:
    path = work(harness, integration, "t1")
    assert recycled(harness, integration, "t1", spares=0) is None
    assert not path.exists()
    assert in_the_list(harness) == set()
    assert harness.sha("swarm/task/t1"), "its branch is kept"


@pytest.mark.parametrize(("spares", "with_cleanup", "surveys"), [(1, False, 1), (1, True, 1), (0, False, 0)])
def test_files_are_surveyed_once_and_only_for_a_spare(
    harness: Harness,
    integration: Integration,
    monkeypatch: pytest.MonkeyPatch,
    spares: int,
    with_cleanup: bool,
    surveys: int,
) -> None:
    work(harness, integration, "t1")
    surveyed: list[Path] = []

    def counted(path: Path, *args: Any) -> Survey:
        surveyed.append(path)
        return survey(path, *args)

    monkeypatch.setattr(recycling, "survey", counted)
    cleanup = (lambda _: None) if with_cleanup else None
    recycling.recycle(harness.trees, integration, "t1", spares=spares, cleanup=cleanup)
    assert len(surveyed) == surveys


def test_spares_beyond_the_limit_are_removed(harness: Harness, integration: Integration) -> None:
    for safe in ("t1", "t2", "t3"):
        harness.open(safe, integration.tip())
    for safe in ("t1", "t2", "t3"):
        assert recycled(harness, integration, safe, spares=3) is None
    assert len(harness.trees.spares.paths()) == 3
    assert harness.trees.spares.is_tidy(3)
    assert not harness.trees.spares.is_tidy(1)
    assert harness.trees.spares.tidy(1) == 2
    assert len(harness.trees.spares.paths()) == 1
    assert len(in_the_list(harness)) == 1


def test_two_swarms_of_one_repository_have_their_own_spares(
    harness: Harness, integration: Integration, tmp_path: Path
) -> None:
    other = TaskWorktrees(harness.repo, tmp_path / "other" / "worktrees")
    work(harness, integration, "t1")
    assert recycled(harness, integration, "t1") is None
    (spare,) = harness.trees.spares.paths()
    other.open("t9", str(integration.tip()), holder_is_dead=lambda _: True)
    other.spares.tidy(0)
    assert harness.trees.spares.paths() == (spare,)


def test_the_users_own_worktrees_are_untouched(harness: Harness, integration: Integration, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    harness.git("worktree", "add", "-q", "--detach", str(theirs))
    (theirs / "dirty").write_text("by the user\n")
    work(harness, integration, "t1")
    recycled(harness, integration, "t1")
    harness.trees.spares.tidy(0)
    assert in_the_list(harness) == {theirs}
    assert (theirs / "dirty").read_text() == "by the user\n"
