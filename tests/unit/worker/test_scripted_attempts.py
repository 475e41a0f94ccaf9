"""The life of an attempt, with scripted processes: the order of steps, and what the end of each step means."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from scripted_worker import FAIL, PASS, SUCCESS, Play, ScriptedWorker

from swarm_shared.domain.models import Status
from swarm_shared.git.running.git_errors import GitFailed
from swarm_shared.store.queue.failures.same_deaths import TASKS_IN_A_ROW
from swarm_shared.store.swarm.swarm import PAUSED
from swarm_worker.workplaces.workplace import ProjectRoot

BUILT = Play(answer=SUCCESS)
APPROVED = Play(answer=PASS)
OBJECTED = Play(answer=FAIL)
FAILS = Play(answer={"status": "failed", "blockers": ["no wood left"], "tests_passed": False})


@pytest.fixture
def worker(tmp_path: Path) -> ScriptedWorker:
    return ScriptedWorker(tmp_path)


def roles(worker: ScriptedWorker, number: int = 1) -> list[str]:
    return [session["role"] for session in worker.sessions(number)]


def test_a_task_is_built_then_validated_then_completed(worker: ScriptedWorker) -> None:
    worker.add()
    assert worker.round(BUILT, APPROVED).ran
    task = worker.task()
    assert task["status"] == Status.COMPLETED
    assert (task["builder_result"]["status"], task["validator_result"]["verdict"]) == ("success", "PASS")
    assert roles(worker) == ["builder", "validator"]
    assert all(s["exit_code"] == 0 and s["ended_at"] for s in worker.sessions())


def test_without_validation_no_validator_session_is_started(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"validation": False})
    worker.add()
    worker.round(BUILT)
    assert worker.status() is Status.COMPLETED
    assert roles(worker) == ["builder"]


def test_the_retry_gets_the_validators_objections(worker: ScriptedWorker) -> None:
    worker.add()
    worker.round(BUILT, OBJECTED)
    worker.round(BUILT, APPROVED)
    assert "the door has no handle" in worker.sessions(2)[0]["prompt"]
    assert [attempt["outcome"] for attempt in worker.attempts()] == ["failed", "passed"]


def test_a_failing_check_skips_the_validator_and_the_retry_gets_its_last_lines(worker: ScriptedWorker) -> None:
    worker.add(checks=("make test",))
    worker.round(BUILT, Play(output=b"the hinge squeaks\n", exit_code=5))
    assert roles(worker) == ["builder", "check"]
    assert worker.attempts()[0]["check_results"][0]["exit_code"] == 5
    worker.round(BUILT, Play(), APPROVED)
    assert "the hinge squeaks" in worker.sessions(2)[0]["prompt"]
    assert worker.status() is Status.COMPLETED


def test_a_builder_that_reports_failure_uses_up_its_retries_and_the_task_fails(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"max_retries": 1})
    worker.add()
    worker.add("b", dependencies=("a",))
    worker.round(FAILS)
    worker.round(FAILS)
    assert (worker.status(), worker.task()["attempt_count"]) == (Status.FAILED, 2)
    assert "no wood left" in worker.task()["last_error"]
    assert worker.status("b") is Status.BLOCKED


@pytest.mark.parametrize(
    ("play", "ends_as"),
    [
        # A program that trusts exit codes gets these wrong.
        (Play(output=b'All fine!\n```json\n{"verdict": "FAIL", "critical_issues": ["x"]}\n```\n'), Status.FAILED),
        (Play(answer={"verdict": "PASS", "critical_issues": []}, exit_code=3), Status.FAILED),
        (Play(answer={"verdict": "PASS", "critical_issues": ["it leaks"]}), Status.FAILED),
        (
            Play(output="❌ VERDICT: FAIL\n".encode(), answer={"verdict": "PASS", "critical_issues": []}),
            Status.FAILED,
        ),
        (Play(output="It leaks.\n❌ VERDICT: FAIL\n".encode()), Status.FAILED),
        (Play(output=b"I think that it is fine.\n"), Status.HELD),
        (Play(output=b""), Status.HELD),
    ],
)
def test_a_verdict_is_read_from_its_structure(worker: ScriptedWorker, play: Play, ends_as: Status) -> None:
    worker.add(max_retries=0)
    worker.round(BUILT, play, play, play)
    assert worker.status() is ends_as


def test_an_unreadable_answer_repeats_only_that_session_up_to_two_times(worker: ScriptedWorker) -> None:
    worker.add()
    worker.round(BUILT, Play(output=b"hm\n"), Play(output=b"hm\n"), APPROVED)
    assert worker.status() is Status.COMPLETED
    assert roles(worker) == ["builder", "validator", "validator", "validator"]


def test_exit_code_three_with_success_in_its_answer_is_not_a_pass(worker: ScriptedWorker) -> None:
    worker.add(max_retries=0)
    worker.round(Play(answer=SUCCESS, exit_code=3))
    assert worker.status() is Status.FAILED


def test_an_agent_that_is_killed_from_outside_is_a_crash(worker: ScriptedWorker) -> None:
    worker.add()
    worker.round(Play(answer=SUCCESS, signal=signal.SIGKILL))
    attempt = worker.attempts()[0]
    assert (attempt["failure_class"], worker.task()["failures"]) == ("crash", 0)
    assert worker.sessions()[0]["signal"] == signal.SIGKILL


def test_a_validator_that_dies_three_times_leaves_the_verdict_to_you(worker: ScriptedWorker) -> None:
    dies = Play(signal=signal.SIGSEGV)
    worker.add()
    worker.round(BUILT, dies, dies, dies)
    assert worker.status() is Status.HELD
    assert "no verdict in 3 sessions" in worker.task()["last_error"]


def test_a_prompt_is_stored_before_the_session_starts(worker: ScriptedWorker) -> None:
    seen: list[str] = []
    worker.add(description="Build a door.", acceptance_criteria=("it opens",), files=("door.py",))
    worker.round(Play(answer=SUCCESS, meanwhile=[(0.0, lambda: seen.append(worker.sessions()[0]["prompt"]))]), APPROVED)
    for part in ("Build a door.", "it opens", "door.py", str(worker.project)):
        assert part in seen[0]


def test_a_task_that_its_agent_cli_cannot_run_fails_without_a_retry(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"agent_cli": "command"})
    worker.add()  # without `run:`
    worker.round()
    assert worker.tree.started == []
    assert "no `run:`" in worker.task()["last_error"]


def test_an_agent_cli_that_is_not_installed_is_held_and_costs_the_task_nothing(tmp_path: Path) -> None:
    missing = {"missing": {"like": "codex", "binary": "/nonexistent/agent"}}
    worker = ScriptedWorker(tmp_path, {"agent_cli": "missing", "agent_clis": missing})
    worker.add()
    worker.round()
    assert (worker.status(), worker.task()["failures"]) == (Status.NOT_STARTED, 0)
    worker.round()
    assert [hold.until_at for hold in worker.db.swarm.holds()] == [None]
    assert not worker.round().ran


def test_the_whole_prompt_is_on_standard_input(tmp_path: Path) -> None:
    worker = ScriptedWorker(tmp_path, {"agent_cli": "claude", "agent_clis": {"claude": {"binary": "/bin/true"}}})
    worker.add(description="é" * 200)
    worker.round(Play(output=json.dumps({"type": "result", "result": json.dumps(SUCCESS)}).encode()))
    assert ("é" * 200).encode() in worker.tree.inputs[0]


def test_a_shortage_of_the_machine_costs_the_task_nothing(worker: ScriptedWorker) -> None:
    worker.add()
    worker.round(Play(cannot_start=24))  # EMFILE
    assert (worker.status(), worker.task()["failures"], worker.task()["crashes"]) == (Status.NOT_STARTED, 0, 0)
    assert worker.attempts()[0]["failure_class"] == "interrupted"


@pytest.mark.parametrize(
    ("code", "said", "pauses"),
    [(-9, "", False), (128, "fatal: unable to read tree", True)],
    ids=["git was killed", "git reported an error"],
)
def test_git_errors_pause_the_queue_but_a_killed_git_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, said: str, pauses: bool
) -> None:
    worker = ScriptedWorker(tmp_path)
    for number in range(TASKS_IN_A_ROW):
        worker.add(f"t{number}")

    def fail(*_: object) -> None:
        raise GitFailed(["update-ref"], code, said, tmp_path)

    monkeypatch.setattr(ProjectRoot, "open", fail)
    while worker.round().ran:
        pass
    assert (PAUSED in worker.db.swarm.flags()) is pauses
    assert "update-ref failed" in worker.attempts("t0")[0]["error"]
