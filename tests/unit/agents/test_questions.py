"""A builder that asks: which answers are questions, and what the next attempt gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.prompting.history import questions
from swarm_shared.agents.prompting.prompt import PastAttempt, Question, build_prompt
from swarm_shared.agents.prompting.resuming import session_to_resume
from swarm_shared.agents.reading.answers import judge
from swarm_shared.agents.reading.session_result import SessionEnd, read_session
from swarm_shared.domain.models import FailureClass, Role, TaskSpec

PRESETS = load_presets()


@pytest.mark.parametrize(
    ("answer", "question"),
    [
        ({"status": "failed", "question": "SQL or files?"}, "SQL or files?"),
        ({"status": "blocked", "question": ["SQL or files?", "Which port?"]}, "SQL or files?\nWhich port?"),
        ({"status": "failed", "blockers": ["SQL or files?", "Which port?"]}, "SQL or files?\nWhich port?"),
        ({"status": "failed", "question": "Which?", "blockers": ["no disk"]}, "Which?"),
        ({"status": "failed", "blockers": ["SQL or files?", "no disk"]}, ""),
        ({"status": "failed", "question": "none"}, ""),
        ({"status": "failed", "question": " "}, ""),
        ({"status": "failed", "question": None, "blockers": []}, ""),
        ({"status": "success", "question": "Shall I do more?"}, ""),
        ({"status": "success", "tests_passed": False, "question": "Which?"}, ""),
    ],
)
def test_only_a_builder_that_did_not_succeed_asks(answer: dict[str, Any], question: str) -> None:
    assert judge(answer, Role.BUILDER).question == question


def test_a_validator_cannot_ask() -> None:
    assert judge({"verdict": "FAIL", "question": "Why?"}, Role.VALIDATOR).question == ""


@pytest.mark.parametrize("exit_code", [0, 1])
def test_a_commands_question_is_read_whatever_its_exit_code(exit_code: int) -> None:
    end = SessionEnd(exit_code=exit_code, stdout=json.dumps({"status": "failed", "question": "SQL or files?"}))
    reading = read_session(PRESETS["command"], Role.BUILDER, end, 0)
    assert (reading.failure, reading.question) == (FailureClass.QUALITY, "SQL or files?")


def test_an_agents_question_is_read_from_its_answer() -> None:
    response = 'I must ask.\n```json\n{"status": "failed", "question": "SQL or files?"}\n```'
    end = SessionEnd(exit_code=0, stdout=json.dumps({"status": "success", "response": response, "session_id": "s"}))
    reading = read_session(PRESETS["amplifier"], Role.BUILDER, end, 0)
    assert (reading.question, reading.session_id) == ("SQL or files?", "s")


def prompt(*asked: Question, **more: Any) -> str:
    return build_prompt(
        TaskSpec(id="a", name="Build it"),
        role=Role.BUILDER,
        attempt_number=2,
        attempts_allowed=3,
        project_root="/srv/project",
        questions=asked,
        **more,
    )


def test_the_answer_comes_first_together_with_its_question() -> None:
    text = prompt(Question(number=1, text="SQL or files?", answer="Files."), note="Hurry.")
    assert text.startswith(
        "# Task a: Build it\n\n## Answers from the user\n\nYou asked in attempt 1: SQL or files?\n\n"
        "Answer from the user: Files.\n\n## Note from the user\n\nHurry.\n\n"
    )
    assert "An earlier attempt ended before the work was finished." in text
    assert "did not pass" not in text


def test_an_earlier_failure_is_still_listed_next_to_the_answer() -> None:
    asked = Question(number=2, text="SQL or files?", answer="Files.")
    text = prompt(asked, history=[PastAttempt(number=1, reason="check failed")])
    assert "did not pass" in text
    assert "Attempt 1 failed: check failed" in text


def test_a_question_without_an_answer_is_left_to_the_builder() -> None:
    text = prompt(Question(number=1, text="SQL or files?", answer=None))
    assert "The user has not answered: choose what fits the project" in text


def row(**values: Any) -> dict[str, Any]:
    return {
        "kind": "work", "number": 1, "outcome": "failed", "failure_class": "interrupted", "question": "Which?",
        "answer": "That.", "builder_session_id": "s1", "agent_cli": "claude", "builder_agent": "agent", "cause": None,
        "resumed_session_id": None, **values,
    }  # fmt: skip


def resumed(*rows: dict[str, Any], retries_used: int = 0, cli: str = "claude") -> str | None:
    return session_to_resume(PRESETS[cli], rows, retries_used=retries_used, agent="agent", env={}, cwd=Path("/nowhere"))


@pytest.mark.parametrize("retries_used", [0, 1, 2])
def test_the_session_that_asked_is_resumed_however_many_retries_were_used(retries_used: int) -> None:
    assert resumed(row(), retries_used=retries_used) == "s1"


def test_a_judged_later_attempt_takes_precedence() -> None:
    later = row(number=2, question=None, answer=None, failure_class="quality", builder_session_id="s2")
    assert resumed(row(), later, retries_used=2) is None
    assert resumed(row(), later, retries_used=1) == "s2"


def test_a_cli_that_cannot_resume_starts_fresh() -> None:
    assert resumed(row(agent_cli="command"), cli="command") is None


def test_questions_of_landings_and_of_attempts_without_one_are_ignored() -> None:
    rows = [row(), row(kind="landing"), row(question=None, answer=None)]
    assert questions(rows) == (Question(number=1, text="Which?", answer="That."),)
