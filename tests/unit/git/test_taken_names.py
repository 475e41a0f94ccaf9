"""Names of branches that a swarm takes: a crash leaves none behind, and no one else's is ever given back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Desk

from swarm_shared.domain.branch_names import TAKEN_REFS, task_ref
from swarm_shared.git.plumbing.refs import read_ref, refs_below
from swarm_shared.git.plumbing.stale_locks import ref_lock
from swarm_shared.git.worktrees.taken_names import Settled, TakenNames
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def names(desk: Desk, *stored: str, trees: TaskWorktrees | None = None) -> TakenNames:
    """As a worker has them at its start; `stored` is in the database."""
    return TakenNames(desk.repo, trees or desk.trees, is_stored=lambda name: name in stored)


def branches(desk: Desk) -> set[str]:
    return set(refs_below(desk.repo.git, task_ref("")))


def marks(desk: Desk) -> set[str]:
    return set(refs_below(desk.repo.git, TAKEN_REFS))


def test_a_name_that_was_taken_and_never_stored_is_given_back(desk: Desk) -> None:
    assert names(desk).take("t", desk.base)
    assert names(desk).give_back(desk.base) == ("t",)
    assert (branches(desk), marks(desk)) == (set(), set())


def test_a_name_that_was_taken_and_never_stored_can_be_taken_again_at_once(desk: Desk) -> None:
    assert names(desk).take("t", desk.base)
    later = desk.commit({"a.txt": "later"})
    assert names(desk).take("t", later)
    assert read_ref(desk.repo.git, task_ref("t")) == later


def test_a_name_that_is_stored_stays_whenever_its_worker_died(desk: Desk) -> None:
    taking = names(desk)
    assert taking.take("t", desk.base)
    assert names(desk, "t").give_back(desk.base) == ()
    assert (branches(desk), marks(desk)) == ({task_ref("t")}, set())
    assert taking.take("u", desk.base)
    taking.stored("u")
    taking.clear()
    assert names(desk).give_back(desk.base) == ()
    assert (branches(desk), marks(desk)) == ({task_ref("t"), task_ref("u")}, set())


def test_the_mark_of_a_stored_name_goes_with_the_next_name(desk: Desk) -> None:
    settled = Settled()
    for name in ("t", "u"):
        taking = TakenNames(desk.repo, desk.trees, is_stored=lambda _name: True, settled=settled)
        assert taking.take(name, desk.base)
        assert [mark.rpartition("/")[2] for mark in marks(desk)] == [name]
        taking.stored(name)
    taking.clear()
    assert (branches(desk), marks(desk)) == ({task_ref("t"), task_ref("u")}, set())


def test_a_mark_that_another_worker_has_deleted_is_in_no_way_of_the_next_name(desk: Desk) -> None:
    taking = names(desk)
    assert taking.take("t", desk.base)
    taking.stored("t")
    assert names(desk, "t").give_back(desk.base) == ()
    assert taking.take("u", desk.base)
    assert branches(desk) == {task_ref("t"), task_ref("u")}


def test_a_branch_with_anything_that_has_not_landed_stays(desk: Desk) -> None:
    assert names(desk).take("t", desk.base)
    work = desk.commit({"a.txt": "of somebody"})
    desk.git("update-ref", task_ref("t"), work)
    assert names(desk).give_back(desk.base) == ()
    assert read_ref(desk.repo.git, task_ref("t")) == work
    assert marks(desk) == set()


def test_a_branch_that_someone_has_checked_out_stays(desk: Desk) -> None:
    assert names(desk).take("t", desk.base)
    desk.git("worktree", "add", "-q", str(desk.folder / "mine"), "swarm/task/t")
    assert names(desk).give_back(desk.base) == ()
    assert branches(desk) == {task_ref("t")}


def test_what_another_swarm_has_just_taken_stays_and_cannot_be_taken(desk: Desk) -> None:
    others = TaskWorktrees(desk.repo, desk.folder / "other" / "worktrees")
    assert names(desk, trees=others).take("t", desk.base)
    assert not names(desk).take("t", desk.base)
    assert names(desk).give_back(desk.base) == ()
    assert branches(desk) == {task_ref("t")}
    assert len(marks(desk)) == 1


def test_a_lock_that_a_crash_left_on_a_mark_is_in_nobodys_way(desk: Desk) -> None:
    assert names(desk).take("t", desk.base)
    [mark] = marks(desk)
    ref_lock(desk.repo, mark).touch()
    assert names(desk).give_back(desk.base) == ("t",)
    ref_lock(desk.repo, mark).parent.mkdir(parents=True, exist_ok=True)
    ref_lock(desk.repo, mark).touch()
    assert names(desk).take("t", desk.base)


def test_a_lock_that_a_crash_left_on_a_branch_is_waited_for_once(desk: Desk) -> None:
    pauses: list[float] = []
    repository = replace(desk.repo, git=replace(desk.repo.git, pause=pauses.append))
    taking = TakenNames(repository, desk.trees, is_stored=lambda name: False)
    left = ref_lock(desk.repo, task_ref("t"))
    left.parent.mkdir(parents=True)
    left.touch()
    assert taking.take("t", desk.base)
    assert sum(pauses) > 1, "it might have been a person's"
    left.touch()
    assert taking.give_back(desk.base) == ("t",)
    assert (branches(desk), left.exists()) == (set(), False)
