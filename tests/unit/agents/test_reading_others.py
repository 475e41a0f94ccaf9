"""The meaning of the end of a session for CLIs other than Amplifier: commands, and CLIs that print events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ended_sessions import BUILT, NOW_MS, PASSED, PRESETS, fenced, read

from swarm_shared.agents.reading.session_result import SessionEnd, read_cut
from swarm_shared.domain.models import FailureClass, Role
from swarm_shared.domain.trouble import TroubleKind

COMMAND = PRESETS["command"]


def test_a_command_passes_by_exit_0_and_fails_with_its_last_lines() -> None:
    assert read("built\n", cli=COMMAND).failure is None
    noise = "".join(f"line {n}\n" for n in range(100))
    reading = read(noise, cli=COMMAND, code=2, stderr="make: *** [all] Error 2\n")
    assert reading.failure is FailureClass.QUALITY
    assert reading.reason.splitlines()[0] == "the task's run command exited with code 2"
    assert reading.reason.splitlines()[-1] == "make: *** [all] Error 2"
    assert len(reading.reason.splitlines()) == 41


@pytest.mark.parametrize(("code", "text"), [(126, "not executable"), (127, "not found")])
def test_a_command_that_the_shell_cannot_run_is_the_tasks_fault(code: int, text: str) -> None:
    reading = read("", cli=COMMAND, role=Role.VALIDATOR, code=code, stderr="sh: 1: pytst: not found")
    assert reading.failure is FailureClass.QUALITY
    assert "verify command" in reading.reason
    assert text in reading.reason


def test_a_command_killed_by_a_signal_is_a_crash() -> None:
    assert read("", cli=COMMAND, code=None, signum=9).failure is FailureClass.CRASH


def test_a_command_may_end_with_an_answer_object_and_then_it_counts() -> None:
    verdict = 'checking…\n{"verdict": "FAIL", "critical_issues": ["no docs"]}\n'
    reading = read(verdict, cli=COMMAND, role=Role.VALIDATOR)
    assert reading.failure is FailureClass.QUALITY
    assert reading.must_fix == ("no docs",)
    assert read(fenced(PASSED), cli=COMMAND, role=Role.VALIDATOR).answer == PASSED
    assert read(json.dumps(BUILT), cli=COMMAND, code=3).failure is FailureClass.QUALITY


def test_json_in_a_commands_output_that_is_no_answer_does_not_count() -> None:
    assert read('{"status": "failed"}\n', cli=COMMAND).failure is None
    quoted = json.dumps({**BUILT, "status": "failed"})
    assert read(quoted + "\nand more\n", cli=COMMAND).failure is None
    assert read(quoted + "\nmain() {}\n", cli=COMMAND).failure is None


def test_a_command_that_fails_while_mentioning_429s_is_a_quality_failure() -> None:
    reading = read("", cli=COMMAND, code=1, stderr="HTTP 429 Too Many Requests: Bundle Error")
    assert (reading.failure, reading.trouble) == (FailureClass.QUALITY, None)


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def test_claude_is_judged_by_its_result_event() -> None:
    claude = PRESETS["claude"]
    start = {"type": "system", "subtype": "init", "session_id": "c1"}
    result = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": fenced(BUILT),
        "total_cost_usd": 0.25,
        "usage": {"input_tokens": 100, "output_tokens": 11},
        "session_id": "c1",
    }
    reading = read(lines(start, result), cli=claude)
    assert reading.failure is None
    assert (reading.session_id, reading.tokens, reading.cost_usd) == ("c1", 111, 0.25)
    error = {**result, "is_error": True, "result": "API Error: 529 Overloaded", "usage": {}}
    assert read(lines(start, error), cli=claude).failure is FailureClass.PROVIDER
    turns = {**result, "subtype": "error_max_turns", "result": ""}
    assert read(lines(start, turns), cli=claude).failure is FailureClass.QUALITY
    assert read(lines(start), cli=claude).failure is FailureClass.UNREADABLE


def test_claudes_rate_limit_event_counts_only_when_rejected_and_failed() -> None:
    claude = PRESETS["claude"]
    resets = NOW_MS // 1000 + 3600
    error = {"type": "result", "subtype": "success", "is_error": True, "result": "stopped"}
    rejected = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": resets}}
    reading = read(lines(rejected, error), cli=claude, code=1)
    assert reading.trouble is not None
    assert reading.trouble.kind is TroubleKind.WINDOW
    assert reading.trouble.wait_s == pytest.approx(3630)
    rejected["rate_limit_info"] = {"status": "allowed_warning", "resetsAt": resets}
    assert read(lines(rejected, error), cli=claude, code=1).failure is FailureClass.QUALITY


def test_codex_is_judged_by_the_last_turn() -> None:
    codex = PRESETS["codex"]
    start = {"type": "thread.started", "thread_id": "t1"}
    said = {"type": "item.completed", "item": {"type": "agent_message", "text": json.dumps(BUILT)}}
    done = {"type": "turn.completed", "usage": {"input_tokens": 5, "output_tokens": 2}}
    hiccup = {"type": "error", "message": "stream disconnected before completion: retrying"}
    reading = read(lines(start, hiccup, said, done), cli=codex)
    assert reading.failure is None, "a recovered error"
    assert (reading.session_id, reading.tokens, reading.cost_usd) == ("t1", 7, None)
    failed = {
        "type": "turn.failed",
        "error": {"message": "You've hit your usage limit, try again at 3:15 PM"},
    }
    assert read(lines(start, said, failed), cli=codex, code=1).failure is FailureClass.PROVIDER
    assert read(lines(start, said), cli=codex).failure is FailureClass.UNREADABLE, "truncated"
    assert read("", cli=codex, code=1, stderr="exceeded retry limit, last status: 429").trouble is not None
    talk = {"type": "item.completed", "item": {"type": "agent_message", "text": "HTTP 429 is handled"}}
    assert read(lines(start, talk), cli=codex, code=1).failure is FailureClass.CRASH, (
        "ordinary text is not an error channel"
    )


def test_gemini_and_opencode_are_judged_by_their_events() -> None:
    gemini = PRESETS["gemini"]
    stats = {"models": {"a": {"tokens": {"total": 30}}, "b": {"tokens": {"total": 12}}}}
    good = json.dumps({"session_id": "g", "response": json.dumps(BUILT), "stats": stats}, indent=2)
    assert (read(good, cli=gemini).failure, read(good, cli=gemini).tokens) == (None, 42)
    assert read("", cli=gemini, code=41).failure is FailureClass.PROVIDER
    bad = json.dumps({"session_id": "g", "response": "", "error": {"type": "X", "message": "boom"}}, indent=2)
    assert read(bad, cli=gemini, code=1).failure is FailureClass.QUALITY
    opencode = PRESETS["opencode"]
    text = {"type": "text", "sessionID": "o", "part": {"text": json.dumps(BUILT)}}
    finish = {"type": "step_finish", "part": {"cost": 0.5, "tokens": {"input": 3, "output": 4}}}
    reading = read(lines(text, finish), cli=opencode)
    assert (reading.failure, reading.session_id, reading.tokens, reading.cost_usd) == (None, "o", 7, 0.5)
    assert read("", cli=opencode).failure is FailureClass.UNREADABLE, "exit 0 and nothing at all"


# ───── what is not an answer, and which error decides ─────


@pytest.mark.parametrize(
    ("cli", "event"),
    [
        ("claude", {"type": "system", "subtype": "task_notification", "status": "completed", "summary": "done"}),
        ("gemini", {"type": "tool_result", "status": "success", "tests_passed": True}),
        ("opencode", {"type": "status", "status": "success", "files_modified": []}),
    ],
)
@pytest.mark.parametrize("code", [0, 143])
def test_an_event_with_a_status_is_not_an_answer(cli: str, event: dict[str, Any], code: int) -> None:
    failure = read(lines(event), cli=PRESETS[cli], code=code).failure
    assert failure is (FailureClass.CRASH if code else FailureClass.UNREADABLE)


def test_an_answer_without_a_type_next_to_events_is_not_an_answer_either() -> None:
    beside = lines({"type": "system", "subtype": "init", "session_id": "c"}) + json.dumps(BUILT)
    assert read(beside, cli=PRESETS["claude"]).failure is FailureClass.UNREADABLE
    assert read(json.dumps(BUILT), cli=PRESETS["claude"]).failure is None, "only the bare object is understood"


def test_an_event_that_an_agent_quotes_in_its_answer_is_not_an_answer() -> None:
    quoted = {
        "type": "result",
        "subtype": "success",
        "is_error": False,
        "result": 'I saw {"type": "x", "status": "done"}',
    }
    assert read(lines(quoted), cli=PRESETS["claude"]).failure is FailureClass.UNREADABLE


def test_the_final_error_decides_and_not_a_recovered_one() -> None:
    start = {"type": "thread.started", "thread_id": "t1"}
    broken = {"type": "error", "message": "Reconnecting... 1/5 (stream disconnected before completion)"}
    work = {"type": "item.started", "item": {"type": "command_execution"}}
    full = {"type": "turn.failed", "error": {"message": "Codex ran out of room in the model's context window."}}
    reading = read(lines(start, broken, work, full), cli=PRESETS["codex"], code=1)
    assert (reading.failure, reading.trouble) == (FailureClass.QUALITY, None)
    assert reading.reason == "Codex ran out of room in the model's context window."
    refused = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": NOW_MS // 1000}}
    went_on = {"type": "assistant", "message": {"model": "m", "usage": {"input_tokens": 1}}}
    turns = {"type": "result", "subtype": "error_max_turns", "is_error": True}
    reading = read(lines(refused, went_on, turns), cli=PRESETS["claude"], code=1)
    assert (reading.failure, reading.reason) == (FailureClass.QUALITY, "error_max_turns")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("401 Incorrect API key provided", TroubleKind.CREDENTIALS),
        ("[API Error: 500 The server had an error]", TroubleKind.OVERLOADED),
        ("429 You exceeded your current quota, please check your plan", TroubleKind.QUOTA),
        ("Connection error. (cause: connect ECONNREFUSED 127.0.0.1:9)", TroubleKind.OVERLOADED),
        ("400 Your input exceeds the context window of this model", None),
    ],
)
def test_newer_versions_of_qwen_report_errors_as_errors(message: str, kind: TroubleKind | None) -> None:
    result = {
        "type": "result",
        "subtype": "error_during_execution",
        "is_error": True,
        "session_id": "q",
        "error": {"message": message},
    }
    reading = read(lines(result), cli=PRESETS["qwen"], code=1)
    assert (reading.trouble.kind if reading.trouble else None) == kind
    assert (reading.failure is FailureClass.PROVIDER) == (kind is not None)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, "credentials"), (402, "quota"), (429, "throttled"), (599, "overloaded")]
)
def test_a_status_takes_precedence_over_the_words_of_an_error(status: int, kind: str) -> None:
    error = {"type": "error", "error": {"name": "APIError", "data": {"message": "no such sign", "statusCode": status}}}
    trouble = read(lines(error), cli=PRESETS["opencode"], code=1).trouble
    assert trouble is not None
    assert trouble.kind == kind


def test_a_wait_in_a_field_is_in_seconds_or_a_moment() -> None:
    event = {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected", "resetsAt": NOW_MS + 60_000}}
    failed = {"type": "result", "is_error": True, "result": "stopped"}
    trouble = read(lines(event, failed), cli=PRESETS["claude"], code=1).trouble
    assert trouble is not None
    assert trouble.wait_s == pytest.approx(90)
    event["rate_limit_info"]["resetsAt"] = 45
    trouble = read(lines(event, failed), cli=PRESETS["claude"], code=1).trouble
    assert trouble is not None
    assert trouble.wait_s == 45


def test_an_exit_code_that_is_not_a_signal_is_not_given_a_signals_name() -> None:
    assert "signal" not in read("", cli=PRESETS["claude"], code=144).reason
    assert "SIGTERM" in read("", cli=PRESETS["claude"], code=143).reason


def test_a_usage_record_that_was_written_twice_counts_once() -> None:
    finish = {"type": "step_finish", "part": {"id": "p1", "tokens": {"input": 3, "output": 4}}}
    other = {"type": "step_finish", "part": {"id": "p2", "tokens": {"input": 3, "output": 4}}}
    assert read(lines(finish, finish, other), cli=PRESETS["opencode"]).tokens == 14


def test_informational_events_do_not_change_what_a_session_is_waiting_for() -> None:
    start = {"type": "system", "subtype": "init", "session_id": "q"}
    inform = {"type": "stream_event", "event": {"type": "goal_state"}}
    tool = {"type": "assistant", "message": {"model": "m", "content": [{"type": "tool_use", "name": "shell"}]}}
    for events, failure in (([start, inform], FailureClass.PROVIDER), ([start, tool, inform], None)):
        cut = read_cut(PRESETS["qwen"], SessionEnd(signal=15, stdout=lines(*events)), stuck=True, now_ms=NOW_MS)
        assert cut.failure is failure


def test_a_filtered_answer_of_gemini_is_the_tasks_fault_and_a_broken_one_the_providers() -> None:
    gemini = PRESETS["gemini"]
    blocked = {"type": "INVALID_STREAM", "message": "The model response was blocked due to safety settings."}
    broken = {"type": "INVALID_STREAM", "message": "Model stream ended without a finish reason."}
    assert read(json.dumps({"error": blocked}), cli=gemini).failure is FailureClass.QUALITY
    assert read(json.dumps({"error": broken}), cli=gemini).failure is FailureClass.PROVIDER


def test_an_exhausted_plan_is_a_window_although_it_arrives_as_too_many_requests() -> None:
    words = {"message": "429 The usage limit has been reached", "statusCode": 429}
    reading = read(json.dumps({"type": "error", "error": {"name": "APIError", "data": words}}), cli=PRESETS["opencode"])
    assert reading.trouble is not None
    assert reading.trouble.kind is TroubleKind.WINDOW
