"""Refs move only from the value we know; a lock is told from a move."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Desk

from swarm_shared.git.plumbing import packed_lock, refs
from swarm_shared.git.plumbing.git_errors import GitFailed, RefLocked, RefMoved
from swarm_shared.git.plumbing.living_gits import may_work_in
from swarm_shared.git.plumbing.refs import RefMove, independent, is_contained, merge_base, move_ref, move_refs, read_ref
from swarm_shared.git.plumbing.stale_locks import clear_stale, ref_lock

REF = "refs/heads/swarm/integration"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.commit({"a.txt": "2"})
    return desk


def second(desk: Desk) -> str:
    return desk.sha("main")


def test_a_ref_is_made_moved_and_deleted(desk: Desk) -> None:
    git = desk.repo.git
    move_ref(git, REF, new=desk.base, old=None, reason="test")
    move_ref(git, REF, new=second(desk), old=desk.base, reason="test")
    assert read_ref(git, REF) == second(desk)
    move_ref(git, REF, new=None, old=second(desk), reason="test")
    assert read_ref(git, REF) is None


def test_a_ref_that_someone_moved_stays_where_it_is(desk: Desk) -> None:
    desk.git("update-ref", REF, second(desk))
    with pytest.raises(RefMoved) as caught:
        move_ref(desk.repo.git, REF, new=desk.base, old=desk.base, reason="test")
    assert (caught.value.expected, caught.value.found) == (desk.base, second(desk))
    assert read_ref(desk.repo.git, REF) == second(desk)


def test_a_ref_that_already_exists_is_not_made_again(desk: Desk) -> None:
    desk.git("update-ref", REF, second(desk))
    with pytest.raises(RefMoved):
        move_ref(desk.repo.git, REF, new=desk.base, old=None, reason="test")


def test_a_move_that_was_done_before_we_died_counts_as_done(desk: Desk) -> None:
    desk.git("update-ref", REF, second(desk))
    move_ref(desk.repo.git, REF, new=second(desk), old=desk.base, reason="test")


def test_git_ends_with_the_same_code_for_a_moved_ref_and_for_a_stale_lock(desk: Desk) -> None:
    desk.git("update-ref", REF, second(desk))
    moved = desk.run("update-ref", REF, desk.base, desk.base)
    ref_lock(desk.repo, REF).touch()
    locked = desk.run("update-ref", REF, desk.base, second(desk))
    assert (moved.returncode, locked.returncode) == (128, 128)


def test_a_stale_lock_is_reported_as_one_after_waiting(desk: Desk) -> None:
    desk.git("update-ref", REF, desk.base)
    ref_lock(desk.repo, REF).touch()
    waits: list[float] = []
    git = replace(desk.repo.git, pause=waits.append)
    with pytest.raises(RefLocked, match=r"integration\.lock"):
        move_ref(git, REF, new=second(desk), old=desk.base, reason="test")
    assert 1 < sum(waits) < 5


def test_a_lock_that_goes_away_is_waited_for(desk: Desk) -> None:
    desk.git("update-ref", REF, desk.base)
    lock = ref_lock(desk.repo, REF)
    lock.touch()
    git = replace(desk.repo.git, pause=lambda _: lock.unlink())
    move_ref(git, REF, new=second(desk), old=desk.base, reason="test")
    assert read_ref(git, REF) == second(desk)


def test_a_lock_is_deleted_only_on_proof(desk: Desk) -> None:
    lock = ref_lock(desk.repo, REF)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    assert clear_stale([lock], holder_is_dead=lambda _: False) == ()
    assert lock.exists()
    assert clear_stale([lock], holder_is_dead=lambda _: True) == (lock,)
    assert not lock.exists()


def test_several_refs_move_together_or_not_at_all(desk: Desk) -> None:
    other = "refs/swarm/kept/t/x"
    desk.git("update-ref", other, second(desk))
    moves = [RefMove(ref=REF, new=desk.base, old=None), RefMove(ref=other, new=desk.base, old=desk.base)]
    with pytest.raises(RefMoved):
        move_refs(desk.repo.git, moves, reason="test")
    assert read_ref(desk.repo.git, REF) is None


def test_a_branch_of_the_user_in_the_way_is_no_move_and_no_waiting(desk: Desk) -> None:
    desk.git("branch", "swarm")
    waits: list[float] = []
    with pytest.raises(RefLocked, match="swarm"):
        move_ref(replace(desk.repo.git, pause=waits.append), REF, new=desk.base, old=None, reason="test")
    assert waits == []


def test_what_is_contained_where(desk: Desk) -> None:
    git = desk.repo.git
    assert is_contained(git, desk.base, second(desk))
    assert not is_contained(git, second(desk), desk.base)
    assert is_contained(git, second(desk), "refs/heads/main")
    assert not is_contained(git, "1" * 40, second(desk)), "a commit that a power cut took"
    with pytest.raises(GitFailed):
        is_contained(git, desk.base, "refs/heads/none")


def test_of_several_commits_those_remain_that_no_other_contains(desk: Desk) -> None:
    desk.git("checkout", "-q", "-b", "side", desk.base)
    side = desk.commit({"b": "1"})
    git = desk.repo.git
    assert independent(git, [desk.base, second(desk), side, side]) == (second(desk), side)
    assert merge_base(git, second(desk), side) == desk.base
    desk.git("checkout", "-q", "--orphan", "alone")
    alone = desk.commit({"c": "1"})
    assert merge_base(git, side, alone) is None
    assert independent(git, [side, alone]) == (side, alone)


def lock_packed_refs(desk: Desk, *, age_s: float) -> Path:
    lock = desk.root / ".git" / "packed-refs.lock"
    lock.touch()
    os.utime(lock, (time.time() - age_s,) * 2)
    return lock


def test_a_lock_on_packed_refs_that_a_killed_git_left_keeps_nobody_from_deleting(desk: Desk) -> None:
    desk.git("branch", "old")
    lock = lock_packed_refs(desk, age_s=10_000_000)  # longer than any process lives here
    move_ref(desk.repository().git, "refs/heads/old", new=None, old=desk.sha("old"), reason="test")
    assert "refs/heads/old" not in desk.refs()
    assert not lock.exists()


def test_a_lock_on_packed_refs_stays_while_a_git_lives_that_may_have_made_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refs, "_LOCK_TRIES", 2)
    monkeypatch.setattr(packed_lock, "ABANDONED_S", 0)
    desk.git("branch", "old")
    git = desk.repository().git
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=desk.root, stdin=subprocess.PIPE):
        lock = lock_packed_refs(desk, age_s=0)
        with pytest.raises(RefLocked):
            move_ref(git, "refs/heads/old", new=None, old=desk.sha("old"), reason="test")
    assert lock.exists()


def test_a_git_that_works_elsewhere_does_not_keep_a_lock_on_packed_refs(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packed_lock, "ABANDONED_S", 0)
    desk.git("branch", "old")
    subprocess.run(["git", "init", "-q", str(tmp_path / "elsewhere")], check=True)
    other = subprocess.Popen(["git", "cat-file", "--batch"], cwd=tmp_path / "elsewhere", stdin=subprocess.PIPE)
    with other:
        lock = lock_packed_refs(desk, age_s=0)
        move_ref(desk.repository().git, "refs/heads/old", new=None, old=desk.sha("old"), reason="test")
    assert not lock.exists()


@pytest.mark.parametrize("named", ["-C", "--git-dir=", "GIT_DIR", "a worktree", "a folder in it", "the git directory"])
def test_a_git_that_works_in_the_repository_is_recognised_from_anywhere(desk: Desk, tmp_path: Path, named: str) -> None:
    common = desk.root / ".git"
    command, cwd, environ = ["git", "cat-file", "--batch"], tmp_path, dict(os.environ)
    if named == "-C":
        command[1:1] = ["-C", str(desk.root)]
    elif named == "--git-dir=":
        command.insert(1, f"--git-dir={os.path.relpath(common, tmp_path)}")
    elif named == "GIT_DIR":
        environ["GIT_DIR"] = str(common)
    elif named == "a worktree":
        cwd = tmp_path / "tree"
        desk.git("worktree", "add", "-q", "--detach", str(cwd))
    elif named == "a folder in it":
        cwd = desk.root / "lib"
        cwd.mkdir()
    else:
        cwd = common / "refs"
    with subprocess.Popen(command, cwd=cwd, env=environ, stdin=subprocess.PIPE) as living:
        assert may_work_in(living.pid, common)
    assert not may_work_in(living.pid, common), "it has ended"


def test_a_fresh_lock_on_packed_refs_stays(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refs, "_LOCK_TRIES", 2)
    monkeypatch.setattr(packed_lock, "_any_git_since_before", lambda _moment, _common_dir: False)
    desk.git("branch", "old")
    lock = lock_packed_refs(desk, age_s=0)
    with pytest.raises(RefLocked):
        move_ref(desk.repository().git, "refs/heads/old", new=None, old=desk.sha("old"), reason="test")
    assert lock.exists()
