"""The JSON answers of builders and validators: finds them in the output, and evaluates them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from swarm_shared.agents.reading.objects import objects_anywhere, objects_at_line_starts
from swarm_shared.agents.reading.verdicts import CONFLICT, FAIL, PASS, settle, verdict_of
from swarm_shared.domain.models import Role
from swarm_shared.program.terminal_text import storable

# An answer is at the end; a longer text before it is never worth searching.
ANSWER_WITHIN_CHARS = 1_000_000
_DONE_WORDS = frozenset({"success", "done", "completed"})
_BUILDER_KEYS = frozenset(
    {"files_created", "files_modified", "tests_written", "tests_passed", "implementation_notes", "blockers", "question"}
)
# What models write into a required list if they have no entry for it.
_NOTHING_WORDS = frozenset({"", "none", "no", "n/a", "na", "-", "nothing", "null", "none."})


class Judgement(Struct, frozen=True, kw_only=True):
    """Whether an answer lets the task continue; if not, why, and what the next attempt must fix.

    `question` is what a builder that cannot continue asks the user; empty if it asks nothing.
    """

    passed: bool
    reason: str = ""
    must_fix: tuple[str, ...] = ()
    question: str = ""


def find_answer(text: str, role: Role) -> dict[str, Any] | None:
    """The last JSON object in the required format: bare, fenced or in prose; None if there is none.

    A bare `{"status": …}` may be an example of the agent's, so an object with more of the required keys goes
    before it. A validator may also end with a `VERDICT:` line: see `verdicts.settle`.
    """
    text = text[-ANSWER_WITHIN_CHARS:]
    if role is Role.VALIDATOR:
        return settle(text, [each for each in objects_anywhere(text) if verdict_of(each[0])])
    weak: dict[str, Any] | None = None
    strong: dict[str, Any] | None = None
    for found, _, _ in objects_anywhere(text):
        if _is_whole_answer(found, role):
            strong = found
        elif _is_answer(found, role) and "type" not in found:  # an event that the agent quotes has one
            weak = found
    return strong if strong is not None else weak


def closing_answer(text: str, role: Role) -> dict[str, Any] | None:
    """The answer object if the text ends with it (a closing fence may follow); None otherwise.

    For commands, whose output is full of JSON that is no answer.
    """
    text = text[-ANSWER_WITHIN_CHARS:].rstrip().removesuffix("```").rstrip()
    if not text.endswith("}"):
        return None
    last: dict[str, Any] | None = None
    for found, _, end in objects_anywhere(text):
        if end == len(text) and _is_whole_answer(found, role):
            last = found
    return last


def bare_answer(output: str, role: Role) -> dict[str, Any] | None:
    """The answer object in the output of a CLI that should have printed events and printed none; None otherwise.

    Only a whole one that begins in the first column: others are pieces of an event.
    """
    found: dict[str, Any] | None = None
    for one in objects_at_line_starts(output):
        if _is_whole_answer(one, role):
            found = one
    # It may contradict itself as well.
    return find_answer(output, role) if found is not None and role is Role.VALIDATOR else found


def judge(answer: Mapping[str, Any], role: Role) -> Judgement:
    """What an answer of the required shape says."""
    return _judge_validator(answer) if role is Role.VALIDATOR else _judge_builder(answer)


def items(value: object) -> tuple[str, ...]:
    """The entries of a list that a model wrote, as readable lines; one text or mapping is one entry."""
    if isinstance(value, str):
        text = storable(value.strip())
        return () if text.lower() in _NOTHING_WORDS else (text,)
    if isinstance(value, Mapping):
        line = _issue_line(value)
        return (line,) if line else ()
    if isinstance(value, list | tuple):
        return tuple(line for each in value for line in items(each))
    if value is None or isinstance(value, bool | int | float):
        return ()
    return (storable(str(value)),)


def _is_answer(found: Mapping[str, Any], role: Role) -> bool:
    if role is Role.VALIDATOR:
        return verdict_of(found) is not None
    status = found.get("status")
    return isinstance(status, str) and bool(status.strip())


def _is_whole_answer(found: Mapping[str, Any], role: Role) -> bool:
    return _is_answer(found, role) and (role is Role.VALIDATOR or not _BUILDER_KEYS.isdisjoint(found))


def _judge_builder(answer: Mapping[str, Any]) -> Judgement:
    status = str(answer["status"]).strip()
    blockers = items(answer.get("blockers"))
    if status.lower() not in _DONE_WORDS:
        if question := _question(answer, blockers):
            return Judgement(passed=False, reason=f"the builder asks: {question}", question=question)
        detail = "; ".join(blockers) or storable(str(answer.get("implementation_notes") or ""))
        reason = f"builder reports {storable(status)}" + (f": {detail}" if detail else "")
        return Judgement(passed=False, reason=reason, must_fix=blockers)
    if _is_no(answer.get("tests_passed")):
        detail = "; ".join(blockers)
        reason = "builder reports that tests do not pass" + (f": {detail}" if detail else "")
        return Judgement(passed=False, reason=reason, must_fix=blockers or ("Make the tests pass.",))
    return Judgement(passed=True)


def _question(answer: Mapping[str, Any], blockers: tuple[str, ...]) -> str:
    """The question of an answer that did not succeed: stated as one, or blockers that are all questions."""
    asked = items(answer.get("question"))
    if not asked and blockers and all(blocker.endswith("?") for blocker in blockers):
        asked = blockers
    return "\n".join(asked)


def _judge_validator(answer: Mapping[str, Any]) -> Judgement:
    verdict = verdict_of(answer)
    issues = items(answer.get("critical_issues"))
    if verdict == PASS and not issues:
        return Judgement(passed=True)
    fixes = issues or items(answer.get("recommendations")) or items(answer.get("summary"))
    detail = "; ".join(issues) or "; ".join(items(answer.get("summary"))) or "; ".join(fixes)
    word = FAIL if verdict == FAIL else "PASS with critical issues, which counts as FAIL"
    if answer.get(CONFLICT):
        word = "PASS and FAIL in one answer, which counts as FAIL"
    return Judgement(passed=False, reason=f"validator: {word}" + (f": {detail}" if detail else ""), must_fix=fixes)


def _is_no(value: object) -> bool:
    return value is False or (isinstance(value, str) and value.strip().lower() in {"false", "no"})


def _issue_line(issue: Mapping[str, Any]) -> str:
    """One line for an issue given as a mapping: where first, then what, then the rest by name."""
    left = {str(key): each for key, each in issue.items() if each not in (None, "", [], {})}
    file, line = left.pop("file", None), left.pop("line", None)
    place = f"{file}:{line}" if file and line else str(file or "")
    what = ""
    for key in ("problem", "issue", "description", "message", "text"):
        if key in left:
            what = str(left.pop(key))
            break
    rest = ", ".join(f"{key}: {each}" for key, each in left.items())
    text = ": ".join(part for part in (place, what) if part)
    return storable(f"{text} ({rest})" if text and rest else text or rest)
