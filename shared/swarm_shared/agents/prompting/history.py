"""Earlier attempts in the prompt of the next one: rows of the store as parts of the prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from swarm_shared.agents.prompting.prompt import CheckResult, PastAttempt, Question
from swarm_shared.domain.models import FailureClass


def is_instructive(row: Mapping[str, Any]) -> bool:
    """Whether the end of an attempt says something about the work; one with an outside cause teaches nothing."""
    failure = row["failure_class"]
    return failure is not None and FailureClass(failure).blames_task


def check_results(rows: Iterable[Mapping[str, Any]] | None) -> tuple[CheckResult, ...]:
    """Stored check results in the form that the prompt uses."""
    return tuple(
        CheckResult(
            command=row["command"],
            passed=row["passed"],
            exit_code=row.get("exit_code"),
            output=row.get("output", ""),
        )
        for row in rows or ()
    )


def questions(rows: Iterable[Mapping[str, Any]]) -> tuple[Question, ...]:
    """The questions of earlier attempts to the user, oldest first, with the answers; from `Tasks.history`."""
    return tuple(
        Question(number=row["number"], text=row["question"], answer=row["answer"])
        for row in rows
        if row["kind"] == "work" and row["question"] is not None
    )


def past_attempts(rows: Iterable[Mapping[str, Any]]) -> tuple[PastAttempt, ...]:
    """The attempts that ended with something to learn, oldest first, from `Tasks.attempts`."""
    return tuple(
        PastAttempt(
            number=row["number"],
            reason=row["error"] or str(row["outcome"]),
            must_fix=tuple(row["must_fix"] or ()),
            failed_checks=tuple(c for c in check_results(row["check_results"]) if not c.passed),
        )
        for row in rows
        if is_instructive(row)
    )
