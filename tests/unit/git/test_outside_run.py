"""A worktree is not used while a container that a dead worker started in it may still run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from integration_harness import Run as Harness
from scripted_engine import IDENTITY, ScriptedEngine

from swarm_shared.domain.runners import Run
from swarm_shared.git.running.git_errors import GitError

RUN = Run(runner="docker", name="swarm-1", engine=IDENTITY)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    path = os.environ["PATH"]
    engine = ScriptedEngine("docker", tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", f"{engine.program.parent}:{path}")  # git is needed too
    engine.has(RUN.name)
    return engine


@pytest.fixture
def harness(tmp_path: Path, engine: ScriptedEngine) -> Harness:
    harness = Harness(tmp_path / "harness")
    harness.land("t", {"b": "1"})
    harness.trees.outside_run_of("t").store(RUN)
    return harness


def test_the_container_is_removed_before_the_worktree_is_used(harness: Harness, engine: ScriptedEngine) -> None:
    with harness.trees.locked("t"):
        assert not (engine.state / "containers" / RUN.name).exists()
    asked = len(engine.calls)
    with harness.trees.locked("t"):
        assert len(engine.calls) == asked, "the record is removed once it is proven gone"


def test_without_proof_the_worktree_cannot_be_used_and_the_container_is_named(
    harness: Harness, engine: ScriptedEngine
) -> None:
    engine.does("silent")
    for _ in range(2):
        with pytest.raises(GitError, match=r"Cannot connect to the engine.*swarm-1"), harness.trees.locked("t"):
            pytest.fail("it may still write")
    engine.stops("silent")
    with harness.trees.locked("t"):
        assert not (engine.state / "containers" / RUN.name).exists()


@pytest.mark.parametrize("forced", [(), ("t",)], ids=["landed", "forced"])
def test_prune_keeps_the_worktree_until_it_is_proven_gone(
    harness: Harness, engine: ScriptedEngine, forced: tuple[str, ...]
) -> None:
    engine.does("rm-fails")
    assert RUN.name in str(harness.prune(forced=forced)["t"])
    assert harness.trees.find("t") is not None
    engine.stops("rm-fails")
    assert harness.prune(forced=forced) == {"t": None}


@pytest.mark.parametrize("content", ["", "{", '{"runner": "lost", "name": "swarm-1", "engine": "here"}'])
def test_an_empty_record_proves_nothing(harness: Harness, content: str) -> None:
    [record] = (harness.trees.root.parent / "worktree-runs").iterdir()
    record.write_text(content)
    with pytest.raises(GitError, match="a command may still run"), harness.trees.locked("t"):
        pytest.fail("it may still write")
    assert record.exists()
