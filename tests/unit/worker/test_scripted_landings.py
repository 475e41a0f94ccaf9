"""Work in worktrees and its landing, with real git and scripted agents and gates."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from repositories import Harness
from scripted_worker import HANGS, PASS, SUCCESS, Play, ScriptedWorker

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import Status, Verb
from swarm_shared.store.queue.landings import Landings

INTEGRATION = "swarm/integration"
APPROVED = Play(answer=PASS)


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Harness:
    made = Harness(tmp_path / "repository")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(made.settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return made


@pytest.fixture
def worker(tmp_path: Path, sandbox: Harness) -> ScriptedWorker:
    made = ScriptedWorker(tmp_path, {"gate": ("make check",)}, sandbox)
    made.add()
    return made


def building(worker: ScriptedWorker, name: str = "b.txt") -> Play:
    return Play(answer=SUCCESS, meanwhile=[(0.5, worker.writes(name))])


def test_approved_work_lands_before_anything_new_is_claimed(worker: ScriptedWorker, sandbox: Harness) -> None:
    worker.add("b")
    worker.round(building(worker), APPROVED)
    assert worker.status() is Status.APPROVED
    worker.round(Play())
    assert (worker.status(), worker.status("b")) == (Status.COMPLETED, Status.NOT_STARTED)
    assert "b.txt" in sandbox.files(INTEGRATION)
    assert not (sandbox.root / "b.txt").exists()


def test_a_failing_gate_keeps_work_off_the_branch_and_the_retry_gets_the_reason(
    worker: ScriptedWorker, sandbox: Harness
) -> None:
    worker.round(building(worker), APPROVED)
    passes_on_the_base = Play()
    worker.round(Play(output=b"the hinge squeaks\n", exit_code=2), passes_on_the_base)
    assert worker.status() is Status.NOT_STARTED
    assert "b.txt" not in sandbox.files(INTEGRATION)
    gate_before_the_validator = Play()
    worker.round(building(worker, "c.txt"), gate_before_the_validator, APPROVED)
    prompts = [row["prompt"] for row in worker.db.tasks.sessions(worker.attempts()[-1]["id"]) if row["prompt"]]
    assert "the hinge squeaks" in prompts[0]
    worker.round(Play())
    assert {"b.txt", "c.txt"} <= set(sandbox.files(INTEGRATION))


def test_a_gate_that_fails_without_the_work_stops_the_queue_and_costs_no_task_a_retry(worker: ScriptedWorker) -> None:
    worker.round(building(worker), APPROVED)
    worker.round(Play(exit_code=1), Play(exit_code=1))
    assert "the base is failing" in worker.db.swarm.flags()["paused"].reason
    assert (worker.status(), worker.task()["attempt_count"]) == (Status.APPROVED, 1)
    started = len(worker.tree.started)
    worker.round()
    assert len(worker.tree.started) == started


def test_a_cancel_during_the_gate_prevents_landing(worker: ScriptedWorker, sandbox: Harness) -> None:
    worker.round(building(worker), APPROVED)
    cancel = worker.others_do(lambda: worker.db.control.request(Verb.CANCEL, "a", actor="anna"))
    worker.round(replace(HANGS, meanwhile=[(1.0, cancel)]))
    assert worker.status() is Status.CANCELLED
    assert "b.txt" not in sandbox.files(INTEGRATION)


def test_the_work_of_a_killed_agent_is_committed(worker: ScriptedWorker, sandbox: Harness) -> None:
    kill = worker.others_do(lambda: worker.db.control.request(Verb.KILL, "a", actor="anna"))
    worker.round(replace(HANGS, meanwhile=[(0.5, worker.writes("half.txt")), (1.0, kill)]))
    assert worker.status() is Status.HELD
    assert "half.txt" in sandbox.files(str(worker.attempts()[0]["head_sha"]))


def test_files_that_a_check_or_the_validator_writes_do_not_land(worker: ScriptedWorker, sandbox: Harness) -> None:
    validating = Play(answer=PASS, meanwhile=[(0.5, worker.writes("notes.txt"))])
    worker.round(building(worker), validating)
    warnings = [check["output"] for check in worker.attempts()[0]["check_results"] if check.get("warning")]
    assert warnings == ["discarded: notes.txt"]
    worker.round(Play())
    assert "notes.txt" not in sandbox.files(INTEGRATION)


# ───── one run of the gate for several tasks ─────


@pytest.fixture
def batching(tmp_path: Path, sandbox: Harness) -> ScriptedWorker:
    return ScriptedWorker(tmp_path, {"gate": ("make check",), "gate_batch": 4}, sandbox)


def approve(worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch, **files: str) -> None:
    """Build a task for each name, each writing a file of that name; landing is held back until all have passed."""
    with monkeypatch.context() as held_back:
        held_back.setattr(Landings, "claim", lambda *_: None)
        for name, file in files.items():
            worker.add(name)
            worker.round(building(worker, file), APPROVED)
            assert worker.status(name) is Status.APPROVED


def landing_of(worker: ScriptedWorker, name: str) -> dict[str, Any]:
    return worker.db.tasks.history(worker.task(name)["seq"])[-1]


def gate_runs(worker: ScriptedWorker) -> int:
    return sum(launch.argv[-1] == "make check" for launch in worker.tree.started)


def test_one_run_of_the_gate_lands_every_task_of_a_batch(
    batching: ScriptedWorker, sandbox: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(batching, monkeypatch, a="a.txt", b="b.txt", c="c.txt")
    for _ in range(3):
        batching.round()
    assert {"a.txt", "b.txt", "c.txt"} <= set(sandbox.files(INTEGRATION))
    assert gate_runs(batching) == 1
    outputs = {name: landing_of(batching, name)["check_results"][0]["output"] for name in ("a", "b")}
    assert outputs == {"a": "tested together with b, c", "b": "passed when a, b, c were tested together"}


def test_a_failing_batch_is_halved_and_only_the_task_at_fault_is_sent_back(
    batching: ScriptedWorker, sandbox: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(batching, monkeypatch, a="a.txt", b="b.txt", c="bad.txt", d="d.txt")
    fails, passes, base_passes = Play(exit_code=1), Play(), Play()
    batching.round(fails, passes)  # a, b, c, d; then a, b
    batching.round()
    assert gate_runs(batching) == 2
    batching.round(fails, fails, base_passes)  # c, d; then c; then the base
    assert batching.status("c") is Status.NOT_STARTED
    batching.round(passes)
    assert {"a.txt", "b.txt", "d.txt"} <= set(sandbox.files(INTEGRATION))
    assert "bad.txt" not in sandbox.files(INTEGRATION)


def test_cancelling_a_task_of_a_batch_makes_the_gate_run_again(
    batching: ScriptedWorker, sandbox: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(batching, monkeypatch, a="a.txt", b="b.txt", c="c.txt")
    batching.round()
    carry_out_now(batching.db, Verb.CANCEL, "b", {}, actor="anna")
    batching.round()
    assert gate_runs(batching) == 2
    assert {"a.txt", "c.txt"} <= set(sandbox.files(INTEGRATION))


def test_conflicting_work_is_left_out_of_a_batch(
    batching: ScriptedWorker, sandbox: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    approve(batching, monkeypatch, a="one.txt", c="c.txt")
    with monkeypatch.context() as held_back:
        held_back.setattr(Landings, "claim", lambda *_: None)
        batching.add("b")
        conflicting = Play(answer=SUCCESS, meanwhile=[(0.5, batching.writes("one.txt", "other\n"))])
        batching.round(conflicting, APPROVED)
    for _ in range(3):
        batching.round()
    assert gate_runs(batching) == 1
    assert batching.status("b") is Status.NOT_STARTED
    assert {"one.txt", "c.txt"} <= set(sandbox.files(INTEGRATION))


def test_a_task_with_its_own_variables_is_not_covered_by_the_gate_of_others(
    batching: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    batching.add("z", env={"SHAPE": "round"}, priority=9)
    approve(batching, monkeypatch, a="a.txt", b="b.txt")
    with monkeypatch.context() as held_back:
        held_back.setattr(Landings, "claim", lambda *_: None)
        batching.round(building(batching, "z.txt"), APPROVED)
    for _ in range(3):
        batching.round()
    assert batching.status("z") is Status.COMPLETED
    assert gate_runs(batching) == 2
