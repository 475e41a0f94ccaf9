"""How a project root is classified before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from repositories import Harness, Sandbox

from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import GitError, GitUnusable
from swarm_shared.git.running.process import Completed, run_process
from swarm_shared.git.running.runner import Git


def test_a_plain_folder_is_in_no_repository(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    sandbox = Sandbox(tmp_path / "box")
    environ = {**sandbox.env, "GIT_CEILING_DIRECTORIES": str(tmp_path)}
    assert Repository.find(plain, git=Git(cwd=plain, environ=environ)) is None
    assert Repository.find(sandbox.root / ".git", git=Git(cwd=plain, environ=environ)) is None


def test_an_ordinary_repository_is_found_with_all_its_parts(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    repo = harness.repo
    assert (repo.top_level, repo.common_dir, repo.bare, repo.prefix) == (harness.root, harness.root / ".git", False, "")
    assert (repo.head_branch, repo.head_sha, repo.object_format) == ("main", harness.base, "sha1")
    assert repo.obstacle() is None


@pytest.mark.parametrize("name", ["with space", "ümlaut", "line\nend", "-dash", "quote'\""])
def test_folders_with_awkward_names_are_found(tmp_path: Path, name: str) -> None:
    harness = Harness(tmp_path, files={f"{name}/below/f": "1"}, name=name)
    repo = harness.repository(f"{name}/below")
    assert (repo.top_level, repo.prefix, repo.obstacle()) == (harness.root, f"{name}/below", None)


def test_a_repository_without_a_commit_is_reported_as_such(tmp_path: Path) -> None:
    repo = Sandbox(tmp_path).repository()
    assert (repo.head_branch, repo.head_sha) == ("main", None)
    assert "no commit yet" in (repo.obstacle() or "")


def test_a_detached_head_has_no_branch(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.git("checkout", "-q", "--detach")
    repo = harness.repository()
    assert (repo.head_branch, repo.head_sha, repo.obstacle()) == (None, harness.base, None)


def test_a_bare_repository_has_no_files(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.git("clone", "-q", "--bare", str(harness.root), str(tmp_path / "bare.git"))
    repo = Repository.find(tmp_path / "bare.git", git=Git(cwd=tmp_path, environ=harness.env))
    assert repo is not None
    assert (repo.bare, repo.top_level, repo.head_sha, repo.obstacle()) == (True, None, harness.base, None)


def test_a_linked_worktree_of_the_user_has_its_own_head(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    harness.git("worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    repo = Repository.find(tmp_path / "linked", git=Git(cwd=tmp_path, environ=harness.env))
    assert repo is not None
    assert (repo.common_dir, repo.head_branch) == (harness.root / ".git", "other")
    assert repo.git_dir == harness.root / ".git" / "worktrees" / "linked"


def test_a_folder_that_is_in_no_commit_cannot_have_worktrees(tmp_path: Path) -> None:
    """For example a project inside a home folder under git that does not track it."""
    harness = Harness(tmp_path)
    (harness.root / "project").mkdir()
    assert "is not part of the last commit" in (harness.repository("project").obstacle() or "")


@pytest.mark.parametrize("branch", ["swarm", "swarm/task"])
def test_a_branch_that_blocks_our_names_is_reported(tmp_path: Path, branch: str) -> None:
    harness = Harness(tmp_path)
    harness.git("branch", branch)
    assert harness.repo.branches_in_the_way() == (branch,)
    assert branch in (harness.repo.obstacle() or "")


def test_our_own_branches_block_nothing(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    for branch in ("swarm/integration", "swarm/task/1", "swarming"):
        harness.git("branch", branch)
    assert harness.repo.branches_in_the_way() == ()


def test_an_old_git_is_refused_with_advice(tmp_path: Path) -> None:
    harness = Harness(tmp_path)

    def old(command: Sequence[str], **how: object) -> Completed:
        if command[-1] == "version":
            return Completed(code=0, out=b"git version 2.37.9 (Distribution)\n")
        return run_process(command, **how)  # type: ignore[arg-type]

    with pytest.raises(GitUnusable, match=r"2\.37\.9 .*too old") as caught:
        Repository.find(harness.root, git=replace(harness.repo.git, run=old))
    assert "--isolation none" in (caught.value.hint or "")
    assert caught.value.exit_code == 3


def test_a_refused_repository_is_an_error_and_not_a_missing_repository(tmp_path: Path) -> None:
    harness = Harness(tmp_path)
    (harness.root / ".git" / "config").write_text("[core\n")
    with pytest.raises(GitUnusable, match="bad config"):
        harness.repository()


@pytest.mark.parametrize("name", ["-x", "a..b", "HEAD", "a b", "", "@{-1}"])
def test_an_invalid_branch_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(GitError, match="cannot be the name of a branch"):
        Harness(tmp_path).repo.ref_for(name)
