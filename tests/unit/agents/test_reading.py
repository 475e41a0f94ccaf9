"""The meaning of the end of a session, read from Amplifier's output."""

from __future__ import annotations

import json
import signal
import time
from typing import Any

import pytest
from ended_sessions import BUILT, PASSED, fenced, read

from swarm_shared.domain.models import FailureClass, Role
from swarm_shared.domain.trouble import TroubleKind

PREAMBLE = "Bundle 'file:///srv/tasks.db.swarm/private/builder-foundation-modular-builder.m\nd' prepared successfully\n"


def envelope(response: str = "", **more: Any) -> str:
    shape = {"status": "success", "response": response, "session_id": "5e55-10", "bundle": "bundle:x"}
    return PREAMBLE + json.dumps({**shape, **more}, indent=2) + "\n"


def error_envelope(text: str) -> str:
    return PREAMBLE + json.dumps({"status": "error", "error": text, "session_id": "5e55-10"}, indent=2) + "\n"


@pytest.mark.parametrize("status", ["success", "done", "completed", "SUCCESS", " Done "])
def test_every_synonym_of_done_lets_the_task_continue(status: str) -> None:
    reading = read(envelope(fenced({**BUILT, "status": status})))
    assert reading.failure is None
    assert reading.answer is not None
    assert reading.answer["files_created"] == ["a.py"]
    assert reading.session_id == "5e55-10"


@pytest.mark.parametrize(
    "response",
    [
        json.dumps(BUILT),
        fenced(BUILT),
        f"I did it {{really}} with f{{x}}. {json.dumps(BUILT)} That was all.",
        "Colour \x1b[32mcodes\x1b[0m " + json.dumps(BUILT),
        json.dumps({"status": "failed", "blockers": ["first try"]}) + "\n\nthen again:\n" + fenced(BUILT),
        fenced(BUILT) + 'The endpoint now answers `{"status": "ok"}`.',
        fenced(BUILT).replace('"a.py"', '"a.py\nb"'),
    ],
    ids=["bare", "fenced", "in prose", "coloured", "last of several", "example after it", "bare line break"],
)
def test_the_answer_is_found_wherever_the_agent_put_it(response: str) -> None:
    reading = read(envelope(response))
    assert reading.failure is None, reading.reason
    assert reading.answer is not None
    assert reading.answer["status"] == "success"


@pytest.mark.parametrize(
    "response",
    [
        "✅ VERDICT: PASS\n\nEverything is fine, status success.",
        "I will end with VERDICT: PASS or VERDICT: FAIL.",
        "VERDICT: PASS or VERDICT: FAIL",
        "Finally I write\nVERDICT: PASS\nif the tests pass. Let me run them.",
        "",
        "   \n",
        '{"verdict": "MAYBE", "critical_issues": []}',
        '{"status": "success"}',
        '[{"result": "PASS"}]',
        '{"verdict": "PASS", "critical_issues": [',
        '{"result": {"verdict": "PASS"}}',
    ],
)
def test_a_verdict_of_a_different_shape_is_unreadable_and_never_a_pass(response: str) -> None:
    reading = read(envelope(response), role=Role.VALIDATOR)
    assert reading.failure is FailureClass.UNREADABLE
    assert reading.answer is None


PASS_OBJECT = fenced({"verdict": "PASS", "critical_issues": [], "summary": "fine"})
FAIL_OBJECT = fenced({"verdict": "FAIL", "critical_issues": ["no tests"]})


@pytest.mark.parametrize("line", ["✅ VERDICT: PASS", "VERDICT: PASS", "**VERDICT: PASS**", "# Verdict: ✅ **PASS**\n"])
def test_a_closing_line_without_json_is_a_verdict(line: str) -> None:
    reading = read(envelope(f"All criteria are met.\n\n{line}"), role=Role.VALIDATOR)
    assert reading.failure is None, reading.reason
    assert reading.answer == {"verdict": "PASS", "summary": "All criteria are met."}


@pytest.mark.parametrize(
    "response",
    [
        "a.py:3 crashes on an empty list.\n\n❌ VERDICT: FAIL",
        "a.py:3 crashes on an empty list.\n\n**VERDICT: FAILED**\n\nPlease fix it.",
        "VERDICT: FAIL – a.py:3 crashes on an empty list.",
    ],
)
def test_a_failing_line_gives_its_reasons_to_the_next_attempt(response: str) -> None:
    reading = read(envelope(response), role=Role.VALIDATOR)
    assert reading.failure is FailureClass.QUALITY
    assert reading.must_fix == ("a.py:3 crashes on an empty list.",)
    assert "a.py:3 crashes" in reading.reason


@pytest.mark.parametrize(
    "response",
    [
        f"Criterion 1 is not met.\n\n{PASS_OBJECT}\n❌ VERDICT: FAIL",
        f"❌ VERDICT: FAIL\n\nCriterion 1 is not met.\n\n{PASS_OBJECT}",
        f"{FAIL_OBJECT}\nCriterion 1 is not met.\n{PASS_OBJECT}",
        f"{FAIL_OBJECT}\nCriterion 1 is not met.\n\n✅ VERDICT: PASS",
        "Criterion 1 is not met.\n\nVERDICT: FAIL\n\nVERDICT: PASS",
    ],
    ids=["a line after JSON", "a line before JSON", "two objects", "a passing line after JSON", "two lines"],
)
def test_two_contradicting_verdicts_never_pass(response: str) -> None:
    reading = read(envelope(response), role=Role.VALIDATOR)
    assert reading.failure is FailureClass.QUALITY
    assert reading.reason.startswith("validator: PASS and FAIL in one answer, which counts as FAIL: ")
    assert reading.must_fix


def test_a_verdict_inside_the_json_is_not_a_closing_line() -> None:
    answer = {"verdict": "PASS", "critical_issues": [], "summary": "its file says:\nVERDICT: FAIL\nas an example"}
    code = '```python\n"verdict": "FAIL"\n```\n'
    assert read(envelope(code + fenced(answer)), role=Role.VALIDATOR).failure is None


def test_a_builder_that_writes_a_verdict_has_not_answered() -> None:
    assert read(envelope("VERDICT: PASS")).failure is FailureClass.UNREADABLE


def test_an_agent_that_repeats_the_requested_shape_has_not_answered() -> None:
    from swarm_shared.agents.prompting.prompt import BUILDER_ANSWER, VALIDATOR_ANSWER

    assert read(envelope(BUILDER_ANSWER)).failure is FailureClass.UNREADABLE
    assert read(envelope(VALIDATOR_ANSWER), role=Role.VALIDATOR).failure is FailureClass.UNREADABLE


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"status": "failed", "blockers": ["no database", "no network"]}, "no database; no network"),
        ({"status": "failed", "implementation_notes": "ran out of ideas"}, "ran out of ideas"),
        ({**BUILT, "tests_passed": False}, "tests do not pass"),
        ({**BUILT, "tests_passed": "false"}, "tests do not pass"),
        ({**BUILT, "status": "partial"}, "partial"),
    ],
)
def test_a_builder_that_did_not_finish_is_a_quality_failure_with_its_text(answer: dict[str, Any], text: str) -> None:
    reading = read(envelope(fenced(answer)))
    assert reading.failure is FailureClass.QUALITY
    assert text in reading.reason


def test_missing_or_null_tests_passed_is_no_failure() -> None:
    assert read(envelope(fenced({"status": "done", "files_created": []}))).failure is None
    assert read(envelope(fenced({**BUILT, "tests_passed": None, "blockers": ["a request"]}))).failure is None


@pytest.mark.parametrize(
    ("answer", "fixes"),
    [
        ({"verdict": "FAIL", "critical_issues": ["a.py:3 crashes"]}, ("a.py:3 crashes",)),
        ({"verdict": "fail", "critical_issues": [], "recommendations": ["add tests"]}, ("add tests",)),
        ({"verdict": "FAIL", "summary": "nothing works"}, ("nothing works",)),
        ({"verdict": "PASS", "critical_issues": ["no tests"]}, ("no tests",)),
        ({"verdict": "PASS", "critical_issues": "no tests"}, ("no tests",)),
        (
            {
                "verdict": "PASS",
                "critical_issues": [{"file": "a.py", "line": 3, "problem": "leaks", "criterion": 2}],
            },
            ("a.py:3: leaks (criterion: 2)",),
        ),
    ],
)
def test_an_objection_is_a_quality_failure_with_the_issues_to_fix(
    answer: dict[str, Any], fixes: tuple[str, ...]
) -> None:
    reading = read(envelope(fenced(answer)), role=Role.VALIDATOR)
    assert reading.failure is FailureClass.QUALITY
    assert reading.must_fix == fixes
    assert fixes[0] in reading.reason


@pytest.mark.parametrize("nothing", [[], None, "", "None", ["none"], {}, "n/a"])
def test_a_pass_with_an_empty_list_of_issues_passes_however_it_is_written(nothing: object) -> None:
    reading = read(envelope(fenced({"verdict": "PASS", "critical_issues": nothing})), role=Role.VALIDATOR)
    assert reading.failure is None


def test_exit_3_with_a_success_answer_is_not_a_pass() -> None:
    reading = read(envelope(fenced(BUILT)), code=3)
    assert reading.failure is FailureClass.QUALITY
    assert "code 3" in reading.reason


def test_exit_0_with_the_error_flag_set_is_not_a_pass() -> None:
    reading = read(error_envelope("Execution failed: ContextLengthError: too long"))
    assert reading.failure is FailureClass.QUALITY
    assert "ContextLengthError" in reading.reason


def test_exit_0_without_any_result_is_unreadable() -> None:
    assert read(PREAMBLE).failure is FailureClass.UNREADABLE
    assert read("").failure is FailureClass.UNREADABLE


def test_an_interrupted_cli_that_reports_success_with_an_empty_response_is_not_a_pass() -> None:
    reading = read(envelope(""))
    assert reading.failure is FailureClass.UNREADABLE
    assert "empty" in reading.reason


def test_a_cli_that_prints_the_bare_answer_is_understood() -> None:
    assert read(json.dumps(BUILT)).failure is None
    assert read(json.dumps(BUILT), code=3).failure is FailureClass.QUALITY
    assert read(json.dumps(PASSED), role=Role.VALIDATOR).failure is None


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_death_by_a_signal_is_a_crash_even_after_a_success_answer(signum: int) -> None:
    reading = read(envelope(fenced(BUILT)), code=None, signum=signum)
    assert reading.failure is FailureClass.CRASH
    assert signal.Signals(signum).name in reading.reason


@pytest.mark.parametrize("code", [1, 2, 127])
def test_a_cli_that_never_began_is_a_setup_problem(code: int) -> None:
    reading = read("", code=code, stderr="Error: No such option: --agent\n")
    assert reading.failure is FailureClass.SETUP
    assert "No such option" in reading.reason


def test_a_cli_that_cannot_be_started_is_a_setup_problem() -> None:
    reading = read("", code=None, stderr="No such file or directory: amplifier")
    assert reading.failure is FailureClass.SETUP
    assert "No such file" in reading.reason


def test_startup_text_on_standard_output_is_reported_as_such() -> None:
    panel = "╭─ Bundle Error ──╮\n│ Failed to clone │\n╰─────────────────╯\n"
    reading = read(panel, code=1)
    assert reading.failure is FailureClass.SETUP
    assert reading.trouble is not None
    assert reading.trouble.kind is TroubleKind.STARTUP


def test_a_session_that_had_begun_and_died_without_an_answer_is_a_crash() -> None:
    assert read(PREAMBLE, code=1, stderr="Traceback…", began=True).failure is FailureClass.CRASH
    assert read(PREAMBLE, code=137).failure is FailureClass.CRASH
    assert read(PREAMBLE, code=5).failure is FailureClass.CRASH


def test_provider_trouble_is_read_from_the_error_field() -> None:
    text = "Execution failed: RateLimitError: Error code: 429 - please retry after 12 seconds"
    reading = read(error_envelope(text), code=1)
    assert reading.failure is FailureClass.PROVIDER
    assert reading.trouble is not None
    assert (reading.trouble.kind, reading.trouble.wait_s) == (TroubleKind.THROTTLED, 12.0)


def test_an_answer_that_mentions_429s_is_no_trouble() -> None:
    talk = "Now RateLimitError (HTTP 429, rate_limit_error, overloaded) is retried.\n" + fenced(BUILT)
    reading = read(envelope(talk), stderr="WARNING provider retry: RateLimitError 429 Too Many Requests")
    assert reading.failure is None
    assert reading.trouble is None
    failed = talk.replace('"success"', '"failed"')
    assert read(envelope(failed), stderr="HTTP 429").failure is FailureClass.QUALITY
    prose = read(envelope("I wrote a test for HTTP 429 and RateLimitError."), stderr="HTTP 429")
    assert prose.failure is FailureClass.UNREADABLE


def test_an_error_of_the_task_itself_is_no_provider_trouble_whatever_it_quotes() -> None:
    text = "Execution failed: InvalidRequestError: unexpected text 'HTTP 429 rate limit reached'"
    assert read(error_envelope(text), code=1).failure is FailureClass.QUALITY


def test_a_session_cancelled_from_outside_is_a_crash() -> None:
    reading = read(error_envelope("Execution failed: AbortError: cancelled"), code=1)
    assert reading.failure is FailureClass.CRASH


def test_lines_that_look_like_json_before_the_result_are_skipped() -> None:
    noise = '{\n\'a\': 1}\n{"note": "auto-configured"}\n{ not json\n'
    assert read(noise + envelope(fenced(BUILT)) + "naming failed\n{\nmore\n").failure is None


def test_truncated_output_is_read_as_far_as_it_is_complete() -> None:
    gap = "\n[… 16777216 bytes of output dropped …]\n"
    prose = envelope("x" * 1000 + fenced(BUILT))
    assert read(prose[:300] + gap + prose[900:]).failure is None, "the answer itself is complete"
    assert read(prose[:100] + gap).failure is FailureClass.UNREADABLE
    assert read(gap + prose[900:]).failure is FailureClass.UNREADABLE


def test_bytes_that_are_not_text_do_no_harm() -> None:
    dirty = b"\xff\xfe\x00 preparing \x80\n".decode("utf-8", errors="replace")
    reading = read(dirty + envelope(fenced({**BUILT, "implementation_notes": "\ud800 lone"})))
    assert reading.failure is None
    json.dumps(reading.answer, ensure_ascii=False).encode("utf-8")
    failing = read(envelope('{"status": "failed", "blockers": ["\\ud83d half a sign\\u0000"]}'))
    failing.reason.encode("utf-8")
    assert "\0" not in failing.reason


@pytest.mark.parametrize(
    "blob",
    ["{" * 2_000_000, '{"a":' * 400_000, "[" * 2_000_000, '{"a": "' * 200_000, "{}" * 500_000],
    ids=["braces", "nested", "brackets", "open strings", "empty objects"],
)
def test_hostile_output_costs_little_and_is_unreadable(blob: str) -> None:
    began = time.process_time()
    assert read(envelope(blob)).failure is FailureClass.UNREADABLE
    assert read("{" + blob).failure is FailureClass.UNREADABLE
    assert time.process_time() - began < 20


def test_a_number_too_long_for_python_does_no_harm() -> None:
    assert read(envelope('{"status": "done", "files_created": ' + "9" * 5000 + "}")).failure is not None
