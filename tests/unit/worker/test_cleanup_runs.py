"""Cleanup commands in containers: the successor of a dead worker can follow them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from repositories import Harness
from scripted_engine import IDENTITY, ScriptedEngine
from scripted_worker import PASS, SUCCESS, Play, ScriptedWorker

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import Status, Verb
from swarm_shared.domain.runners import Run
from swarm_shared.runners.local import Local
from swarm_shared.runners.runner import Command, Start
from swarm_worker.config import WorkerConfig

RUN = Run(runner="podman", name="swarm-1", engine=IDENTITY)


class InEngine(Local):
    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        return Start(argv=command.argv, env=env, run=RUN)


class EngineWorker(ScriptedWorker):
    def _config(self) -> WorkerConfig:
        return replace(super()._config(), check_runner=InEngine())


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    path = os.environ["PATH"]
    engine = ScriptedEngine("podman", tmp_path, monkeypatch)
    monkeypatch.setenv("PATH", f"{engine.program.parent}:{path}")  # git is needed too
    return engine


@pytest.fixture
def worker(tmp_path: Path, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch) -> ScriptedWorker:
    """With a landed task whose worktree is cleaned up next; the command copies the stored data about its container."""
    sandbox = Harness(tmp_path / "repository")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(sandbox.settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    stored = tmp_path / "tasks.db.swarm" / "worktree-runs"
    made = EngineWorker(tmp_path, {"cleanup": (f"cat {stored}/a > {tmp_path}/seen",)}, sandbox)
    assert made.config.state_dir == stored.parent
    made.add()
    made.round(Play(answer=SUCCESS, meanwhile=[(0.5, made.writes("b.txt"))]), Play(answer=PASS))
    made.round()
    assert made.status() is Status.COMPLETED
    return made


def worktree(worker: ScriptedWorker) -> Path:
    return worker.config.state_dir / "worktrees" / "a"


def stored(worker: ScriptedWorker) -> Path:
    return worker.config.state_dir / "worktree-runs" / "a"


def test_a_container_is_stored_before_it_starts_and_forgotten_once_it_is_gone(
    worker: ScriptedWorker, tmp_path: Path
) -> None:
    worker.round()
    assert RUN.name in (tmp_path / "seen").read_text()
    assert not stored(worker).exists()
    assert not worktree(worker).exists()


def test_a_worktree_whose_container_is_not_proven_gone_is_kept_and_its_container_is_named(
    worker: ScriptedWorker, engine: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    engine.does("silent")
    with caplog.at_level("INFO"):
        worker.round()
    assert worktree(worker).exists()
    assert stored(worker).exists()
    assert RUN.name in caplog.text


def left_by_a_dead_worker(worker: ScriptedWorker, engine: ScriptedEngine) -> Path:
    """The engine's state of a container that a worker, since killed, had started in the worktree."""
    engine.has("swarm-of-the-dead")
    stored(worker).parent.mkdir(exist_ok=True)
    stored(worker).write_text(f'{{"runner": "podman", "name": "swarm-of-the-dead", "engine": "{IDENTITY}"}}')
    return engine.state / "containers" / "swarm-of-the-dead"


def test_the_container_of_a_dead_worker_is_removed_before_its_worktree_is_recycled(
    worker: ScriptedWorker, engine: ScriptedEngine
) -> None:
    container = left_by_a_dead_worker(worker, engine)
    worker.round()
    assert not container.exists()
    assert not worktree(worker).exists()


def test_nothing_starts_in_a_worktree_while_the_container_of_a_dead_worker_remains(
    worker: ScriptedWorker, engine: ScriptedEngine, tmp_path: Path
) -> None:
    container = left_by_a_dead_worker(worker, engine)
    engine.does("rm-fails")
    worker.round()
    assert container.exists()
    assert worktree(worker).exists()
    assert not (tmp_path / "seen").exists()


def test_no_attempt_starts_while_the_container_of_a_dead_worker_remains(
    worker: ScriptedWorker, engine: ScriptedEngine
) -> None:
    container = left_by_a_dead_worker(worker, engine)
    engine.does("rm-fails")
    carry_out_now(worker.db, Verb.RETRY, "a", {"confirmed": True}, actor="anna")
    started = len(worker.tree.started)
    worker.round()
    assert container.exists()
    assert len(worker.tree.started) == started
    assert "swarm-of-the-dead" in worker.task()["last_error"]
