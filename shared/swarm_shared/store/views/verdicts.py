"""Two attempts that failed in the same way, side by side, to show what did not change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def same_problem(attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the last attempt that was judged has in common with an earlier one; None: nothing, or it passed.

    Args:
        attempts: All of a task, oldest first, from `Tasks.attempts`.

    Returns:
        `what` is the same (problem, diff or both), and under `attempts` the earlier one and the last one, each with
        `number`, `cause`, `error`, `verdict`, `summary`, `must_fix` and `failed_checks` (command, exit_code, output).
    """
    judged = [each for each in attempts if each["outcome"] == "passed" or each["failure_class"] == "quality"]
    if not judged or judged[-1]["same_as"] is None:
        return None
    last = judged[-1]
    return {
        "what": last["same_what"],
        "attempts": [_verdict(each) for each in judged if each["number"] in (last["same_as"], last["number"])],
    }


def _verdict(attempt: Mapping[str, Any]) -> dict[str, Any]:
    verdict = attempt["validator_result"] or {}
    return {
        "number": attempt["number"],
        "cause": attempt["cause"],
        "error": attempt["error"],
        "verdict": verdict.get("verdict"),
        "summary": verdict.get("summary"),
        "must_fix": attempt["must_fix"] or [],
        "failed_checks": [
            {name: check.get(name) for name in ("command", "exit_code", "output")}
            for check in attempt["check_results"] or []
            if not check.get("passed")
        ],
    }


def output_end(check: Mapping[str, Any], lines: int) -> str:
    """The last lines of what a check printed."""
    return "\n".join(str(check.get("output") or "").rstrip().splitlines()[-lines:])
