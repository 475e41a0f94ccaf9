"""A conflict that git does not mark in the files counts as resolved only if the agent has resolved it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from task_history import History, Project

from swarm_shared.git.snapshots.snapshot import take_snapshot

NOTE = "echo note > note.txt"
COMMIT = "git add -A && git commit -q -m note"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Project(tmp_path_factory.mktemp("project")).folder


@pytest.fixture
def bench(tmp_path: Path, project: Path) -> History:
    return History(tmp_path, project)


LEFT = {
    "a binary file": ("printf 'a\\0a' > lib.py", "printf 'b\\0b' > lib.py"),
    "a file that the other deleted": ("echo mine > lib.py", "rm lib.py"),
    "a file that the task deleted": ("rm lib.py", "echo theirs > lib.py"),
}


@pytest.mark.parametrize("kind", sorted(LEFT))
def test_a_conflict_without_markers_that_is_left_alone_is_not_a_merge(bench: History, kind: str) -> None:
    mine, theirs = LEFT[kind]
    bench.play(f"{mine}; {COMMIT}")
    bench.seal()
    other = bench.open("other", bench.base)
    subprocess.run(["sh", "-c", f"{theirs}; echo 1 > first.txt"], cwd=other.cwd, check=True)
    landed = bench.land(take_snapshot(other.checkout, safe="other", base_sha=bench.base, message="other").head_sha)
    bench.tree = bench.open("t", landed)
    bench.play(f"git merge -q swarm/integration; {NOTE}")
    made = bench.seal()
    assert made.unresolved == ("lib.py",)
    assert bench.show(f"{made.head_sha}:note.txt") == "note\n"
    assert not bench.contains(made.head_sha, landed)
    plan = bench.integration.plan_landing(made.head_sha, tip=landed, task_id="t", attempt_id="u", name="n")
    assert "lib.py" in plan.conflicts or bench.show(f"{plan.new}:lib.py") == bench.show(f"{landed}:lib.py")


def test_a_conflict_without_markers_that_is_resolved_but_not_added_is_a_merge(bench: History) -> None:
    bench.play(f"printf 'a\\0a' > lib.py; {COMMIT}")
    bench.seal()
    other = bench.open("other", bench.base)
    bench.write({"lib.py": b"b\0b"}, at=other.cwd)
    landed = bench.land(take_snapshot(other.checkout, safe="other", base_sha=bench.base, message="other").head_sha)
    bench.tree = bench.open("t", landed)
    bench.play("git merge -q swarm/integration; printf 'a\\0b' > lib.py")
    made = bench.seal()
    assert made.unresolved == ()
    assert bench.change_of(bench.land(made.head_sha)) == {"lib.py": "M"}
