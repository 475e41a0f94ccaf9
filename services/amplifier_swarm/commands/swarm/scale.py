"""`scale`: change the number of workers."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.submit import report_outcomes, submit
from swarm_shared.domain.models import Verb
from swarm_shared.settings.number_types import WholeNumber
from swarm_shared.settings.settings import MAX_WORKERS


@command("scale", example="scale 5\nscale 0 --now", short_help="Change the number of workers.")
@click.argument("workers", metavar="N", type=WholeNumber(0, MAX_WORKERS))
@click.option(
    "--now",
    is_flag=True,
    help="Interrupt surplus workers after the graceful timeout.  [default: they finish their task]",
)
@json_option
def scale(app: App, workers: int, now: bool, as_json: bool) -> int:
    """Run N workers. Surplus workers finish their task, however long it takes, and leave; the others are not disturbed.

    You can scale up again at any time: workers that have not left yet stay.
    """
    with app.open() as database:
        return report_outcomes(submit(app, database, Verb.SCALE, workers=workers, now=now), as_json=as_json)
