"""Refs and commits read without a process: the same results as git's, and git is asked if files are not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import Harness

from swarm_shared.git.plumbing.on_disk import commit_on_disk, is_contained_on_disk, ref_on_disk
from swarm_shared.git.plumbing.refs import has_commit, is_contained, merge_base, read_ref, tree_of
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.running.runner import Git
from swarm_shared.git.worktrees.listing import checked_out_at


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


def silent(git: Git) -> Git:
    """The same git, but it may start no process."""

    def refuse(*_: Any, **__: Any) -> Completed:
        raise AssertionError("a git process was started")

    return replace(git, run=refuse)


def counted(git: Git) -> tuple[Git, list[str]]:
    said: list[str] = []

    def run(command: Any, **how: Any) -> Completed:
        said.append(next(word for word in command[1:] if word in ("rev-parse", "merge-base", "cat-file", "worktree")))
        return run_process(command, **how)

    return replace(git, run=run), said


def test_fresh_refs_commits_and_their_relations_cost_no_process(harness: Harness) -> None:
    first = harness.base
    second = harness.commit({"a.txt": "2"})
    third = harness.commit({"a.txt": "3"})
    git = silent(harness.repo.git)
    assert read_ref(git, "refs/heads/main") == read_ref(git, "HEAD") == third
    assert read_ref(git, "refs/heads/none") is None
    assert tree_of(git, third) == harness.sha(f"{third}^{{tree}}")
    assert is_contained(git, first, third)
    assert is_contained(git, second, third)
    assert not is_contained(git, third, second)
    assert merge_base(git, third, first) == merge_base(git, first, third) == first
    assert has_commit(git, second)


def test_a_worktree_reads_its_own_head_and_the_refs_of_all(harness: Harness) -> None:
    opened = harness.open("t1")
    git = silent(opened.checkout.git)
    assert read_ref(git, "HEAD") == read_ref(git, "refs/heads/swarm/task/t1") == harness.base


@pytest.mark.parametrize(
    "change",
    [
        lambda harness: harness.git("pack-refs", "--all"),
        lambda harness: harness.git("gc", "-q"),
        lambda harness: harness.git("symbolic-ref", "refs/heads/link", "refs/heads/main"),
        lambda harness: harness.git("replace", harness.sha("HEAD"), harness.sha("HEAD~1")),
    ],
    ids=["packed refs", "packed objects", "a symbolic branch", "a replaced commit"],
)
def test_anything_stored_in_another_way_is_left_to_git(harness: Harness, change: Callable[[Harness], object]) -> None:
    harness.commit({"a.txt": "2"})
    change(harness)
    git = harness.repo.git
    for ref in ("HEAD", "refs/heads/main", "refs/heads/link", "refs/heads/none"):
        said = harness.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").stdout.strip()
        assert read_ref(git, ref) == (said or None)
    assert tree_of(git, harness.sha("main")) == harness.sha("main^{tree}")


def test_the_answer_of_git_about_a_packed_commit_is_cached(harness: Harness) -> None:
    harness.git("gc", "-q")
    git, said = counted(harness.repo.git)
    tip = harness.commit({"a.txt": "2"})
    harness.git("pack-refs", "--all")
    assert [read_ref(git, "refs/heads/main") for _ in range(2)] == [tip, tip]
    assert [is_contained(git, harness.base, tip) for _ in range(2)] == [True, True]
    later = harness.commit({"a.txt": "3"})
    assert is_contained(git, harness.base, later)
    assert said == ["merge-base"], "about a packed commit"


@pytest.mark.parametrize("content", [b"", b"no object"], ids=["empty", "damaged"])
def test_a_commit_damaged_by_a_power_cut_is_not_accepted(harness: Harness, content: bytes) -> None:
    sha = harness.commit({"a.txt": "2"})
    stored = harness.root / ".git" / "objects" / sha[:2] / sha[2:]
    stored.chmod(0o644)
    stored.write_bytes(content)
    assert ref_on_disk(harness.repo.git, "refs/heads/main") is None
    assert commit_on_disk(harness.repo.git, sha) is None
    assert is_contained_on_disk(harness.repo.git, harness.base, sha) is None


def test_a_ref_emptied_by_a_power_cut_is_left_to_git(harness: Harness) -> None:
    (harness.root / ".git/refs/heads/main").write_bytes(b"")
    assert ref_on_disk(harness.repo.git, "refs/heads/main") is None


def test_a_shallow_history_is_left_to_git(harness: Harness) -> None:
    sha = harness.commit({"a.txt": "2"})
    (harness.root / ".git/shallow").write_text(f"{sha}\n")
    assert is_contained_on_disk(harness.repo.git, harness.base, sha) is None
    assert not is_contained(harness.repo.git, harness.base, sha)


def test_diverging_histories_are_compared_by_git(harness: Harness) -> None:
    one = harness.commit({"a.txt": "2"})
    harness.git("checkout", "-q", "-b", "other", harness.base)
    other = harness.commit({"b.txt": "1"})
    git, said = counted(harness.repo.git)
    assert merge_base(git, one, other) == harness.base
    assert not is_contained(git, one, other)
    assert said == ["merge-base", "merge-base"]


def test_whether_a_branch_is_checked_out_costs_a_process_only_if_it_may_be(harness: Harness, tmp_path: Path) -> None:
    repo = replace(harness.repo, git=silent(harness.repo.git))
    harness.git("branch", "free")
    assert checked_out_at(repo, "refs/heads/free") is None
    harness.git("worktree", "add", "-q", str(tmp_path / "theirs"), "free")
    assert checked_out_at(harness.repo, "refs/heads/free") == tmp_path / "theirs"
    link = harness.root / ".git/worktrees/theirs/HEAD"
    link.unlink()
    link.symlink_to(harness.root / ".git/refs/heads/free")
    git, said = counted(harness.repo.git)
    checked_out_at(replace(harness.repo, git=git), "refs/heads/free")
    assert said
