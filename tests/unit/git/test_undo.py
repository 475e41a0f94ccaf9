"""Changes made after a commit are reported and discarded, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from task_bench import Bench

from swarm_shared.git.plumbing.diffs import Change
from swarm_shared.git.snapshots.undo import changes_since, undo_since


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_files_that_a_validator_wrote_are_reported_and_discarded(bench: Bench) -> None:
    bench.write({"b": "mine", "keep.log": "ignored"}, at=bench.at)
    head = bench.snap().head_sha
    bench.open("t")
    assert changes_since(bench.tree.checkout, head) == ()
    bench.write({"a.txt": "tampered", "new/x": "1", "keep.log": "later"}, at=bench.at)
    (bench.at / "b").unlink()
    bench.agent("add", "new/x")
    bench.agent("commit", "-q", "--no-verify", "-m", "by the validator")
    thrown = undo_since(bench.tree.checkout, head, ref=bench.tree.ref)
    assert {(one.change, one.path) for one in thrown} == {
        (Change.MODIFIED, "a.txt"),
        (Change.ADDED, "new/x"),
        (Change.DELETED, "b"),
    }
    assert (bench.at / "b").read_text() == "mine"
    assert not (bench.at / "new").exists()
    assert (bench.at / "keep.log").read_text() == "later"
    assert bench.sha("swarm/task/t") == head
    assert changes_since(bench.tree.checkout, head) == ()


def test_a_file_that_became_a_folder_is_restored(bench: Bench) -> None:
    (bench.at / "a.txt").unlink()
    bench.write({"a.txt/inner": "1"}, at=bench.at)
    undo_since(bench.tree.checkout, bench.base, ref=bench.tree.ref)
    assert (bench.at / "a.txt").read_text() == "one\ntwo\nthree\n"
