"""What a session is told: the task, what earlier attempts taught, and the JSON to answer with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarm_shared.agents.answers import items
from swarm_shared.agents.guards import guard_mentions as guarded
from swarm_shared.agents.guards import wrap_long_words
from swarm_shared.agents.reading import TAIL_LINES, files_of
from swarm_shared.models import Role, TaskSpec

# Of everything that comes from earlier attempts or from tools; the task's own text is given whole.
PART_LIMIT_BYTES = 4096
DIFF_LIMIT_BYTES = 64 * 1024

# The shapes are no valid JSON on purpose: an agent that repeats them has not answered.
_VALIDATOR_CALLING = (
    "You examine work that another agent calls finished. Expect it to be wrong and try to prove it: read the "
    "files, run the tests and the program, and look for criteria that are only seemingly met, tests that "
    "cannot fail, leftovers and broken neighbours. Take no claim for evidence. Do not change any file."
)
BUILDER_ANSWER = """\
{
  "status": "success" or "failed",
  "files_created": [paths],
  "files_modified": [paths],
  "tests_written": [paths],
  "tests_passed": true or false,
  "implementation_notes": "what you did and why",
  "blockers": [what kept you from finishing, one text each]
}"""
VALIDATOR_ANSWER = """\
{
  "verdict": "PASS" or "FAIL",
  "confidence": 0.0 to 1.0,
  "critical_issues": [one text for each: file, line, problem, criterion],
  "test_quality_score": 0 to 10,
  "recommendations": [what would be better, but is no reason to fail],
  "summary": "two sentences with the evidence"
}"""


class CheckResult(Struct, frozen=True, kw_only=True):
    """One check that we ran ourselves: its command or built-in name, and what came of it."""

    command: str
    passed: bool
    exit_code: int | None = None
    output: str = ""


class PastAttempt(Struct, frozen=True, kw_only=True):
    """An attempt that did not pass, as the next one is told of it."""

    number: int
    reason: str
    must_fix: tuple[str, ...] = ()
    failed_checks: tuple[CheckResult, ...] = ()


def build_prompt(
    task: TaskSpec,
    *,
    role: Role,
    attempt_number: int,
    attempts_allowed: int,
    project_root: Path | str,
    history: Sequence[PastAttempt] = (),
    note: str | None = None,
    builder_answer: Mapping[str, Any] | None = None,
    check_results: Sequence[CheckResult] = (),
    diff: str | None = None,
    resumes: bool = False,
    guard_mentions: bool = False,
) -> str:
    """The whole prompt of one session.

    Args:
        attempts_allowed: The first attempt and all its retries.
        history: Earlier attempts that did not pass, oldest first.
        note: What a person added to a retry; it goes on top.
        builder_answer: The builder's JSON, of which the validator sees only the files.
        diff: The change so far, where the work is kept apart per task; None where it is not.
        resumes: The session goes on with an earlier one of the same builder.
        guard_mentions: The CLI expands @words (`AgentCli.expands_mentions`).
    """
    if role is Role.VALIDATOR:
        parts = _validator_parts(task, project_root, builder_answer, check_results, diff)
    else:
        parts = _builder_parts(task, attempt_number, attempts_allowed, project_root, history, note, diff, resumes)
    # The heading goes first always: a text that begins with a slash would be a command to the CLI.
    text = wrap_long_words("\n\n".join(part for part in parts if part)) + "\n"
    return guarded(text) if guard_mentions else text


def _builder_parts(
    task: TaskSpec,
    number: int,
    allowed: int,
    root: Path | str,
    history: Sequence[PastAttempt],
    note: str | None,
    diff: str | None,
    resumes: bool,
) -> list[str]:
    parts = [f"# Task {task.id}: {task.name}"]
    if note:
        parts.append("## A person's note on this attempt\n\n" + clipped(note))
    parts.append(_intent(number, allowed, resumes))
    if history:
        parts += [_must_fix(history[-1]), _earlier_work(diff), _earlier_attempts(history)]
    parts += _task_parts(task, root)
    parts.append(
        "## Answer\n\nDo the work in the working directory, run the tests that belong to it, and then end "
        "with exactly one JSON object of this shape and nothing after it:\n\n" + BUILDER_ANSWER + "\n\n"
        'Say "failed" when a criterion is not met; commands and a second agent check what you report.'
    )
    return parts


def _validator_parts(
    task: TaskSpec,
    root: Path | str,
    builder_answer: Mapping[str, Any] | None,
    checks: Sequence[CheckResult],
    diff: str | None,
) -> list[str]:
    parts = [
        f"# Validation of task {task.id}: {task.name}",
        _VALIDATOR_CALLING,
        *_task_parts(task, root),
        _files_named(builder_answer),
        _checks_run(checks),
    ]
    if diff is not None:
        parts.append("## The change\n\n" + _fenced(clipped(diff, DIFF_LIMIT_BYTES) or "(nothing changed)"))
    parts.append(
        "## Verdict\n\nFAIL when any criterion is not met or anything is critical; then name each issue with "
        "its evidence. PASS only what you have seen to work. End with exactly one JSON object of this shape "
        "and nothing after it:\n\n" + VALIDATOR_ANSWER
    )
    return parts


def _intent(number: int, allowed: int, resumes: bool) -> str:
    if number <= 1:
        return "You are the builder of this task. Finish it completely; nobody will answer questions."
    return (
        f"You are the builder of this task. This is attempt {number} of {max(allowed, number)}; the earlier "
        "work did not pass. Start from what is in the working directory and fix what is named below."
    ) + (" You go on in your own earlier session; the task stands here once more, as it is now." if resumes else "")


def _task_parts(task: TaskSpec, root: Path | str) -> list[str]:
    facts = [f"Working directory: {root}"]
    facts += [f"Phase: {task.phase}"] if task.phase else []
    facts += [f"Type: {task.type}"] if task.type else []
    parts = ["\n".join(facts)]
    if task.description.strip():
        parts.append("## Description\n\n" + task.description.strip())
    if task.acceptance_criteria:
        parts.append("## Acceptance criteria\n\n" + _numbered(task.acceptance_criteria))
    if task.files:
        parts.append("## Expected files\n\n" + _bullets(task.files))
    if task.design_docs:
        parts.append("## Design documents to read first\n\n" + _bullets(task.design_docs))
    if task.checks:
        parts.append("## Commands that must succeed afterwards\n\n" + _bullets(task.checks))
    return parts


def _must_fix(last: PastAttempt) -> str:
    lines = [f"## Must fix\n\nAttempt {last.number} ended with: {clipped(last.reason)}"]
    if last.must_fix:
        lines.append(clipped(_numbered(last.must_fix)))
    lines += [_failed_check(check) for check in last.failed_checks]
    return "\n\n".join(lines)


def _failed_check(check: CheckResult) -> str:
    ended = f"ended with exit code {check.exit_code}" if check.exit_code is not None else "did not pass"
    output = "\n".join(check.output.rstrip().splitlines()[-TAIL_LINES:])
    told = f"This check {ended}: {check.command}"
    return f"{told}\n\n{_fenced(clipped(output, keep_end=True))}" if output else told


def _earlier_work(diff: str | None) -> str:
    if diff is None:
        return ""
    return "## Earlier work on this task\n\n" + _fenced(clipped(diff) or "(nothing changed)")


def _earlier_attempts(history: Sequence[PastAttempt]) -> str:
    lines = [f"- Attempt {past.number}: {_one_line(past.reason)}" for past in history]
    return "## Earlier attempts\n\n" + clipped("\n".join(lines), keep_end=True)


def _files_named(answer: Mapping[str, Any] | None) -> str:
    if answer is None:
        return ""
    named = files_of(answer)
    tests = items(answer.get("tests_written"))
    lines = [clipped(_bullets(named)) if named else "It names no files."]
    lines += ["Tests it names:", clipped(_bullets(tests))] if tests else []
    return "## Files the builder names\n\n" + "\n\n".join(lines)


def _checks_run(checks: Sequence[CheckResult]) -> str:
    if not checks:
        return ""
    lines = []
    for check in checks:
        outcome = "passed" if check.passed else f"FAILED (exit code {check.exit_code})"
        lines.append(f"- {outcome}: {_one_line(check.command)}")
    return "## Checks that were run\n\n" + clipped("\n".join(lines))


def clipped(text: str, limit_bytes: int = PART_LIMIT_BYTES, *, keep_end: bool = False) -> str:
    """The text if it fits, else its start (or its end) with a mark where it was cut, within the limit."""
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit_bytes:
        return raw.decode()
    mark = "[… cut …]"
    room = limit_bytes - len(mark.encode()) - 1
    if keep_end:
        return f"{mark}\n{raw[-room:].decode('utf-8', 'ignore')}"
    return f"{raw[:room].decode('utf-8', 'ignore')}\n{mark}"


def _fenced(text: str) -> str:
    # A fence inside the text must not close ours.
    return "```\n" + text.replace("```", "'''") + "\n```"


def _numbered(texts: Sequence[str]) -> str:
    return "\n".join(f"{number}. {_indented(text)}" for number, text in enumerate(texts, 1))


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"- {_indented(text)}" for text in texts)


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n   ")


def _one_line(text: str, limit: int = 300) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
