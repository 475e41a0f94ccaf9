"""Figures as text: aligned columns for a terminal, tables for the manual."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from bench.figure import PARAGRAPH, Cell, Figure, Table, Target
from bench.machine import Before, Machine

SIGNIFICANT = 3
WRAP_COLUMNS = 100
NO_VALUE = "–"


def number(value: float) -> str:
    """Three significant digits, thousands in groups: 0.0123, 4.56, 1,230."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{SIGNIFICANT}g}"


def text(cell: Cell) -> str:
    if cell is None:
        return NO_VALUE
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else number(cell)


def table_text(table: Table) -> list[str]:
    """Columns as wide as their widest cell; numbers to the right."""
    cells = [list(table.columns), *([text(cell) for cell in row] for row in table.rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(table.columns))]
    left = [isinstance(cell, str) for cell in table.rows[0]] if table.rows else [True] * len(widths)
    lines = [
        "  ".join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(row, widths, left, strict=True)
        )
        for row in cells
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return [line.rstrip() for line in lines]


def target_text(target: Target) -> str:
    sign = "≤" if target.at_most else "≥"
    unit = f" {target.unit}" if target.unit else ""
    verdict = "met" if target.met else "MISSED"
    return f"{verdict}: {target.text}: {number(target.value)}{unit} ({sign} {number(target.limit)}{unit})"


def figure_text(title: str, figure: Figure) -> str:
    """A figure for a terminal."""
    how = [textwrap.fill(paragraph, WRAP_COLUMNS) for paragraph in figure.how.split(PARAGRAPH)]
    parts = [title, "═" * len(title), PARAGRAPH.join(how)]
    for table in figure.tables:
        parts += ["", *table_text(table)]
    parts += ["", *map(target_text, figure.targets), *figure.notes]
    return "\n".join(parts).rstrip() + "\n"


def table_markdown(table: Table) -> list[str]:
    right = [not isinstance(cell, str) for cell in table.rows[0]] if table.rows else [False] * len(table.columns)
    return [
        "| " + " | ".join(table.columns) + " |",
        "|" + "|".join("---:" if is_right else "---" for is_right in right) + "|",
        *("| " + " | ".join(text(cell) for cell in row) + " |" for row in table.rows),
    ]


def report_markdown(
    machine: Machine,
    when: str,
    command: str,
    figures: Sequence[tuple[str, Figure, Before]],
    missing: Mapping[str, str],
) -> str:
    """All figures for the manual.

    Args:
        figures: Title, figure, and how busy the machine was before it.
        missing: What could not be measured, by its title: why.
    """
    lines = [
        "# Measurements",
        "",
        f"Written by `{command}` on {when}. Do not edit by hand.",
        "",
        *(f"- {line}" for line in machine.lines()),
        "",
        *_targets_markdown([target for _, figure, _ in figures for target in figure.targets]),
        *(f"- Not measured: {title}: {why}" for title, why in missing.items()),
        *([""] if missing else []),
    ]
    for title, figure, before in figures:
        lines += [f"## {title}", "", figure.how, "", f"({before.text})", ""]
        for plot in figure.plots:
            lines += [f"![{figure.plots[plot].title}]({plot}.svg)", ""]
        for table in figure.tables:
            lines += [*table_markdown(table), ""]
        if figure.notes:
            lines += [*(f"- {note}" for note in figure.notes), ""]
    return "\n".join(lines).rstrip() + "\n"


def _targets_markdown(targets: Sequence[Target]) -> list[str]:
    if not targets:
        return []
    rows: list[tuple[Cell, ...]] = [
        (
            target.text,
            f"{number(target.value)} {target.unit}".strip(),
            f"{'at most' if target.at_most else 'at least'} {number(target.limit)} {target.unit}".strip(),
            "yes" if target.met else "**no**",
        )
        for target in targets
    ]
    return [*table_markdown(Table(columns=("target", "measured", "promised", "met"), rows=tuple(rows))), ""]
