"""`restart-worker`: restart one worker's process."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_worker
from amplifier_swarm.command_line.submit import report_outcomes, submit
from amplifier_swarm.commands.swarm.worker_names import check_known
from swarm_shared.domain.models import Verb


@command(
    "restart-worker",
    example="restart-worker worker-2\nrestart-worker worker-2 --now",
    short_help="Restart a worker's process.",
)
@click.argument("worker", shell_complete=complete_worker)
@click.option("--now", is_flag=True, help="Interrupt its task, which costs no retry.  [default: it finishes first]")
@json_option
def restart_worker(app: App, worker: str, now: bool, as_json: bool) -> int:
    """Restart a worker's process. It finishes its task first, however long that takes."""
    with app.open() as database:
        check_known(database, worker)
        return report_outcomes(submit(app, database, Verb.RESTART_WORKER, (worker,), now=now or None), as_json=as_json)
