"""The report as one self-contained HTML page without scripts, readable on a phone, in the dark and in print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files

from amplifier_swarm.reporting import pictures
from amplifier_swarm.reporting.wording import (
    CAUSES,
    IN_ORDER,
    NAMES,
    cost,
    figures,
    headline,
    moment,
    phase_name,
    span,
    summary,
    task_cost,
    why,
)
from amplifier_swarm.terminal import cut, duration
from swarm_shared.domain.models import Group
from swarm_shared.store.views.run_report import ProblemLine, RunReport, TaskLine

GENERATOR = "amplifier-swarm report"
MOST_ROWS = 1_000  # per table, so that the page stays readable
MOST_PHASES = 100
OPEN_ROWS = 40  # a longer list of completed tasks is folded
_GOOD, _BAD, _OPEN = (Group.COMPLETED,), (Group.FAILED, Group.HELD), (Group.NOT_STARTED, Group.IN_PROGRESS)


def html_page(report: RunReport, name: str) -> str:
    """The page as text.

    Args:
        name: The subject of the report, such as the database's file name.
    """
    body = "".join(
        (
            _header(report, name),
            _figures(report),
            _picture("Progress", pictures.progress(report), "Completed tasks over time. Red marks: failed attempts."),
            _phases(report),
            _tasks("Needs attention", report.of(*_BAD), with_reason=True),
            _problems("Most common objections of validators", report.objections),
            _problems("Most common failures", report.problems),
            _waiting(report),
            _picture("Attempts per completed task", pictures.tries(report), ""),
            _completed(report),
        )
    )
    style = (files(__package__) / "page.css").read_text(encoding="utf-8")
    footer = f"<footer>Made by Amplifier Swarm on {moment(report.made_at)}.</footer>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="generator" content="{GENERATOR}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{escape(headline(report))} · {escape(name)}</title><style>{style}</style></head>\n"
        f"<body><main>{body}{footer}</main></body></html>\n"
    )


def _header(report: RunReport, name: str) -> str:
    rest, when = summary(report), span(report)
    lines = [f'<p class="quiet">{escape(text)}</p>' for text in (rest, f"{name} · {when}" if when else name) if text]
    key = "".join(
        f'<li class="{group}">{NAMES[group]} {report.whole.number(group):,}</li>'
        for group in IN_ORDER
        if report.whole.number(group)
    )
    return (
        f"<header><h1>{escape(headline(report))}</h1>{''.join(lines)}{pictures.result_bar(report.whole)}"
        f'<ul class="key">{key}</ul></header>'
    )


def _figures(report: RunReport) -> str:
    cells = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}<small>{escape(remark)}</small></dd></div>"
        for name, value, remark in figures(report)
    )
    return f"<section><dl>{cells}</dl></section>"


def _picture(title: str, picture: str, caption: str) -> str:
    if not picture:
        return ""
    words = f'<p class="quiet">{escape(caption)}</p>' if caption else ""
    return f"<section><h2>{title}</h2>{picture}{words}</section>"


def _phases(report: RunReport) -> str:
    if set(report.phases) <= {""}:
        return ""
    rows = [
        (
            f'<td class="phase">{escape(cut(phase_name(phase), 80))}</td><td class="bars">'
            f"{pictures.result_bar(its, height=10)}</td>"
            f'<td class="n">{its.number(Group.COMPLETED):,} of {its.total:,}</td>'
            f'<td class="n wide">{its.retries:,}</td><td class="n wide">{duration(its.busy_ms)}</td>'
            f'<td class="n">{escape(cost(its)) if its.cost_usd is not None else "–"}</td>'
        )
        for phase, its in report.phases.items()
    ]
    head = (
        '<th>Phase</th><th>Result</th><th class="n">Completed</th><th class="n wide">Failed attempts</th>'
        '<th class="n wide">Agent time</th><th class="n">Cost</th>'
    )
    return f"<section><h2>Phases</h2>{_table(head, rows[:MOST_PHASES], len(rows))}</section>"


def _tasks(title: str, lines: Sequence[TaskLine], *, with_reason: bool) -> str:
    if not lines:
        return ""
    return f"<section><h2>{title} ({len(lines):,})</h2>{_task_table(lines, with_reason=with_reason)}</section>"


def _task_table(lines: Sequence[TaskLine], *, with_reason: bool) -> str:
    if with_reason:
        head = '<th>Task</th><th>Status</th><th>Why</th><th class="n wide">Attempts</th>'
        rows: Iterable[str] = (
            f'<td>{_name(line)}</td><td class="{line.group}"><span class="word">{NAMES[line.group]}</span></td>'
            f'<td>{escape(cut(why(line), 220))}</td><td class="n wide">{line.attempts}</td>'
            for line in lines[:MOST_ROWS]
        )
    else:
        head = (
            '<th>Task</th><th class="n">Attempts</th><th class="n">Time</th><th class="n wide">Cost</th>'
            '<th class="n wide">Commit</th>'
        )
        rows = (
            f'<td>{_name(line)}</td><td class="n">{line.attempts or "–"}</td>'
            f'<td class="n">{duration(line.busy_ms)}</td><td class="n wide">{task_cost(line)}</td>'
            f'<td class="n wide"><code>{escape((line.landed_as or "")[:10])}</code></td>'
            for line in lines[:MOST_ROWS]
        )
    return _table(head, list(rows), len(lines))


def _name(line: TaskLine) -> str:
    name = "" if line.name == line.id else f" {escape(cut(line.name, 100))}"
    return f'<span class="id">{escape(cut(line.id, 60))}</span>{name}'


def _problems(title: str, problems: Sequence[ProblemLine]) -> str:
    if not problems:
        return ""
    rows = [
        f'<td>{escape(cut(each.sample, 300))}</td><td class="wide">{CAUSES.get(each.cause, escape(each.cause))}</td>'
        f'<td class="n">{each.attempts:,}</td><td class="n">{each.tasks:,}</td>'
        for each in problems
    ]
    head = '<th>What</th><th class="wide">Found by</th><th class="n">Attempts</th><th class="n">Tasks</th>'
    return f"<section><h2>{title}</h2>{_table(head, rows, len(rows))}</section>"


def _waiting(report: RunReport) -> str:
    lines = report.of(*_OPEN)
    if not lines:
        return ""
    rows = [
        f'<td>{_name(line)}</td><td class="{line.group}"><span class="word">{escape(line.status.replace("_", " "))}'
        f"</span></td><td>{escape(_needs(report, line))}</td>"
        for line in lines[:MOST_ROWS]
    ]
    table = _table("<th>Task</th><th>Status</th><th>Waits for</th>", rows, len(lines))
    return _folded(f"Waiting ({len(lines):,})", table, len(lines))


def _needs(report: RunReport, line: TaskLine) -> str:
    needs = report.waits.get(line.id, ())
    more = f" and {len(needs) - 5} more" if len(needs) > 5 else ""
    return ", ".join(cut(each, 60) for each in needs[:5]) + more


def _completed(report: RunReport) -> str:
    lines = report.of(*_GOOD)
    if not lines:
        return ""
    return _folded(f"Completed ({len(lines):,})", _task_table(lines, with_reason=False), len(lines))


def _folded(title: str, table: str, rows: int) -> str:
    is_open = " open" if rows <= OPEN_ROWS else ""
    return f"<section><details{is_open}><summary>{title}</summary>{table}</details></section>"


def _table(head: str, rows: Sequence[str], number: int) -> str:
    return "".join(_table_parts(head, rows, number))


def _table_parts(head: str, rows: Sequence[str], number: int) -> Iterator[str]:
    yield f"<table><thead><tr>{head}</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{row}</tr>"
    yield "</tbody></table>"
    if number > len(rows):
        yield f'<p class="quiet">and {number - len(rows):,} more</p>'
