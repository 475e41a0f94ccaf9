"""Repositories inside a worktree: created ones are work, cloned ones are not, and nothing goes unreported."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Harness
from task_bench import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("committed", [False, True])
def test_a_repository_that_the_agent_created_inside_is_committed_file_by_file(bench: Bench, committed: bool) -> None:
    """`git add` would add it as a bare commit id, or fail on it altogether."""
    inner = bench.at / "app"
    inner.mkdir()
    bench.git("init", "-q", cwd=inner)
    bench.write({"main.py": "1", "x.tmp": "", ".gitignore": "*.tmp\n", "deep/er.py": "2"}, at=inner)
    if committed:
        bench.commit({}, at=inner)
    bench.git("init", "-q", str(inner / "deeper"))
    bench.write({"more.py": "3"}, at=inner / "deeper")
    snapshot = bench.snap()
    assert [(one.path, one.taken) for one in snapshot.embedded] == [("app", True)]
    assert {"app/main.py", "app/.gitignore", "app/deep/er.py", "app/deeper/more.py"} <= set(
        bench.files(snapshot.head_sha)
    )
    assert "app/x.tmp" not in bench.files(snapshot.head_sha)
    again = bench.open("t")
    assert (inner / "main.py").exists()
    bench.write({"app/main.py": "changed"}, at=bench.at)
    assert bench.show(f"{bench.snap().head_sha}:app/main.py") == "changed"
    assert again.head_sha == snapshot.head_sha


def test_a_clone_and_a_worktree_inside_are_left_out_and_named(bench: Bench) -> None:
    bench.agent("clone", "-q", str(bench.root), "vendor/lib")
    bench.agent("worktree", "add", "-q", "-b", "theirs", "wt")
    bench.write({"b": "1"}, at=bench.at)
    snapshot = bench.snap()
    assert sorted((one.path, one.taken) for one in snapshot.embedded) == [("vendor/lib", False), ("wt", False)]
    assert bench.files(snapshot.head_sha) == (".gitignore", "a.txt", "b")
    bench.open("t")
    assert (bench.at / "vendor" / "lib" / "a.txt").exists(), "a clone with its own commits was deleted"


def test_a_submodule_that_the_agent_added_is_committed_as_one(tmp_path: Path) -> None:
    bench, other = Bench(tmp_path / "bench"), Harness(tmp_path / "other")
    bench.agent("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.root), "sub")
    snapshot = bench.snap()
    assert snapshot.embedded == ()
    assert "160000 commit" in bench.git("ls-tree", snapshot.head_sha, "sub")


@pytest.mark.parametrize("content", ["garbage", "gitdir: /nowhere/at/all\n"])
def test_a_broken_link_to_a_repository_inside_excludes_nothing_else(bench: Bench, content: str) -> None:
    bench.write({"sub/.git": content, "sub/x": "1", "good": "1"}, at=bench.at)
    assert "good" in bench.files(bench.snap().head_sha)
    bench.open("t")
    assert (bench.at / "sub" / "x").exists()
