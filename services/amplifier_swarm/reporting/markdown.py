"""The report as Markdown, short enough for a pull request or an issue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from amplifier_swarm.reporting.wording import (
    CAUSES,
    NAMES,
    cost,
    figures,
    headline,
    moment,
    phase_name,
    span,
    summary,
    why,
)
from amplifier_swarm.terminal import cut, duration
from swarm_shared.domain.models import Group
from swarm_shared.store.views.run_report import ProblemLine, RunReport

MOST_ROWS = 50
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~@])")


def markdown(report: RunReport, name: str) -> str:
    """The text, with a line break at its end."""
    return "\n".join(_lines(report, name)).strip() + "\n"


def _lines(report: RunReport, name: str) -> Iterator[str]:
    yield from (f"# {headline(report)}", "")
    yield from (f"{text}  " for text in (summary(report), f"{_text(name, 100)}, {span(report)}".rstrip(", ")) if text)
    yield from ("", "| | | |", "|---|---:|---|")
    yield from (f"| {key} | {value} | {remark} |" for key, value, remark in figures(report))
    if not set(report.phases) <= {""}:
        yield from ("", "## Phases", "", "| Phase | Completed | Failed attempts | Agent time | Cost |")
        yield "|---|---:|---:|---:|---:|"
        rows = [
            f"| {_text(phase_name(phase), 80)} | {its.number(Group.COMPLETED):,} of {its.total:,} | {its.retries:,} "
            f"| {duration(its.busy_ms)} | {cost(its)} |"
            for phase, its in report.phases.items()
        ]
        yield from _bounded(rows)
    bad = report.of(Group.FAILED, Group.HELD)
    if bad:
        yield from ("", f"## Needs attention ({len(bad):,})", "", "| Task | Status | Why |", "|---|---|---|")
        rows = [f"| {_text(line.id, 60)} | {NAMES[line.group]} | {_text(why(line), 200)} |" for line in bad]
        yield from _bounded(rows)
    yield from _problems("Most common objections of validators", report.objections)
    yield from _problems("Most common failures", report.problems)
    waiting = report.of(Group.NOT_STARTED, Group.IN_PROGRESS)
    if waiting:
        yield from ("", f"## Waiting ({len(waiting):,})", "", "| Task | Status | Waits for |", "|---|---|---|")
        rows = [
            f"| {_text(line.id, 60)} | {line.status.replace('_', ' ')} "
            f"| {_text(', '.join(report.waits.get(line.id, ())), 120)} |"
            for line in waiting
        ]
        yield from _bounded(rows)
    done = report.of(Group.COMPLETED)
    if done:
        yield from ("", f"## Completed ({len(done):,})", "", "| Task | Name | Attempts | Time |", "|---|---|---:|---:|")
        rows = [
            f"| {_text(line.id, 60)} | {_text(line.name, 80)} | {line.attempts} | {duration(line.busy_ms)} |"
            for line in done
        ]
        yield from _bounded(rows)
    yield from ("", f"Made by Amplifier Swarm on {moment(report.made_at)}.")


def _problems(title: str, problems: Sequence[ProblemLine]) -> Iterator[str]:
    if problems:
        yield from ("", f"## {title}", "", "| What | Found by | Attempts | Tasks |", "|---|---|---:|---:|")
        for each in problems:
            found_by = CAUSES.get(each.cause, each.cause)
            yield f"| {_text(each.sample, 200)} | {found_by} | {each.attempts:,} | {each.tasks:,} |"


def _bounded(rows: Sequence[str]) -> Iterator[str]:
    yield from rows[:MOST_ROWS]
    if len(rows) > MOST_ROWS:
        yield from ("", f"and {len(rows) - MOST_ROWS:,} more")


def _text(text: str, limit: int) -> str:
    """One line in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", cut(text, limit))
