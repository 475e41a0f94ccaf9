"""`drain`: let workers finish their task and leave."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_worker
from amplifier_swarm.command_line.submit import report_outcomes, submit
from amplifier_swarm.commands.swarm.worker_names import check_known
from swarm_shared.domain.models import Verb


@command("drain", example="drain\ndrain worker-2", short_help="Let workers finish their task and leave.")
@click.argument("worker", required=False, shell_complete=complete_worker)
@json_option
def drain(app: App, worker: str | None, as_json: bool) -> int:
    """Let all workers finish their task within the graceful timeout and leave; or one worker, without a time limit.

    `resume` undoes this, even for workers that have already left.
    """
    with app.open() as database:
        if worker:
            check_known(database, worker)
        return report_outcomes(submit(app, database, Verb.DRAIN, (worker or "",)), as_json=as_json)
