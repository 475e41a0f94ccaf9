"""`list-tasks` and `task-info`: the JSON that programs rely on, and what the user sees."""

from __future__ import annotations

from datetime import datetime

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import FailureClass, Outcome, Status, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult

TASK_KEYS = {
    "id", "name", "phase", "type", "status", "stage", "priority", "estimated_hours", "description",
    "acceptance_criteria", "files", "design_docs", "dependencies", "worker_id", "attempt_count", "max_retries",
    "last_error", "created_at", "claimed_at", "started_at", "completed_at", "builder_session_id",
    "validator_session_id", "builder_result", "validator_result",
}  # fmt: skip
ATTEMPT_KEYS = {
    "number", "worker_id", "started_at", "ended_at", "outcome", "failure_class", "error", "exit_code",
    "builder_session_id", "validator_session_id", "builder_result", "check_results", "validator_result", "base_sha",
    "head_sha", "tokens", "cost_usd",
}  # fmt: skip
LOG_KEYS = {"id", "timestamp", "event_type", "worker_id", "message", "data"}
FAILED = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error="tests fail")
HOSTILE = "\x1b]0;owned\x07a\x1b[2J\x9b31mb\x00\u202ec\r\nd"


def test_list_tasks_has_its_documented_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    shown = harness.run("list-tasks", "--json").json
    assert set(shown) >= {"tasks", "total", "limit"}
    assert shown["limit"] == 20
    assert set(shown["tasks"][0]) >= TASK_KEYS


def test_lists_are_filtered_by_group_stored_status_and_phase(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="a", name="A", phase="one"),
        TaskSpec(id="b", name="B", phase="two", dependencies=("a",)),
        TaskSpec(id="c", name="C", phase="two", status=Status.FAILED),
    )

    def ids(*words: str) -> list[str]:
        return [task["id"] for task in harness.run("list-tasks", "--json", *words).json["tasks"]]

    assert ids("--status", "not-started") == ["a", "b"]
    assert ids("--status", "blocked") == ["b"]
    assert ids("--status", "FAILED", "--status", "blocked") == ["b", "c"]
    assert ids("--phase", "two") == ["b", "c"]
    assert ids("--phase", "two", "--status", "failed") == ["c"]


def test_pages_follow_each_other_without_gap_or_overlap(harness: CliHarness) -> None:
    harness.queue(*(TaskSpec(id=f"t{n}", name="T") for n in range(5)))
    seen: list[str] = []
    after = 0
    while after is not None:
        shown = harness.run("list-tasks", "--json", "--limit", "2", "--after", str(after)).json
        assert shown["total"] == 5
        seen += [task["id"] for task in shown["tasks"]]
        after = shown["next_after"]
    assert seen == [f"t{n}" for n in range(5)]


def test_task_info_has_its_documented_shape(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A", acceptance_criteria=("works",)))
    harness.settle(harness.claim(), FAILED)
    shown = harness.run("task-info", "a", "--json").json
    assert set(shown) >= TASK_KEYS | {"attempts", "log"}
    assert set(shown["attempts"][0]) >= ATTEMPT_KEYS
    assert all(set(line) >= LOG_KEYS for line in shown["log"])
    assert shown["attempts"][0]["error"] == "tests fail"
    assert datetime.fromisoformat(shown["attempts"][0]["started_at"]).utcoffset() is not None
    printed = harness.run("task-info", "a").out
    assert "tests fail" in printed
    assert "works" in printed


@pytest.mark.parametrize("words", [("task-info",), ("why",), ("prompt",), ("logs",)])
def test_an_unknown_task_is_exit_code_5(harness: CliHarness, words: tuple[str, ...]) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    ran = harness.run(*words, "zz")
    assert ran.code == 5
    assert len(ran.err.splitlines()) == 2


def test_task_info_shows_a_warning_as_a_warning(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    check = {"command": "built-in: only a was changed", "exit_code": None, "passed": True}
    checks = [check, {**check, "output": "b\nc", "warning": True}]
    harness.settle(harness.claim(), AttemptResult(outcome=Outcome.PASSED, check_results=checks))
    out = harness.run("task-info", "a").out
    assert "passed: built-in: only a was changed\n" in out
    assert "warning: built-in: only a was changed – violated: b, c\n" in out


def test_terminal_escapes_in_task_text_are_inert(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name=HOSTILE, description=HOSTILE, phase=HOSTILE, acceptance_criteria=(HOSTILE,)))
    for words in (("list-tasks",), ("task-info", "a"), ("prompt", "a"), ("why", "a"), ("status",)):
        ran = harness.run(*words)
        assert not any(c in ran.out + ran.err for c in "\x1b\x9b\x07\x00\u202e\r"), words
    for words in (("list-tasks", "--json"), ("task-info", "a", "--json")):
        ran = harness.run(*words)
        assert not any(c in ran.out for c in "\x1b\x9b\x07\x00\u202e\r"), words
        task = ran.json["tasks"][0] if "tasks" in ran.json else ran.json
        assert task["name"] == HOSTILE  # programs get the unmodified text


def test_a_repeated_problem_is_shown_side_by_side(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A", max_retries=5))
    for line in (3, 8):
        verdict = {"verdict": "FAIL", "summary": "it leaks"}
        objection = AttemptResult(
            outcome=Outcome.FAILED,
            failure_class=FailureClass.QUALITY,
            error="the validator objects",
            validator_result=verdict,
            must_fix=(f"a.py:{line} leaks",),
        )
        harness.settle(harness.claim(), objection)
    for command in ("task-info", "why"):
        printed = harness.run(command, "a").out
        assert "Attempt 2 failed in the same way as attempt 1: the same problem" in printed
        assert any("a.py:3 leaks" in line and "a.py:8 leaks" in line for line in printed.splitlines())
        shown = harness.run(command, "a", "--json").json["same_problem"]
        assert [each["number"] for each in shown["attempts"]] == [1, 2]
