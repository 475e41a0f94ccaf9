"""The table of results, as shown in docs/agents.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agents.cases import FAIL as FAIL_VERDICT
from agents.cases import PROMISES, RETRY, STOP, TIME, TO_ITS_END, WHOLE, Finding
from agents.clis import Cli

BEGIN = "<!-- written by `make agents`: begin -->"
END = "<!-- written by `make agents`: end -->"
ROWS = (WHOLE, RETRY, FAIL_VERDICT, *PROMISES.values(), TIME, STOP)
ADVICE = "the provider's errors ask for a retry after 100 ms"
KEPT, BROKEN, NOT_TRIED = "✔", "✗", "–"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Everything about one CLI as one user."""

    cli: Cli
    version: str
    user: str
    findings: tuple[Finding, ...]
    seconds: float


def render(columns: Sequence[Column]) -> str:
    """Markdown: a row for each promise, a column for each CLI, a mark for each user; then what was broken."""
    users = list(dict.fromkeys(column.user for column in columns))
    groups = [[c for c in columns if c.cli is cli] for cli in dict.fromkeys(column.cli for column in columns)]
    heads = [f"{group[0].cli.name} {group[0].version}" for group in groups]
    lines = [
        f"Marks in a cell: as {', then as '.join(users)}; one mark: as {users[0]} only.",
        f"{KEPT} kept, {BROKEN} broken, {NOT_TRIED} cannot happen, or cannot be distinguished from work in progress.",
        "",
        f"| | {' | '.join(heads)} |",
        f"|---|{'---|' * len(groups)}",
    ]
    for promise in ROWS:
        cells = [_cell(group, promise) for group in groups]
        lines.append(f"| {promise} | {' | '.join(cells)} |")
    broken = [
        f"- {column.cli.name} as {column.user}: {found.promise}. Seen: {_one_line(found.seen)}"
        for column in columns
        for found in column.findings
        if not found.kept
    ]
    if broken:
        lines += ["", "Broken:", "", *broken]
    shortened = [f"{group[0].cli.name}: {group[0].cli.shortened}" for group in groups if group[0].cli.shortened]
    lines += ["", f"To keep runs short: {'; '.join([ADVICE, *shortened])}."]
    return "\n".join(lines)


def replaced(page: str, text: str) -> str:
    """The page with the text between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _cell(group: Sequence[Column], promise: str) -> str:
    """A mark for each user that it was tried as."""
    marks = [_mark(column, promise) for column in group]
    return " ".join(mark for mark in marks if mark != NOT_TRIED) or NOT_TRIED


def _mark(column: Column, promise: str) -> str:
    found = [each for each in column.findings if each.promise == promise]
    if found:
        return KEPT if found[0].kept else BROKEN
    # Promises that an aborted case did not reach are not known to be kept.
    cut_short = any(each.promise == TO_ITS_END for each in column.findings)
    return BROKEN if cut_short else NOT_TRIED


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300].replace("|", "\\|")
