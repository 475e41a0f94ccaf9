"""Refs and commits read without a process: the same answers as git's, and git's own where files do not tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import Desk

from swarm_shared.git.plumbing.on_disk import commit_on_disk, is_contained_on_disk, ref_on_disk
from swarm_shared.git.plumbing.process import Completed, run_process
from swarm_shared.git.plumbing.refs import has_commit, is_contained, merge_base, read_ref, tree_of
from swarm_shared.git.plumbing.runner import Git
from swarm_shared.git.worktrees.listing import checked_out_at


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def silent(git: Git) -> Git:
    """The same git, of which no process may start."""

    def refuse(*_: Any, **__: Any) -> Completed:
        raise AssertionError("a git process was started")

    return replace(git, run=refuse)


def counted(git: Git) -> tuple[Git, list[str]]:
    said: list[str] = []

    def run(command: Any, **how: Any) -> Completed:
        said.append(next(word for word in command[1:] if word in ("rev-parse", "merge-base", "cat-file", "worktree")))
        return run_process(command, **how)

    return replace(git, run=run), said


def test_fresh_refs_commits_and_their_relations_cost_no_process(desk: Desk) -> None:
    first = desk.base
    second = desk.commit({"a.txt": "2"})
    third = desk.commit({"a.txt": "3"})
    git = silent(desk.repo.git)
    assert read_ref(git, "refs/heads/main") == read_ref(git, "HEAD") == third
    assert read_ref(git, "refs/heads/none") is None
    assert tree_of(git, third) == desk.sha(f"{third}^{{tree}}")
    assert is_contained(git, first, third)
    assert is_contained(git, second, third)
    assert not is_contained(git, third, second)
    assert merge_base(git, third, first) == merge_base(git, first, third) == first
    assert has_commit(git, second)


def test_a_worktree_reads_its_own_head_and_the_refs_of_all(desk: Desk) -> None:
    opened = desk.open("t1")
    git = silent(opened.checkout.git)
    assert read_ref(git, "HEAD") == read_ref(git, "refs/heads/swarm/task/t1") == desk.base


@pytest.mark.parametrize(
    "change",
    [
        lambda desk: desk.git("pack-refs", "--all"),
        lambda desk: desk.git("gc", "-q"),
        lambda desk: desk.git("symbolic-ref", "refs/heads/link", "refs/heads/main"),
        lambda desk: desk.git("replace", desk.sha("HEAD"), desk.sha("HEAD~1")),
    ],
    ids=["packed refs", "packed objects", "a symbolic branch", "a replaced commit"],
)
def test_what_is_kept_otherwise_is_answered_by_git(desk: Desk, change: Callable[[Desk], object]) -> None:
    desk.commit({"a.txt": "2"})
    change(desk)
    git = desk.repo.git
    for ref in ("HEAD", "refs/heads/main", "refs/heads/link", "refs/heads/none"):
        said = desk.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").stdout.strip()
        assert read_ref(git, ref) == (said or None)
    assert tree_of(git, desk.sha("main")) == desk.sha("main^{tree}")


def test_what_git_has_said_of_a_packed_commit_is_not_asked_again(desk: Desk) -> None:
    desk.git("gc", "-q")
    git, said = counted(desk.repo.git)
    tip = desk.commit({"a.txt": "2"})
    desk.git("pack-refs", "--all")
    assert [read_ref(git, "refs/heads/main") for _ in range(2)] == [tip, tip]
    assert [is_contained(git, desk.base, tip) for _ in range(2)] == [True, True]
    later = desk.commit({"a.txt": "3"})
    assert is_contained(git, desk.base, later)
    assert said == ["merge-base"], "of a commit that is packed"


@pytest.mark.parametrize("content", [b"", b"no object"], ids=["empty", "damaged"])
def test_a_commit_that_a_power_cut_damaged_is_not_taken_for_one(desk: Desk, content: bytes) -> None:
    sha = desk.commit({"a.txt": "2"})
    stored = desk.root / ".git" / "objects" / sha[:2] / sha[2:]
    stored.chmod(0o644)
    stored.write_bytes(content)
    assert ref_on_disk(desk.repo.git, "refs/heads/main") is None
    assert commit_on_disk(desk.repo.git, sha) is None
    assert is_contained_on_disk(desk.repo.git, desk.base, sha) is None


def test_a_ref_that_a_power_cut_emptied_is_left_to_git(desk: Desk) -> None:
    (desk.root / ".git/refs/heads/main").write_bytes(b"")
    assert ref_on_disk(desk.repo.git, "refs/heads/main") is None


def test_a_shallow_history_is_left_to_git(desk: Desk) -> None:
    sha = desk.commit({"a.txt": "2"})
    (desk.root / ".git/shallow").write_text(f"{sha}\n")
    assert is_contained_on_disk(desk.repo.git, desk.base, sha) is None
    assert not is_contained(desk.repo.git, desk.base, sha)


def test_histories_that_part_are_compared_by_git(desk: Desk) -> None:
    one = desk.commit({"a.txt": "2"})
    desk.git("checkout", "-q", "-b", "other", desk.base)
    other = desk.commit({"b.txt": "1"})
    git, said = counted(desk.repo.git)
    assert merge_base(git, one, other) == desk.base
    assert not is_contained(git, one, other)
    assert said == ["merge-base", "merge-base"]


def test_whether_a_branch_is_checked_out_costs_a_process_only_where_it_may_be(desk: Desk, tmp_path: Path) -> None:
    repo = replace(desk.repo, git=silent(desk.repo.git))
    desk.git("branch", "free")
    assert checked_out_at(repo, "refs/heads/free") is None
    desk.git("worktree", "add", "-q", str(tmp_path / "theirs"), "free")
    assert checked_out_at(desk.repo, "refs/heads/free") == tmp_path / "theirs"
    link = desk.root / ".git/worktrees/theirs/HEAD"
    link.unlink()
    link.symlink_to(desk.root / ".git/refs/heads/free")
    git, said = counted(desk.repo.git)
    checked_out_at(replace(desk.repo, git=git), "refs/heads/free")
    assert said
