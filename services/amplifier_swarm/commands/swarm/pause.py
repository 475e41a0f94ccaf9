"""`pause`: start no new tasks."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.submit import report_outcomes, submit
from swarm_shared.domain.models import Verb


@command("pause", example='pause --reason "the provider is down"', short_help="Start no new tasks.")
@click.option("--reason", help="The reason, shown in the dashboard, `status` and `why`.  [default: none]")
@json_option
def pause(app: App, reason: str | None, as_json: bool) -> int:
    """Start no new tasks until `resume`; running tasks continue. Survives restarts."""
    with app.open() as database:
        return report_outcomes(submit(app, database, Verb.PAUSE, reason=reason), as_json=as_json)
