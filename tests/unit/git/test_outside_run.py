"""A container that outlives the worker which started it in a worktree: nobody uses that worktree while it may run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from integration_desk import Run as Desk
from scripted_engine import IDENTITY, ScriptedEngine

from swarm_shared.domain.runners import Run
from swarm_shared.git.plumbing.git_errors import GitError

RUN = Run(runner="docker", name="swarm-1", engine=IDENTITY)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    path = os.environ["PATH"]
    engine = ScriptedEngine("docker", tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", f"{engine.program.parent}:{path}")  # git is needed too
    engine.has(RUN.name)
    return engine


@pytest.fixture
def desk(tmp_path: Path, engine: ScriptedEngine) -> Desk:
    desk = Desk(tmp_path / "desk")
    desk.land("t", {"b": "1"})
    desk.trees.outside_run_of("t").store(RUN)
    return desk


def test_it_is_removed_before_the_worktree_is_used(desk: Desk, engine: ScriptedEngine) -> None:
    with desk.trees.locked("t"):
        assert not (engine.state / "containers" / RUN.name).exists()
    asked = len(engine.calls)
    with desk.trees.locked("t"):
        assert len(engine.calls) == asked, "it is forgotten once it is proven gone"


def test_without_proof_the_worktree_cannot_be_used_and_the_container_is_named(
    desk: Desk, engine: ScriptedEngine
) -> None:
    engine.does("silent")
    for _ in range(2):
        with pytest.raises(GitError, match=r"Cannot connect to the engine.*swarm-1"), desk.trees.locked("t"):
            pytest.fail("it may still write")
    engine.stops("silent")
    with desk.trees.locked("t"):
        assert not (engine.state / "containers" / RUN.name).exists()


@pytest.mark.parametrize("forced", [(), ("t",)], ids=["landed", "forced"])
def test_prune_keeps_the_worktree_until_it_is_proven_gone(
    desk: Desk, engine: ScriptedEngine, forced: tuple[str, ...]
) -> None:
    engine.does("rm-fails")
    assert RUN.name in str(desk.prune(forced=forced)["t"])
    assert desk.trees.find("t") is not None
    engine.stops("rm-fails")
    assert desk.prune(forced=forced) == {"t": None}


@pytest.mark.parametrize("content", ["", "{", '{"runner": "lost", "name": "swarm-1", "engine": "here"}'])
def test_a_record_that_says_nothing_proves_nothing(desk: Desk, content: str) -> None:
    [record] = (desk.trees.root.parent / "worktree-runs").iterdir()
    record.write_text(content)
    with pytest.raises(GitError, match="a command may still run"), desk.trees.locked("t"):
        pytest.fail("it may still write")
    assert record.exists()
