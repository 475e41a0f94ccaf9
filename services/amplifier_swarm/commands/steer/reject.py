"""`reject`: send finished work back with a note."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import run_verb, task_selection
from swarm_shared.domain.models import Verb


@command(
    "reject",
    example='reject 2.6.1.a --note "the API must stay compatible"',
    short_help="Send finished work back with a note.",
)
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@click.option("--note", required=True, help="What the next attempt must fix. [default: none]")
@task_selection
def reject(app: App, ids: tuple[str, ...], note: str, **chosen: Any) -> int:
    """Reject the work of held, failed or completed tasks: they run again, with your note about what to fix."""
    return run_verb(Verb.REJECT, app, ids, note=note, **chosen)
