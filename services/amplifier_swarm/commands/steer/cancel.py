"""`cancel`: remove tasks from the queue."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import run_verb, task_selection
from swarm_shared.domain.models import Verb


@command("cancel", example="cancel 2.6.1.a 2.6.1.b", short_help="Cancel tasks.")
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@task_selection
def cancel(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """Cancel tasks. The agents of running tasks are ended first; completed tasks are not changed."""
    return run_verb(Verb.CANCEL, app, ids, **chosen)
