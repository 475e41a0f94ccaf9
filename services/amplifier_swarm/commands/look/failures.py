"""`failures`: list the problems that stopped tasks, each once."""

from __future__ import annotations

from datetime import datetime

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import notice, print_json, say, table
from swarm_shared.program.readable import cut, duration
from swarm_shared.settings.number_types import WholeNumber

MAX_LIMIT = 10_000


@command(
    "failures", example="failures\nfailures --json --limit 100", short_help="Group failed and held tasks by problem."
)
@click.option(
    "--limit", type=WholeNumber(1, MAX_LIMIT), default=20, show_default=True, help="The maximum number to show."
)
@json_option
def failures(app: App, limit: int, as_json: bool) -> None:
    """List the problems of failed and held tasks, the most frequent first.

    Problems that differ only in numbers, times, ids and folders count as one. The fingerprint of a problem selects all
    of its tasks: amplifier-swarm retry --failure FINGERPRINT --yes
    """
    with app.open(read_only=True) as database:
        groups, totals = database.failures.groups(limit), database.failures.totals()
    if as_json:
        print_json({"failures": groups, "total": totals["groups"], "tasks": totals["tasks"], "limit": limit})
        return
    now = app.clock.wall_ms()
    rows = [
        (
            group["fingerprint"],
            group["tasks"],
            group["blocked"] or "",
            duration(now - datetime.fromisoformat(group["newest_at"]).timestamp() * 1000),
            group["cause"],
            ", ".join(group["task_ids"][:2]) + (" …" if group["tasks"] > 2 else ""),
            cut(group["sample"]),
        )
        for group in groups
    ]
    if rows:
        columns = ("fingerprint", "tasks", "blocked", "ago", "cause", "such as", "problem")
        table(columns, rows, right=("tasks", "blocked", "ago"), spare=("blocked", "ago", "such as"))
    for group in groups:
        if group["output"]:
            say(f"\n{group['fingerprint']} printed:")
            for line in group["output"].splitlines():
                say(f"  {cut(line, 500)}")
    notice(f"{len(groups)} of {totals['groups']} problems, {totals['tasks']} tasks in total")
