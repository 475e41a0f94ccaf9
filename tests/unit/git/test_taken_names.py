"""Names of branches that a swarm takes: a crash leaves none behind, and those of others are never released."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.domain.branch_names import TAKEN_REFS, task_ref
from swarm_shared.git.plumbing.refs import read_ref, refs_below
from swarm_shared.git.plumbing.stale_locks import ref_lock
from swarm_shared.git.worktrees.taken_names import Settled, TakenNames
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def names(harness: Harness, *stored: str, trees: TaskWorktrees | None = None) -> TakenNames:
    """As a worker has them at its start; `stored` is in the database."""
    return TakenNames(harness.repo, trees or harness.trees, is_stored=lambda name: name in stored)


def branches(harness: Harness) -> set[str]:
    return set(refs_below(harness.repo.git, task_ref("")))


def marks(harness: Harness) -> set[str]:
    return set(refs_below(harness.repo.git, TAKEN_REFS))


def test_a_name_that_was_taken_but_never_stored_is_released(harness: Harness) -> None:
    assert names(harness).take("t", harness.base)
    assert names(harness).give_back(harness.base) == ("t",)
    assert (branches(harness), marks(harness)) == (set(), set())


def test_a_name_that_was_taken_but_never_stored_can_be_taken_again_at_once(harness: Harness) -> None:
    assert names(harness).take("t", harness.base)
    later = harness.commit({"a.txt": "later"})
    assert names(harness).take("t", later)
    assert read_ref(harness.repo.git, task_ref("t")) == later


def test_a_stored_name_stays_whenever_its_worker_died(harness: Harness) -> None:
    taking = names(harness)
    assert taking.take("t", harness.base)
    assert names(harness, "t").give_back(harness.base) == ()
    assert (branches(harness), marks(harness)) == ({task_ref("t")}, set())
    assert taking.take("u", harness.base)
    taking.stored("u")
    taking.clear()
    assert names(harness).give_back(harness.base) == ()
    assert (branches(harness), marks(harness)) == ({task_ref("t"), task_ref("u")}, set())


def test_the_mark_of_a_stored_name_is_removed_with_the_next_name(harness: Harness) -> None:
    settled = Settled()
    for name in ("t", "u"):
        taking = TakenNames(harness.repo, harness.trees, is_stored=lambda _name: True, settled=settled)
        assert taking.take(name, harness.base)
        assert [mark.rpartition("/")[2] for mark in marks(harness)] == [name]
        taking.stored(name)
    taking.clear()
    assert (branches(harness), marks(harness)) == ({task_ref("t"), task_ref("u")}, set())


def test_a_mark_that_another_worker_has_deleted_does_not_block_the_next_name(harness: Harness) -> None:
    taking = names(harness)
    assert taking.take("t", harness.base)
    taking.stored("t")
    assert names(harness, "t").give_back(harness.base) == ()
    assert taking.take("u", harness.base)
    assert branches(harness) == {task_ref("t"), task_ref("u")}


def test_a_branch_with_unlanded_work_stays(harness: Harness) -> None:
    assert names(harness).take("t", harness.base)
    work = harness.commit({"a.txt": "of another user"})
    harness.git("update-ref", task_ref("t"), work)
    assert names(harness).give_back(harness.base) == ()
    assert read_ref(harness.repo.git, task_ref("t")) == work
    assert marks(harness) == set()


def test_a_branch_that_is_checked_out_elsewhere_stays(harness: Harness) -> None:
    assert names(harness).take("t", harness.base)
    harness.git("worktree", "add", "-q", str(harness.folder / "mine"), "swarm/task/t")
    assert names(harness).give_back(harness.base) == ()
    assert branches(harness) == {task_ref("t")}


def test_a_name_that_another_swarm_has_just_taken_stays_and_cannot_be_taken(harness: Harness) -> None:
    others = TaskWorktrees(harness.repo, harness.folder / "other" / "worktrees")
    assert names(harness, trees=others).take("t", harness.base)
    assert not names(harness).take("t", harness.base)
    assert names(harness).give_back(harness.base) == ()
    assert branches(harness) == {task_ref("t")}
    assert len(marks(harness)) == 1


def test_a_lock_left_on_a_mark_by_a_crash_blocks_nothing(harness: Harness) -> None:
    assert names(harness).take("t", harness.base)
    [mark] = marks(harness)
    ref_lock(harness.repo, mark).touch()
    assert names(harness).give_back(harness.base) == ("t",)
    ref_lock(harness.repo, mark).parent.mkdir(parents=True, exist_ok=True)
    ref_lock(harness.repo, mark).touch()
    assert names(harness).take("t", harness.base)


def test_a_lock_left_on_a_branch_by_a_crash_is_waited_for_once(harness: Harness) -> None:
    pauses: list[float] = []
    repository = replace(harness.repo, git=replace(harness.repo.git, pause=pauses.append))
    taking = TakenNames(repository, harness.trees, is_stored=lambda name: False)
    left = ref_lock(harness.repo, task_ref("t"))
    left.parent.mkdir(parents=True)
    left.touch()
    assert taking.take("t", harness.base)
    assert sum(pauses) > 1, "it might have been a user's"
    left.touch()
    assert taking.give_back(harness.base) == ("t",)
    assert (branches(harness), left.exists()) == (set(), False)
