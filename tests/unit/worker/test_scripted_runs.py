"""Sessions whose runner starts something outside the worker's process tree, with a scripted engine."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from msgspec.structs import replace
from scripted_engine import IDENTITY, ScriptedEngine
from scripted_worker import PASS, SUCCESS, Play, ScriptedWorker

from swarm_shared.domain.models import Status
from swarm_shared.domain.runners import Run
from swarm_shared.runners.local import Local
from swarm_shared.runners.runner import Command, Start
from swarm_shared.store.swarm.swarm import RUNNER_DOWN
from swarm_worker.config import WorkerConfig
from swarm_worker.processes.session_tree import TreeUnproven

RUN = Run(runner="podman", name="swarm-1", engine=IDENTITY)
BUILT, APPROVED = Play(answer=SUCCESS), Play(answer=PASS)


class InEngine(Local):
    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        return Start(argv=command.argv, env=env, runner="podman", run=RUN)


class InTree(Local):
    """A runner whose program runs the command as its child."""

    works = True

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        return Start(argv=command.argv, env=env, runner="bwrap", trouble=self.trouble)

    def trouble(self, tend: Callable[[], None]) -> str | None:
        tend()
        return None if self.works else "no user namespaces"


class EngineWorker(ScriptedWorker):
    runner: Local = InEngine()

    def _config(self) -> WorkerConfig:
        return replace(super()._config(), runner=self.runner)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    return ScriptedEngine("podman", tmp_path, monkeypatch)


@pytest.fixture
def worker(tmp_path: Path, engine: ScriptedEngine) -> ScriptedWorker:
    made = EngineWorker(tmp_path)
    made.add()
    return made


def open_runs(worker: ScriptedWorker) -> list[object]:
    return worker.db.connection.rows("SELECT run_name FROM sessions WHERE run_gone_at IS NULL")


def test_the_run_of_every_session_is_removed_and_proven_gone(worker: ScriptedWorker, engine: ScriptedEngine) -> None:
    worker.round(BUILT, APPROVED)
    assert worker.status() is Status.COMPLETED
    assert engine.calls.count("rm") == 2
    assert open_runs(worker) == []
    row = worker.db.connection.rows("SELECT DISTINCT runner, run_name, engine FROM sessions")
    assert row == [("podman", "swarm-1", IDENTITY)]


@pytest.mark.parametrize("code", [125, 126, 127])
def test_an_engine_that_starts_nothing_costs_no_attempt_and_holds_the_queue(worker: ScriptedWorker, code: int) -> None:
    worker.round(Play(exit_code=code, errors=b"warning\nError: image not known\nSee --help\n"))
    task = worker.task()
    assert (task["status"], task["failures"], task["crashes"]) == (Status.NOT_STARTED, 0, 0)
    assert worker.db.swarm.flags()[RUNNER_DOWN].reason == "runner podman: Error: image not known"
    assert worker.harness.claim() is None
    worker.db.swarm.resume(actor="anna")
    worker.round(BUILT, APPROVED)
    assert worker.status() is Status.COMPLETED


@pytest.fixture
def in_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InTree:
    """The runner of `worker` from now on."""
    runner = InTree()
    monkeypatch.setattr(EngineWorker, "runner", runner)
    return runner


def assert_held(worker: ScriptedWorker, reason: str) -> None:
    task = worker.task()
    assert (task["status"], task["failures"], task["crashes"]) == (Status.NOT_STARTED, 0, 0)
    assert worker.db.swarm.flags()[RUNNER_DOWN].reason == reason


def test_a_program_of_the_runner_that_is_missing_costs_no_attempt_and_holds_the_queue(
    worker: ScriptedWorker, engine: ScriptedEngine
) -> None:
    worker.round(Play(cannot_start=errno.ENOENT))
    assert_held(worker, "runner podman: No such file or directory")
    assert "rm" not in engine.calls


@pytest.mark.parametrize("code", [1, 127])
def test_a_runner_that_no_longer_works_costs_no_attempt_and_holds_the_queue(
    in_tree: InTree, worker: ScriptedWorker, code: int
) -> None:
    in_tree.works = False
    worker.round(Play(exit_code=code, errors=b"bwrap: failed\n"))
    assert_held(worker, "runner bwrap: no user namespaces")


def test_a_command_that_fails_in_a_runner_that_works_fails_its_attempt(in_tree: InTree, worker: ScriptedWorker) -> None:
    worker.round(Play(exit_code=1, errors=b"wrong\n"))
    assert RUNNER_DOWN not in worker.db.swarm.flags()
    assert worker.attempts()[0]["failure_class"] != "provider"


def test_a_command_line_that_is_too_long_is_not_the_runners_fault(worker: ScriptedWorker) -> None:
    worker.round(Play(cannot_start=errno.E2BIG))
    assert RUNNER_DOWN not in worker.db.swarm.flags()


def test_the_same_exit_code_from_the_command_itself_is_a_result_of_the_command(
    worker: ScriptedWorker, engine: ScriptedEngine
) -> None:
    engine.has(RUN.name, "exited 127")
    worker.round(Play(exit_code=127, errors=b"sh: agent: not found\n"))
    assert RUNNER_DOWN not in worker.db.swarm.flags()
    assert worker.attempts()[0]["failure_class"] == "setup"


def test_a_worker_waits_until_the_engine_reports_the_run_gone(worker: ScriptedWorker, engine: ScriptedEngine) -> None:
    engine.does("silent")
    looks = []

    def comes_back() -> None:
        looks.append(worker.heart.beats)
        engine.stops("silent")

    original = worker.watch.wait

    def wait(timeout_s: float) -> None:
        if RUNNER_DOWN in worker.db.swarm.flags() and not looks:
            comes_back()
        original(timeout_s)

    worker.watch.wait = wait  # type: ignore[method-assign]
    worker.round(BUILT, APPROVED)
    assert looks
    assert worker.status() is Status.COMPLETED
    assert "Cannot connect" in worker.db.swarm.flags()[RUNNER_DOWN].reason


def fails() -> None:
    raise ValueError("a fault of our own")


def test_after_a_fault_of_our_own_the_container_is_removed(worker: ScriptedWorker, engine: ScriptedEngine) -> None:
    engine.has(RUN.name)
    with pytest.raises(ValueError, match="of our own"):
        worker.round(Play(after_s=60, meanwhile=[(1.0, fails)]))
    assert not (engine.state / "containers" / RUN.name).exists()


def test_after_a_fault_of_our_own_nothing_is_settled_without_proof(
    worker: ScriptedWorker, engine: ScriptedEngine
) -> None:
    engine.does("silent")
    with pytest.raises(TreeUnproven, match="Cannot connect"):
        worker.round(Play(after_s=60, meanwhile=[(1.0, fails)]))


def test_a_stop_leaves_the_proof_to_the_reaper(worker: ScriptedWorker, engine: ScriptedEngine) -> None:
    engine.does("silent")
    stops = [(1.0, worker.watch.ask_to_stop), (1.1, worker.watch.ask_to_stop)]
    with pytest.raises(TreeUnproven, match="Cannot connect"):
        worker.round(Play(after_s=60, meanwhile=stops))
    assert open_runs(worker) == [("swarm-1",)]
    assert worker.status() is Status.IN_PROGRESS
