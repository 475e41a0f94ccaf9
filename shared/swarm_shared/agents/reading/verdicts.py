"""The verdict of a validator, from all JSON objects and `VERDICT:` lines of one answer.

Agents that were written for interactive use end with a line such as `✅ VERDICT: PASS`, whatever the prompt asks for. A
FAIL in either form counts, because nothing may land on an answer that contradicts itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

PASS, FAIL = "PASS", "FAIL"
# Set in an answer that holds both verdicts; its "verdict" is then FAIL.
CONFLICT = "conflicting_verdicts"
# Quotes are left out: a line of JSON, or of code that reads it, is no verdict.
_LINE = re.compile(
    r"""^[^\w\n"'{}]*(?:(?:final|overall)\s+)?verdict[^\w\n"'{}]*[:=\u2014\u2013-][^\w\n"'{}]*(pass|fail)(?:ed)?\b([^\n]*)$""",
    re.IGNORECASE | re.MULTILINE,
)
_ONLY_MARKS = re.compile(r"""[^\w"'{}]*\Z""")
_SUMMARY_CHARS = 3_000


def verdict_of(found: Mapping[str, Any]) -> str | None:
    """PASS or FAIL as the object states it; None when it states neither."""
    word = found.get("verdict")
    word = word.strip().upper() if isinstance(word, str) else ""
    return word if word in (PASS, FAIL) else None


def settle(text: str, objects: Sequence[tuple[dict[str, Any], int, int]]) -> dict[str, Any] | None:
    """The verdict of an answer; None when it has none.

    Args:
        text: The whole answer.
        objects: Those in it that state a verdict, each with where it begins and ends.

    Returns:
        The last object, or one made of the text before the last `VERDICT:` line where there is no object. If both
        verdicts occur, it says FAIL and has the key `CONFLICT`.
    """
    prose = _without(text, objects)
    lines = [(found[1].upper(), found) for found in _LINE.finditer(prose)]
    stated = {verdict_of(found) for found, _, _ in objects}
    # A pass must be alone on its line; "VERDICT: FAIL because …" says enough.
    stated |= {word for word, found in lines if word == FAIL or _ONLY_MARKS.match(found[2])}
    if objects:
        answer = dict(objects[-1][0])
    elif lines and (FAIL in stated or _closes(prose, lines[-1][1])):
        answer = {"verdict": lines[-1][0]}
        if summary := _summary(prose, lines[-1][1]):
            answer["summary"] = summary
    else:
        return None
    if PASS in stated and FAIL in stated:
        answer |= {"verdict": FAIL, CONFLICT: True}
        if not answer.get("critical_issues") and (reasons := _summary(prose, lines[-1][1] if lines else None)):
            answer["critical_issues"] = [reasons]
    return answer


def _without(text: str, objects: Sequence[tuple[dict[str, Any], int, int]]) -> str:
    """The text without the objects, whose strings may hold anything."""
    pieces, at = [], 0
    for _, start, end in objects:
        pieces.append(text[at:start])
        at = end
    return "".join([*pieces, text[at:]])


def _closes(prose: str, found: re.Match[str]) -> bool:
    """Whether the line is the end of the answer, and not part of a plan or a quotation."""
    return _ONLY_MARKS.match(found[2]) is not None and _ONLY_MARKS.match(prose, found.end()) is not None


def _summary(prose: str, line: re.Match[str] | None) -> str:
    """The text before the verdict (its end if it is long), or the rest of the line if there is none."""
    said = prose if line is None else prose[: line.start()]
    said = said.replace("```json", "").replace("```", "").strip()
    if not said and line is not None:
        said = line[2].strip(" \t:;,-–—*_")
    return said if len(said) <= _SUMMARY_CHARS else "…" + said[-_SUMMARY_CHARS:]
