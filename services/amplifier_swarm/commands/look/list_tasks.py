"""`list-tasks`: list tasks by status and phase."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import check_phase, complete_phase
from amplifier_swarm.command_line.status_option import status_option
from amplifier_swarm.output.terminal import notice, print_json, table
from swarm_shared.domain.models import Status
from swarm_shared.program.readable import cut
from swarm_shared.settings.number_types import WholeNumber

MAX_LIMIT = 100_000


@command(
    "list-tasks",
    example="list-tasks --status in_progress\nlist-tasks --phase build --limit 100 --json",
    short_help="List tasks by status and phase.",
)
@status_option("Only tasks with this status. [default: all]")
@click.option("--phase", shell_complete=complete_phase, help="Only tasks of this phase.  [default: all]")
@click.option(
    "--limit", type=WholeNumber(1, MAX_LIMIT), default=20, show_default=True, help="The maximum number to show."
)
@click.option("--after", type=WholeNumber(0), default=0, show_default=True, help="Continue after this position.")
@json_option
def list_tasks(
    app: App, statuses: tuple[Status, ...], phase: str | None, limit: int, after: int, as_json: bool
) -> None:
    """List tasks in import order, a page at a time."""
    with app.open(read_only=True) as database:
        check_phase(database, phase)
        tasks, total = database.tasks.page(statuses=statuses, phase=phase, after=after, limit=limit)
    following = tasks[-1]["seq"] if len(tasks) == limit else None
    if as_json:
        print_json({"tasks": tasks, "total": total, "limit": limit, "next_after": following})
        return
    rows = [
        (
            task["id"],
            f"{task['status']}{' ' + task['stage'] if task['stage'] else ''}",
            task["priority"],
            task["attempt_count"] or "",
            task["worker_id"],
            task["phase"],
            cut(task["name"] + (f"; asks: {task['question']}" if task["question"] else "")),
        )
        for task in tasks
    ]
    if rows:
        columns = ("id", "status", "priority", "tries", "worker", "phase", "name")
        table(columns, rows, right=("tries",), spare=("phase", "worker", "tries", "priority"))
    more = f"; more with --after {following}" if following is not None and len(tasks) < total else ""
    notice(f"{len(tasks)} of {total} tasks{more}")
