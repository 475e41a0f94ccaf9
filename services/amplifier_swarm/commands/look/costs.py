"""`costs`: what sessions have used, by task, phase, model, route or day."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import notice, print_json, say, table
from swarm_shared.domain.budget import Unit, amount
from swarm_shared.program.readable import cut, percent
from swarm_shared.settings.number_types import WholeNumber

BY = ("task", "phase", "model", "route", "day")
MAX_LIMIT = 100_000


@command(
    "costs", example="costs --by model\ncosts --by day --json", short_help="Show the cost, tokens and time of sessions."
)
@click.option("--by", type=click.Choice(BY), default="phase", show_default=True, help="How to group them.")
@click.option(
    "--limit", type=WholeNumber(1, MAX_LIMIT), default=50, show_default=True, help="The maximum number to show."
)
@json_option
def costs(app: App, by: str, limit: int, as_json: bool) -> None:
    """Show what builders and validators have used, the most expensive first, and what is left of the budgets.

    A cost with + is a lower bound: some sessions did not report theirs. If no session reported a value, it is unknown,
    not 0.
    """
    with app.open(read_only=True) as database:
        rows, budget = database.spending.costs(by, limit=limit), database.spending.shown()
    if as_json:
        print_json({"by": by, "costs": rows, "budget": budget})
        return
    columns = (by, "cost in USD", "tokens", "cached", "minutes", "sessions", "attempts")
    table(columns, [_row(row) for row in rows], right=columns[1:], spare=("cached", "attempts"))
    for line in budget_lines(budget):
        say(line)
    if not rows:
        notice("no session has run yet")


def budget_lines(budget: dict[str, Any]) -> list[str]:
    """As text: each cap and how much of it is used, and the cost of the last hour if it is known."""
    lines = []
    for cap in budget["caps"]:
        unit = Unit(cap["unit"])
        words = {Unit.USD: "USD", Unit.TOKENS: "tokens", Unit.MINUTES: "minutes"}[unit]
        spent = budget[cap["scope"]]
        unknown = {Unit.USD: spent["unpriced"], Unit.TOKENS: spent["uncounted"]}.get(unit, 0)
        used = f"{amount(unit, cap['used'])} of {amount(unit, cap['cap'])} {words} ({percent(cap['share'])})"
        more = f"; {unknown} sessions did not report theirs" if unknown else ""
        lines.append(f"budget of this {cap['scope']}: {used}{more}")
    if budget["usd_last_hour"] is not None:
        lines.append(f"cost of the last hour: {amount(Unit.USD, budget['usd_last_hour'])} USD")
    return lines


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    ended_unknown = {"cost_usd": row["unpriced"], "tokens": row["uncounted"]}

    def known(name: str, unit: Unit) -> str:
        value = row[name]
        return "unknown" if value is None else amount(unit, value) + ("+" if ended_unknown.get(name) else "")

    cached = "" if row["cached_tokens"] is None else f"{row['cached_tokens']:,}"
    return (
        cut(row["key"] or "(none)", 60),
        known("cost_usd", Unit.USD),
        known("tokens", Unit.TOKENS),
        cached,
        f"{row['minutes']:.1f}",
        str(row["sessions"]),
        str(row["attempts"]),
    )
