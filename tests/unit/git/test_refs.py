"""Refs move only from the value we know; a locked ref is not mistaken for a moved one."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.git.plumbing import packed_lock, refs
from swarm_shared.git.plumbing.refs import RefMove, independent, is_contained, merge_base, move_ref, move_refs, read_ref
from swarm_shared.git.plumbing.stale_locks import clear_stale, ref_lock
from swarm_shared.git.running.git_errors import GitFailed, RefLocked, RefMoved
from swarm_shared.git.running.living_gits import may_work_in

REF = "refs/heads/swarm/integration"


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    harness = Harness(tmp_path)
    harness.commit({"a.txt": "2"})
    return harness


def second(harness: Harness) -> str:
    return harness.sha("main")


def test_a_ref_is_created_moved_and_deleted(harness: Harness) -> None:
    git = harness.repo.git
    move_ref(git, REF, new=harness.base, old=None, reason="test")
    move_ref(git, REF, new=second(harness), old=harness.base, reason="test")
    assert read_ref(git, REF) == second(harness)
    move_ref(git, REF, new=None, old=second(harness), reason="test")
    assert read_ref(git, REF) is None


def test_a_ref_that_was_moved_by_others_stays_where_it_is(harness: Harness) -> None:
    harness.git("update-ref", REF, second(harness))
    with pytest.raises(RefMoved) as caught:
        move_ref(harness.repo.git, REF, new=harness.base, old=harness.base, reason="test")
    assert (caught.value.expected, caught.value.found) == (harness.base, second(harness))
    assert read_ref(harness.repo.git, REF) == second(harness)


def test_an_existing_ref_is_not_created_again(harness: Harness) -> None:
    harness.git("update-ref", REF, second(harness))
    with pytest.raises(RefMoved):
        move_ref(harness.repo.git, REF, new=harness.base, old=None, reason="test")


def test_a_move_completed_before_we_died_counts_as_done(harness: Harness) -> None:
    harness.git("update-ref", REF, second(harness))
    move_ref(harness.repo.git, REF, new=second(harness), old=harness.base, reason="test")


def test_git_ends_with_the_same_code_for_a_moved_ref_and_for_a_stale_lock(harness: Harness) -> None:
    harness.git("update-ref", REF, second(harness))
    moved = harness.run("update-ref", REF, harness.base, harness.base)
    ref_lock(harness.repo, REF).touch()
    locked = harness.run("update-ref", REF, harness.base, second(harness))
    assert (moved.returncode, locked.returncode) == (128, 128)


def test_a_stale_lock_is_reported_as_such_after_waiting(harness: Harness) -> None:
    harness.git("update-ref", REF, harness.base)
    ref_lock(harness.repo, REF).touch()
    waits: list[float] = []
    git = replace(harness.repo.git, pause=waits.append)
    with pytest.raises(RefLocked, match=r"integration\.lock"):
        move_ref(git, REF, new=second(harness), old=harness.base, reason="test")
    assert 1 < sum(waits) < 5


def test_a_lock_that_disappears_is_waited_for(harness: Harness) -> None:
    harness.git("update-ref", REF, harness.base)
    lock = ref_lock(harness.repo, REF)
    lock.touch()
    git = replace(harness.repo.git, pause=lambda _: lock.unlink())
    move_ref(git, REF, new=second(harness), old=harness.base, reason="test")
    assert read_ref(git, REF) == second(harness)


def test_a_lock_is_deleted_only_on_proof(harness: Harness) -> None:
    lock = ref_lock(harness.repo, REF)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    assert clear_stale([lock], holder_is_dead=lambda _: False) == ()
    assert lock.exists()
    assert clear_stale([lock], holder_is_dead=lambda _: True) == (lock,)
    assert not lock.exists()


def test_several_refs_move_together_or_not_at_all(harness: Harness) -> None:
    other = "refs/swarm/kept/t/x"
    harness.git("update-ref", other, second(harness))
    moves = [RefMove(ref=REF, new=harness.base, old=None), RefMove(ref=other, new=harness.base, old=harness.base)]
    with pytest.raises(RefMoved):
        move_refs(harness.repo.git, moves, reason="test")
    assert read_ref(harness.repo.git, REF) is None


def test_a_users_branch_with_a_conflicting_name_is_reported_without_waiting(harness: Harness) -> None:
    harness.git("branch", "swarm")
    waits: list[float] = []
    with pytest.raises(RefLocked, match="swarm"):
        move_ref(replace(harness.repo.git, pause=waits.append), REF, new=harness.base, old=None, reason="test")
    assert waits == []


def test_containment_of_commits_is_reported(harness: Harness) -> None:
    git = harness.repo.git
    assert is_contained(git, harness.base, second(harness))
    assert not is_contained(git, second(harness), harness.base)
    assert is_contained(git, second(harness), "refs/heads/main")
    assert not is_contained(git, "1" * 40, second(harness)), "a commit lost in a power cut"
    with pytest.raises(GitFailed):
        is_contained(git, harness.base, "refs/heads/none")


def test_of_several_commits_those_that_no_other_contains_remain(harness: Harness) -> None:
    harness.git("checkout", "-q", "-b", "side", harness.base)
    side = harness.commit({"b": "1"})
    git = harness.repo.git
    assert independent(git, [harness.base, second(harness), side, side]) == (second(harness), side)
    assert merge_base(git, second(harness), side) == harness.base
    harness.git("checkout", "-q", "--orphan", "alone")
    alone = harness.commit({"c": "1"})
    assert merge_base(git, side, alone) is None
    assert independent(git, [side, alone]) == (side, alone)


def lock_packed_refs(harness: Harness, *, age_s: float) -> Path:
    lock = harness.root / ".git" / "packed-refs.lock"
    lock.touch()
    os.utime(lock, (time.time() - age_s,) * 2)
    return lock


def test_a_packed_refs_lock_left_by_a_killed_git_does_not_prevent_deleting(harness: Harness) -> None:
    harness.git("branch", "old")
    lock = lock_packed_refs(harness, age_s=10_000_000)  # longer than any process on this machine has lived
    move_ref(harness.repository().git, "refs/heads/old", new=None, old=harness.sha("old"), reason="test")
    assert "refs/heads/old" not in harness.refs()
    assert not lock.exists()


def test_a_packed_refs_lock_stays_while_a_git_lives_that_may_have_made_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refs, "_LOCK_TRIES", 2)
    monkeypatch.setattr(packed_lock, "ABANDONED_S", 0)
    harness.git("branch", "old")
    git = harness.repository().git
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=harness.root, stdin=subprocess.PIPE):
        lock = lock_packed_refs(harness, age_s=0)
        with pytest.raises(RefLocked):
            move_ref(git, "refs/heads/old", new=None, old=harness.sha("old"), reason="test")
    assert lock.exists()


def test_a_git_that_works_elsewhere_does_not_keep_a_packed_refs_lock(
    harness: Harness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(packed_lock, "ABANDONED_S", 0)
    harness.git("branch", "old")
    subprocess.run(["git", "init", "-q", str(tmp_path / "elsewhere")], check=True)
    other = subprocess.Popen(["git", "cat-file", "--batch"], cwd=tmp_path / "elsewhere", stdin=subprocess.PIPE)
    with other:
        lock = lock_packed_refs(harness, age_s=0)
        move_ref(harness.repository().git, "refs/heads/old", new=None, old=harness.sha("old"), reason="test")
    assert not lock.exists()


@pytest.mark.parametrize("named", ["-C", "--git-dir=", "GIT_DIR", "a worktree", "a folder in it", "the git directory"])
def test_a_git_that_works_in_the_repository_is_recognized_from_anywhere(
    harness: Harness, tmp_path: Path, named: str
) -> None:
    common = harness.root / ".git"
    command, cwd, environ = ["git", "cat-file", "--batch"], tmp_path, dict(os.environ)
    if named == "-C":
        command[1:1] = ["-C", str(harness.root)]
    elif named == "--git-dir=":
        command.insert(1, f"--git-dir={os.path.relpath(common, tmp_path)}")
    elif named == "GIT_DIR":
        environ["GIT_DIR"] = str(common)
    elif named == "a worktree":
        cwd = tmp_path / "tree"
        harness.git("worktree", "add", "-q", "--detach", str(cwd))
    elif named == "a folder in it":
        cwd = harness.root / "lib"
        cwd.mkdir()
    else:
        cwd = common / "refs"
    with subprocess.Popen(command, cwd=cwd, env=environ, stdin=subprocess.PIPE) as living:
        assert may_work_in(living.pid, common)
    assert not may_work_in(living.pid, common), "the process has ended"


def test_a_fresh_packed_refs_lock_stays(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refs, "_LOCK_TRIES", 2)
    monkeypatch.setattr(packed_lock, "_any_git_since_before", lambda _moment, _common_dir: False)
    harness.git("branch", "old")
    lock = lock_packed_refs(harness, age_s=0)
    with pytest.raises(RefLocked):
        move_ref(harness.repository().git, "refs/heads/old", new=None, old=harness.sha("old"), reason="test")
    assert lock.exists()
