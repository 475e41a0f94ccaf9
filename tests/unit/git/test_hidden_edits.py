"""Edits that an index flag hides from git are work; files left out by a sparse checkout are no deletions."""

from __future__ import annotations

from pathlib import Path

import pytest
from task_bench import Bench

from swarm_shared.git.snapshots.undo import undo_since

FLAGS = ["--skip-worktree", "--assume-unchanged"]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(
        tmp_path,
        files={
            "a.txt": "one\n",
            "b.txt": "two\n",
            "deep/c.txt": "three\n",
            "other/d.txt": "four\n",
            "other/e.txt": "five\n",
        },
    )


@pytest.mark.parametrize("flag", FLAGS)
def test_a_hidden_edit_is_committed(bench: Bench, flag: str) -> None:
    bench.agent("update-index", flag, "a.txt")
    bench.write({"a.txt": "edited\n", "new": "1"}, at=bench.at)
    snapshot = bench.snap()
    assert bench.show(f"{snapshot.head_sha}:a.txt") == "edited\n"
    assert "new" in bench.files(snapshot.head_sha)


@pytest.mark.parametrize("flag", FLAGS)
def test_the_next_attempt_finds_no_flag_and_its_files_as_committed(bench: Bench, flag: str) -> None:
    bench.agent("update-index", flag, "a.txt", "b.txt")
    bench.write({"a.txt": "edited\n"}, at=bench.at)
    head = bench.snap().head_sha
    bench.open("t")
    assert bench.git("ls-files", "-v", cwd=bench.at).splitlines() == [
        "H a.txt",
        "H b.txt",
        "H deep/c.txt",
        "H other/d.txt",
        "H other/e.txt",
    ]
    assert bench.git("status", "--porcelain", cwd=bench.at) == ""
    assert bench.sha("HEAD", at=bench.at) == head


@pytest.mark.parametrize("flag", FLAGS)
def test_files_that_a_validator_writes_under_a_flag_are_restored(bench: Bench, flag: str) -> None:
    head = bench.commit({"a.txt": "work\n"}, at=bench.at)
    bench.agent("update-index", flag, "a.txt")
    bench.write({"a.txt": "by the validator\n"}, at=bench.at)
    undone = undo_since(bench.tree.checkout, head, ref=bench.tree.ref)
    assert [file.path for file in undone] == ["a.txt"]
    assert (bench.at / "a.txt").read_text() == "work\n"


def test_a_sparse_checkout_deletes_nothing_and_its_work_is_committed(bench: Bench) -> None:
    bench.agent("sparse-checkout", "set", "deep")
    assert not (bench.at / "other").exists()
    bench.write({"deep/c.txt": "edited\n", "other/d.txt": "outside\n"}, at=bench.at)
    head = bench.snap().head_sha
    assert bench.files(head) == ("a.txt", "b.txt", "deep/c.txt", "other/d.txt", "other/e.txt")
    assert bench.show(f"{head}:deep/c.txt") == "edited\n"
    assert bench.show(f"{head}:other/d.txt") == "outside\n"


def test_a_sparse_checkout_stays_sparse_for_the_next_attempt(bench: Bench) -> None:
    bench.agent("sparse-checkout", "set", "deep")
    bench.agent("update-index", "--assume-unchanged", "deep/c.txt")
    bench.write({"deep/c.txt": "edited\n"}, at=bench.at)
    head = bench.snap().head_sha
    bench.open("t")
    assert not (bench.at / "other").exists()
    assert (bench.snap().head_sha, bench.git("status", "--porcelain", cwd=bench.at)) == (head, "")


@pytest.mark.parametrize("damage", ["missing", "garbage"])
def test_a_sparse_checkout_without_a_usable_index_deletes_nothing(bench: Bench, damage: str) -> None:
    bench.agent("sparse-checkout", "set", "deep")
    index = bench.tree.checkout.git_dir / "index"
    index.unlink() if damage == "missing" else index.write_bytes(b"no index")
    bench.write({"deep/c.txt": "edited\n"}, at=bench.at)
    head = bench.snap().head_sha
    assert bench.files(head) == ("a.txt", "b.txt", "deep/c.txt", "other/d.txt", "other/e.txt")
    assert bench.show(f"{head}:deep/c.txt") == "edited\n"


def test_a_flag_on_a_missing_file_is_no_deletion(bench: Bench) -> None:
    bench.agent("update-index", "--skip-worktree", "a.txt")
    (bench.at / "a.txt").unlink()
    assert bench.snap().created is False
