"""Spares made by an idle worker: in time for coming tasks, never delaying work, never on a full disk."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import Harness

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import TaskSpec
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.worktrees.filling import Filling
from swarm_shared.git.worktrees.listing import list_worktrees
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees
from swarm_worker.workplaces.refiller import IDLE_S, PAUSE_AFTER_FAILURE_S, Refiller

LEAST_FREE = 1_000


class Room:
    """A repository with waiting tasks, and an idle worker whose time and disk the test controls."""

    def __init__(self, folder: Path) -> None:
        self.harness = Harness(folder, files={f"lib/{n}.txt": f"{n}\n" for n in range(40)})
        Integration(repository=self.harness.repo).begin(self.harness.base)
        self.db = TaskDatabase(folder / "tasks.db")
        self.add(3)
        self.now, self.free = 100.0, 10 * LEAST_FREE
        self.busy: Callable[[], bool] = lambda: False
        self.commands: list[Sequence[str]] = []

    def add(self, count: int) -> None:
        self.db.imports.run([TaskSpec(id=f"t{n}", name=f"task {n}") for n in range(count)], source="", actor="test")

    def refiller(self, trees: TaskWorktrees | None = None) -> Refiller:
        return Refiller(
            self.db,
            trees or self.trees(),
            least_free_bytes=LEAST_FREE,
            must_yield=lambda: self.busy(),
            tip=lambda: self.harness.base,
            clock=lambda: self.now,
            free_bytes=lambda: self.free,
        )

    def trees(self, run: Callable[..., Completed] = run_process) -> TaskWorktrees:
        def noted(command: Sequence[str], **how: Any) -> Completed:
            self.commands.append(command)
            return run(command, **how)

        git = replace(self.harness.repo.git, run=noted)
        return TaskWorktrees(replace(self.harness.repo, git=git), self.harness.trees.root)

    def spares(self) -> int:
        return len(self.harness.trees.spares.paths())

    def is_whole(self) -> bool:
        """Git knows the user's checkout and the spares, and there is nothing else next to them."""
        listed = {listed.path for listed in list_worktrees(self.harness.repo.git)[1:]}
        filling = Filling(self.harness.repo, self.harness.trees.spares)
        return listed == set(self.harness.trees.spares.paths()) and filling.is_clear()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.db.close()


def idle_for_long(room: Room, refiller: Refiller, limit: int = 2) -> bool:
    assert not refiller.run_once(limit), "the worker may be between two tasks"
    room.now += IDLE_S
    return refiller.run_once(limit)


def test_an_idle_worker_makes_the_spares_that_are_allowed(room: Room) -> None:
    refiller = room.refiller()
    assert idle_for_long(room, refiller)
    assert refiller.run_once(2)
    assert not refiller.run_once(2)
    assert room.spares() == 2
    assert room.is_whole()
    opened = room.harness.open("t1")
    assert room.spares() == 1
    assert opened.checkout.git.items("status", "--porcelain", "-z", "--ignored") == ()


def test_there_are_never_more_spares_than_coming_tasks(room: Room) -> None:
    refiller = room.refiller()
    assert idle_for_long(room, refiller, limit=9)
    while refiller.run_once(9):
        pass
    assert room.spares() == 3


def test_a_worker_that_just_had_a_task_is_not_idle(room: Room) -> None:
    refiller = room.refiller()
    assert not refiller.run_once(2)
    room.now += IDLE_S
    refiller.note_work()
    assert not refiller.run_once(2)
    assert room.spares() == 0


def test_its_git_has_a_low_priority(room: Room) -> None:
    assert idle_for_long(room, room.refiller())
    assert any("reset" in command for command in room.commands)
    assert all(command[:3] == ["nice", "-n", "19"] for command in room.commands if "reset" in command)


def test_it_stops_as_soon_as_there_is_work(room: Room) -> None:
    started: list[str] = []

    def slow(command: Sequence[str], *, tend: Callable[[], None] = lambda: None, **how: Any) -> Completed:
        if "reset" in command:
            started.append("reset")
            tend()
            raise AssertionError("it continues although there is work")
        return run_process(command, tend=tend, **how)

    room.busy = lambda: bool(started)
    refiller = room.refiller(room.trees(slow))
    assert idle_for_long(room, refiller)
    assert started
    assert room.spares() == 0
    room.busy = lambda: False
    again = room.refiller()
    assert idle_for_long(room, again, limit=1)
    assert room.spares() == 1
    assert room.is_whole(), "the unfinished spare is removed"


def test_it_starts_nothing_while_there_is_work(room: Room) -> None:
    room.busy = lambda: True
    assert not idle_for_long(room, room.refiller())
    assert room.commands == []


@pytest.mark.parametrize("before", [True, False], ids=["before it starts", "while it runs"])
def test_twice_the_minimum_free_space_is_kept(room: Room, before: bool) -> None:
    def filling(command: Sequence[str], *, tend: Callable[[], None] = lambda: None, **how: Any) -> Completed:
        done = run_process(command, tend=tend, **how)
        if "reset" in command:
            room.free = 2 * LEAST_FREE - 1
            tend()
        return done

    if before:
        room.free = 2 * LEAST_FREE - 1
    refiller = room.refiller(room.trees(filling))
    assert not idle_for_long(room, refiller)
    assert room.spares() == 0
    assert room.is_whole()


def test_a_failure_is_not_retried_immediately(room: Room) -> None:
    def full(command: Sequence[str], **how: Any) -> Completed:
        if "reset" in command:
            return Completed(code=128, out=b"", err="fatal: cannot create file: No space left on device")
        return run_process(command, **how)

    refiller = room.refiller(room.trees(full))
    assert not idle_for_long(room, refiller)
    assert room.is_whole()
    tried = len(room.commands)
    assert not refiller.run_once(2)
    assert len(room.commands) == tried
    room.now += PAUSE_AFTER_FAILURE_S
    assert not refiller.run_once(2)
    assert len(room.commands) > tried


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_leaves_no_partial_spare(room: Room, small_disk: Path) -> None:
    room.harness.commit({f"big/{n}.bin": os.urandom(100_000) for n in range(20)})
    room.harness.base = room.harness.sha("HEAD")
    trees = TaskWorktrees(room.harness.repo, small_disk / "worktrees")
    assert not idle_for_long(room, room.refiller(trees))
    assert trees.spares.paths() == ()
    assert Filling(room.harness.repo, trees.spares).is_clear()
    assert len(list_worktrees(room.harness.repo.git)) == 1
    room.harness.git("fsck", "--no-dangling")
