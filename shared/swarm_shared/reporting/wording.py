"""The sentences and figures of a report that all its forms share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from swarm_shared.domain.models import Group, HoldReason
from swarm_shared.program.readable import duration
from swarm_shared.store.views.run_report import Effort, RunReport, TaskLine

IN_ORDER = (Group.COMPLETED, Group.IN_PROGRESS, Group.NOT_STARTED, Group.FAILED, Group.HELD, Group.CANCELLED)
NAMES = {
    Group.COMPLETED: "Completed",
    Group.IN_PROGRESS: "In progress",
    Group.NOT_STARTED: "Not started",
    Group.FAILED: "Failed",
    Group.HELD: "Held",
    Group.CANCELLED: "Cancelled",
}
CAUSES = {
    "builder": "Builder",
    "check": "Check",
    "validator": "Validator",
    "time": "Time limit",
    "landing": "Landing",
    "crash": "Crash",
    "unreadable": "Unreadable answer",
}
_HELD = {
    HoldReason.KILLED: "stopped by a user",
    HoldReason.BY_PERSON: "held by a user",
    HoldReason.CRASHED: "crashed repeatedly",
    HoldReason.UNREADABLE: "no readable answer",
    HoldReason.NOT_PROVEN_DEAD: "old processes may still run",
    HoldReason.OBJECTION: "the validator objects again",
    HoldReason.SAME_PROBLEM: "the same problem twice",
    HoldReason.AS_IMPORTED: "imported as held",
    HoldReason.NOT_LANDED: "could not land",
    HoldReason.CANNOT_START: "no session can start",
    HoldReason.SHARED_STASH: "the shared stash changed",
    HoldReason.QUESTION: "asks a question",
    HoldReason.BUDGET: "its budget is used up",
}
NO_PHASE = "(no phase)"


def headline(report: RunReport) -> str:
    """Such as `842 of 1,000 tasks completed`."""
    whole = report.whole
    return f"{whole.number(Group.COMPLETED):,} of {_count(whole.total, 'task')} completed"


def summary(report: RunReport) -> str:
    """A sentence about tasks that have not completed; empty if all have."""
    parts = [
        f"{report.whole.number(group):,} {NAMES[group].lower()}"
        for group in IN_ORDER
        if group is not Group.COMPLETED and report.whole.number(group)
    ]
    return ", ".join(parts)


def span(report: RunReport) -> str:
    """From the first attempt to the last; empty before the first."""
    if report.began_at is None or report.ended_at is None:
        return ""
    return f"{moment(report.began_at)} to {moment(report.ended_at)}"


def figures(report: RunReport) -> Iterator[tuple[str, str, str]]:
    """Name, value and note of each key figure."""
    whole = report.whole
    if report.began_at is not None and report.ended_at is not None:
        yield "Elapsed", duration(report.ended_at - report.began_at), "first attempt to last"
    yield "Agent time", duration(whole.busy_ms), "sum of all attempts"
    yield "Attempts", f"{whole.attempts:,}", f"{_count(whole.retries, 'failed attempt')}"
    if whole.refused:
        yield "Landings refused", f"{whole.refused:,}", "conflicts or failing checks on the merged result"
    yield "Cost", cost(whole), _cost_note(whole)
    yield "Tokens", "not reported" if whole.tokens is None else f"{whole.tokens:,}", ""


def cost(effort: Effort) -> str:
    """Dollars; an unreported cost is not zero."""
    return "not reported" if effort.cost_usd is None else f"${effort.cost_usd:,.2f}"


def task_cost(line: TaskLine) -> str:
    return "" if line.cost_usd is None else f"${line.cost_usd:,.2f}"


def why(line: TaskLine) -> str:
    """Why a task has not completed, in one line."""
    reason = _HELD.get(HoldReason(line.hold_reason)) if line.hold_reason else None
    error = " ".join((line.last_error or "").split())
    return ": ".join(part for part in (reason, error) if part)


def moment(at: int) -> str:
    """Local date and time to the minute."""
    return datetime.fromtimestamp(at / 1000).strftime("%Y-%m-%d %H:%M")


def phase_name(phase: str) -> str:
    return phase or NO_PHASE


def _cost_note(whole: Effort) -> str:
    if whole.cost_usd is None or not whole.costless:
        return ""
    return f"at least; {_count(whole.costless, 'attempt')} with unreported costs"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
