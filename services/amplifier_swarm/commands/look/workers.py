"""`workers`: list the workers and their tasks."""

from __future__ import annotations

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.commands.look.worker_rows import workers_shown, workers_table
from amplifier_swarm.output.terminal import notice, print_json


@command("workers", example="workers", short_help="List the workers and their tasks.")
@json_option
def workers(app: App, as_json: bool) -> None:
    """Show each worker's latest start: its process, heartbeat, task and counts. Workers that have ended stay in the
    list.
    """
    from swarm_shared.diagnosis.programs import without_workers

    with app.open(read_only=True) as database:
        shown = workers_shown(database)
        advice = without_workers(database).what_to_do
    if as_json:
        print_json({"workers": shown})
    elif shown:
        workers_table(app, shown)
    else:
        notice(f"no worker has run yet; {advice}")
