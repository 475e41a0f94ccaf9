"""Output for users and programs: tables on a terminal, plain lines elsewhere, and no control sequences.

Text of tasks and agents may hold terminal escapes. Everything that is printed passes `safe` or `print_json` first.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

import click

from swarm_shared.program.terminal_text import safe

if TYPE_CHECKING:
    from rich.console import Console

_IN_JSON = re.compile("[\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_COLOURS = {
    "completed": "green",
    "in_progress": "cyan",
    "claimed": "cyan",
    "failed": "bold red",
    "held": "yellow",
    "cancelled": "dim",
    "crashed": "red",
    "ok": "green",
    "warn": "yellow",
    "bad": "bold red",
}
GAP = 2  # blanks between columns
LAST_COLUMN_CHARS = 24  # what a column of free text must at least have


def say(text: str = "", *, to: IO[str] | None = None) -> None:
    """Print a text for the user, made safe; line breaks are kept."""
    click.echo(safe(text, lines=True), file=to)


def notice(text: str) -> None:
    """A line on standard error: progress, counts, advice."""
    sys.stdout.flush()
    say(text, to=sys.stderr)


def print_json(document: object, *, one_line: bool = False) -> None:
    """One JSON document; terminal controls are escaped."""
    layout: dict[str, Any] = {"separators": (",", ":")} if one_line else {"indent": 2}
    text = json.dumps(document, ensure_ascii=False, default=str, **layout)
    click.echo(_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text))


def is_terminal(stream: IO[str] | None = None) -> bool:
    """Whether it is an interactive terminal; `TERM=dumb` counts as not."""
    stream = stream or sys.stdout
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def console(*, error: bool = False) -> Console:
    """A rich console for a terminal. rich itself honours NO_COLOR."""
    from rich.console import Console

    return Console(stderr=error, highlight=False, markup=False, emoji=False)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Rows under headings: fitted to the terminal's width, elsewhere complete and aligned by blanks.

    Args:
        right: Headings of columns of numbers.
        spare: Headings of columns that a narrow terminal goes without, the first one first.
    """
    cells = [["" if cell is None else safe(cell) for cell in row] for row in rows]
    if is_terminal():
        _rich_table(columns, cells, right, spare)
        return
    widths = _widths(columns, cells)
    for row in [list(columns), *cells]:
        parts = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(row, widths, columns, strict=True)
        ]
        click.echo((" " * GAP).join(parts).rstrip())


def _rich_table(columns: Sequence[str], cells: list[list[str]], right: Sequence[str], spare: Sequence[str]) -> None:
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    target = console()
    widths = [min(width, target.width // 2) for width in _widths(columns, cells, cell_len)]
    kept = _fitting(columns, widths, target.width, spare)
    shown = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for n in kept:
        # One row, one line. Left to itself, rich would cut the short columns that distinguish the rows.
        last = n == kept[-1]
        before = sum(widths[other] + GAP for other in kept[:-1])
        shown.add_column(
            columns[n],
            justify="right" if columns[n] in right else "left",
            no_wrap=True,
            overflow="ellipsis",
            max_width=max(1, target.width - before) if last else widths[n],
        )
    for row in cells:
        shown.add_row(*(Text(row[n], style=style_of(row[n].split(" ")[0])) for n in kept))
    target.print(shown)


def _fitting(columns: Sequence[str], widths: Sequence[int], room: int, spare: Sequence[str]) -> list[int]:
    """Which columns stay so that the last one has some room."""
    kept = list(range(len(columns)))
    for name in spare:
        needed = sum(widths[n] + GAP for n in kept[:-1]) + min(widths[kept[-1]], LAST_COLUMN_CHARS)
        if needed <= room:
            break
        kept.remove(list(columns).index(name))
    return kept


def _widths(columns: Sequence[str], cells: Sequence[Sequence[str]], width_of: Callable[[str], int] = len) -> list[int]:
    return [max(width_of(row[n]) for row in [columns, *cells]) for n in range(len(columns))]


def style_of(word: str) -> str:
    """How a status or level looks on a terminal; empty for most."""
    return _COLOURS.get(word, "")


def about(at_ms: int, now_ms: int) -> str:
    """A moment to come on the local clock: `about 17:40`, with the day where it is another one. Wall ms."""
    at, now = datetime.fromtimestamp(at_ms / 1000), datetime.fromtimestamp(now_ms / 1000)
    day = "" if at.date() == now.date() else f"{at:%a} {at.day} {at:%b} "
    return f"about {day}{at:%H:%M}"
