"""`reset-orphans`: requeue tasks of dead workers."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import print_json, say
from swarm_shared.settings.number_types import Number
from swarm_shared.settings.settings import default_of


@command(
    "reset-orphans",
    example="reset-orphans\nreset-orphans --timeout-minutes 10",
    short_help="Requeue tasks of dead workers.",
)
@click.option(
    "--timeout-minutes",
    type=Number(min=0, min_open=True),
    default=default_of("orphan_timeout_min"),
    show_default=True,
    help="Minutes without a sign of progress.",
)
@json_option
def reset_orphans(app: App, timeout_minutes: float, as_json: bool) -> None:
    """Requeue tasks whose worker has died, or that have shown no sign of progress for --timeout-minutes.

    Remaining processes of their agents are ended first and proven gone. A healthy long task is never requeued. The
    reaper does this continuously; use this command only when no reaper is running.
    """
    with app.open() as database:
        found = [orphan["id"] for orphan in database.find_orphaned_tasks(timeout_minutes)]
        count = database.reset_orphaned_tasks(timeout_minutes) if found else 0
    if as_json:
        print_json({"reset": count, "found": found})
        return
    for task_id in found:
        say(task_id)
    say(f"{count} task{'' if count == 1 else 's'} requeued")
