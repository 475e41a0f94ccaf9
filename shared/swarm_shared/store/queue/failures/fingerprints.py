"""What went wrong, without place and time: the fingerprint that groups and recognizes failures."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from swarm_shared.domain.models import FailureCause, FailureClass, Outcome
from swarm_shared.program.error_line import error_line, headline_of
from swarm_shared.program.terminal_text import storable, without_colours
from swarm_shared.store.queue.policy import AttemptResult

SAMPLE_CHARS = 300
# By lines and not by characters of the whole, so that a number of another length does not move the cut.
_LINES = 40
_LINE_CHARS = 300
_DIGEST_BYTES = 8  # a database would need billions of different problems for two to meet

_MASKS = (
    # An id of any kind: a UUID, a commit, an address. With a digit in it, so that no word of letters is taken for one.
    (re.compile(r"\b(?:0x[0-9a-f]+|(?=[0-9a-f-]*\d)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b", re.I), "#"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,64}\b", re.I), "#"),
    # A task's worktree, and the folders of any other absolute path.
    (re.compile(r"(?:/[^\s/:'\"()<>]+)*/worktrees/[^\s/:'\"()<>]+"), ""),
    (re.compile(r"(?<![\w.])(?:/[^\s/:'\"()<>]+)+/(?=[^\s/])"), "/"),
    (re.compile(r"\btmp\w{6,}"), "tmp#"),
    # Counts, times, durations, line numbers.
    (re.compile(r"\d+(?:[.,:]\d+)*"), "#"),
)
_BLANKS = re.compile(r"\s+")


class Problem(Struct, frozen=True, kw_only=True):
    """Why an attempt failed.

    `fingerprint` is the same for what differs in numbers, times, ids and folders only; `sample` is its `headline`.
    """

    fingerprint: str
    cause: FailureCause
    sample: str


def problem_of(result: AttemptResult, *, landing: bool) -> Problem | None:
    """Why an attempt failed; None when it did not, or for a reason that is no task's."""
    blames_task = result.failure_class is not None and result.failure_class.blames_task
    if result.outcome is not Outcome.FAILED or not (blames_task or result.unfit):
        return None
    red = [check for check in result.check_results or () if not check.get("passed")]
    cause = _cause(result, landing=landing, red=bool(red))
    match cause:
        case FailureCause.CHECK | FailureCause.LANDING if red:
            # The error and not the command: six tests may stumble over one missing module.
            detail = "\n".join(sorted({_normal(_essence(check)) for check in red}))
        case FailureCause.VALIDATOR | FailureCause.LANDING if result.must_fix:
            detail = "\n".join(sorted(_normal(issue) for issue in result.must_fix))
        case FailureCause.CRASH:
            # The first line names the fault. What programs print afterwards depends on which of them noticed first.
            detail = _normal((result.error or "").partition("\n")[0])
        case _:
            detail = _normal(result.error or "")
    digest = hashlib.blake2b(f"{cause}\n{detail}".encode("utf-8", "replace"), digest_size=_DIGEST_BYTES)
    said = headline(cause=cause, error=result.error, checks=red, must_fix=result.must_fix)
    return Problem(fingerprint=digest.hexdigest(), cause=cause, sample=said or str(result.failure_class))


def _cause(result: AttemptResult, *, landing: bool, red: bool) -> FailureCause:
    match result.failure_class:
        case FailureClass.CRASH:
            return FailureCause.CRASH
        case FailureClass.UNREADABLE:
            return FailureCause.UNREADABLE
        case _ if landing:
            return FailureCause.LANDING
        case _ if result.out_of_time:
            return FailureCause.TIME
        case _ if red:
            return FailureCause.CHECK
        case _ if result.validator_result is not None:
            return FailureCause.VALIDATOR
        case _:
            return FailureCause.BUILDER


def _essence(check: Mapping[str, Any]) -> str:
    """What a failed check says: the line with its error, or where no line says it, the command and all of it."""
    output = str(check.get("output") or "")
    return error_line(output) or f"{check.get('command')}\n{output}"


def _normal(text: str) -> str:
    """The text without what differs from one time to the next."""
    lines = without_colours(text).splitlines()[-_LINES:]
    return "\n".join(filter(None, (_normal_line(line[:_LINE_CHARS]) for line in lines)))


def _normal_line(line: str) -> str:
    for pattern, mask in _MASKS:
        line = pattern.sub(mask, line)
    return _BLANKS.sub(" ", line).strip().lower()


def headline(
    *,
    cause: FailureCause | str | None,
    error: str | None,
    checks: Sequence[Mapping[str, Any]] | None,
    must_fix: Sequence[Any] | None,
) -> str | None:
    """The line that says what went wrong in an attempt: the same one wherever the failure is shown.

    What a failing check printed comes first, then the validator's first issue, then what the worker reported.

    Args:
        cause: As `problem_of` gives it; None for an attempt without a problem.
        error: What the worker reported.
        checks: Results with `command`, `passed` and `output`.
    """
    if cause is None:
        return None
    failing = [check for check in checks or () if not check.get("passed")]

    def lines() -> Iterator[str | None]:
        yield from (headline_of(str(check.get("output") or "")) for check in failing)
        if cause == FailureCause.VALIDATOR:
            yield from (line for issue in must_fix or () for line in str(issue).splitlines()[:1] if line.strip())
        yield from (error or "").splitlines()[:1]
        yield from (str(check.get("command")) for check in failing)

    first = next(filter(None, lines()), None)
    return None if first is None else storable(without_colours(first))[:SAMPLE_CHARS]
