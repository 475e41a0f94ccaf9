"""`kill`: end the agents of running tasks."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import run_verb, task_selection
from swarm_shared.domain.models import Verb


@command("kill", example="kill 2.6.1.a", short_help="End the agents of running tasks and hold them.")
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@task_selection
def kill(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """End the agents of running tasks with all their processes, and hold the tasks. Costs no attempt."""
    return run_verb(Verb.KILL, app, ids, **chosen)
