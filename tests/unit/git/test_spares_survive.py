"""A damaged spare, a death at any step, a full disk: no task gets a wrong file, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from landed_tasks import (
    Killed,
    dying,
    everything_in,
    harness_with_products,
    in_the_list,
    integration_of,
    plant_ignored,
    recycled,
    work,
)
from repositories import Harness, many_names

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.worktrees.filling import Filling
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return harness_with_products(tmp_path)


@pytest.fixture
def integration(harness: Harness) -> Integration:
    return integration_of(harness)


def damage_link(spare: Path, git_dir: Path) -> None:
    (spare / ".git").write_text("gitdir: /elsewhere\n")


def damage_index(spare: Path, git_dir: Path) -> None:
    (git_dir / "index").write_bytes(b"no index")


def damage_head(spare: Path, git_dir: Path) -> None:
    (git_dir / "HEAD").write_bytes(b"")


def damage_common(spare: Path, git_dir: Path) -> None:
    (git_dir / "commondir").write_text("../../nowhere\n")


def damage_files(spare: Path, git_dir: Path) -> None:
    (spare / "a.txt").write_text("spoiled")
    (spare / "planted").write_text("spoiled")
    (spare / "planted.log").write_text("spoiled")
    (spare / "lib" / "b.txt").unlink()


def damage_folder(spare: Path, git_dir: Path) -> None:
    spare.rename(spare.with_name("moved"))


@pytest.mark.parametrize("damage", [damage_link, damage_index, damage_head, damage_common, damage_files, damage_folder])
def test_a_spare_damaged_from_outside_gives_a_task_no_wrong_file(
    harness: Harness, integration: Integration, damage: Callable[[Path, Path], None]
) -> None:
    work(harness, integration, "t1")
    assert recycled(harness, integration, "t1") is None
    (spare,) = harness.trees.spares.paths()
    (git_dir,) = (harness.root / ".git" / "worktrees").iterdir()
    damage(spare, git_dir)
    opened = harness.open("t2", integration.tip())
    assert everything_in(opened.cwd) == {
        "a.txt": b"1\n",
        "lib/b.txt": b"2\n",
        ".gitignore": b"*.log\nout/\nnode_modules/\n",
        "t1.txt": b"t1\n",
    }
    assert opened.checkout.git.line("symbolic-ref", "HEAD") == opened.ref
    harness.trees.spares.tidy(1)
    assert in_the_list(harness) == {opened.cwd}
    assert not any(harness.trees.spares.root.iterdir())


def test_a_death_at_any_step_of_taking_a_spare_leaves_the_next_attempt_a_sound_worktree(
    harness: Harness, integration: Integration
) -> None:
    died = 0
    for at in range(1, 40):
        safe = f"t{at}"
        work(harness, integration, f"{safe}-before")
        assert recycled(harness, integration, f"{safe}-before") is None
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, at)
            try:
                harness.open(safe, integration.tip())
            except Killed:
                died += 1
            else:
                break
        opened = harness.open(safe, integration.tip())
        assert opened.checkout.git.items("status", "--porcelain", "-z", "--ignored") == ()
        assert opened.checkout.git.line("symbolic-ref", "HEAD") == opened.ref
        assert opened.set_aside is None
        harness.trees.spares.tidy(0)
        harness.trees.remove(safe)
        assert in_the_list(harness) == set()
    assert died >= 6


def test_a_death_at_any_step_of_recycling_leaves_nothing_that_looks_like_work(
    harness: Harness, integration: Integration
) -> None:
    died = 0
    for at in range(1, 40):
        safe = f"t{at}"
        work(harness, integration, safe, plant_ignored)
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, at)
            try:
                recycled(harness, integration, safe)
            except Killed:
                died += 1
            else:
                break
        if harness.trees.path_of(safe) in in_the_list(harness):
            assert recycled(harness, integration, safe) is None
        opened = harness.open(f"{safe}-next", integration.tip())
        assert opened.checkout.git.items("status", "--porcelain", "-z", "--ignored") == ()
        assert not (opened.cwd / "out").exists()
        harness.trees.remove(f"{safe}-next")
        harness.trees.spares.tidy(0)
        assert in_the_list(harness) == set()
    assert died >= 6


def test_a_task_that_takes_a_spare_gets_the_many_files_that_were_added_since(
    harness: Harness, integration: Integration
) -> None:
    work(harness, integration, "t1")
    assert recycled(harness, integration, "t1") is None
    names = many_names("many")
    harness.commit({name: f"{name}\n" for name in names})
    tip = integration.plan_follow("refs/heads/main", tip=str(integration.tip())).new
    opened = harness.open("t2", tip)
    assert sum(path.is_file() for path in (opened.cwd / "many").rglob("*")) == len(names)
    assert opened.checkout.git.items("status", "--porcelain", "-z") == ()


def test_a_full_disk_while_a_spare_is_taken_costs_only_the_spare(harness: Harness, integration: Integration) -> None:
    work(harness, integration, "t1")
    assert recycled(harness, integration, "t1") is None
    failed: list[str] = []

    def full(command: Any, **how: Any) -> Completed:
        if "reset" in command and len(failed) < 2:
            failed.append("reset")
            return Completed(code=128, out=b"", err="fatal: cannot create file: No space left on device")
        return run_process(command, **how)

    trees = TaskWorktrees(replace(harness.repo, git=replace(harness.repo.git, run=full)), harness.trees.root)
    opened = trees.open("t2", str(integration.tip()), holder_is_dead=lambda _: True)
    assert len(failed) == 2
    assert opened.checkout.git.items("status", "--porcelain", "-z") == ()
    assert in_the_list(harness) == {opened.cwd}


def test_a_death_at_any_step_of_making_a_spare_leaves_nothing_that_looks_like_one(harness: Harness) -> None:
    died = 0
    for at in range(1, 40):
        filling = Filling(harness.repo, harness.trees.spares)
        with pytest.MonkeyPatch.context() as patch:
            dying(patch, at)
            try:
                filling.make(harness.base)
            except Killed:
                died += 1
        whole = [path for path in harness.trees.spares.paths() if everything_in(path).keys() >= {"a.txt", "lib/b.txt"}]
        assert list(harness.trees.spares.paths()) == whole
        filling.clear()
        harness.trees.spares.tidy(0)
        assert filling.is_clear()
        assert in_the_list(harness) == set()
        if whole:
            break
    assert died >= 4
    harness.git("fsck", "--no-dangling")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["worktree", "reset"])
def test_a_death_around_a_git_command_of_making_a_spare_leaves_nothing(
    harness: Harness, step: str, moment: str
) -> None:
    def deadly(command: Any, **how: Any) -> Completed:
        if step in command and moment == "before":
            raise Killed
        done = run_process(command, **how)
        if step in command:
            raise Killed
        return done

    dying_git = replace(harness.repo, git=replace(harness.repo.git, run=deadly))
    with pytest.raises(Killed):
        Filling(dying_git, harness.trees.spares).make(harness.base)
    assert harness.trees.spares.paths() == ()
    filling = Filling(harness.repo, harness.trees.spares)
    filling.clear()
    assert filling.is_clear()
    assert in_the_list(harness) == set()
    assert filling.make(harness.base)
    assert len(harness.trees.spares.paths()) == 1
    harness.git("fsck", "--no-dangling")
