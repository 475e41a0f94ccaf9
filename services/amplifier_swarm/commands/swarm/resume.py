"""`resume`: start tasks again."""

from __future__ import annotations

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.submit import report_outcomes, submit
from swarm_shared.domain.models import Verb


@command("resume", example="resume", short_help="Start tasks again.")
@json_option
def resume(app: App, as_json: bool) -> int:
    """Start tasks again after a pause, a drain of the swarm or of a worker, an emergency stop or a provider hold."""
    with app.open() as database:
        return report_outcomes(submit(app, database, Verb.RESUME), as_json=as_json)
