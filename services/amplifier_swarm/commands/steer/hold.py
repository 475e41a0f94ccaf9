"""`hold`: keep tasks from starting."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import run_verb, task_selection
from swarm_shared.domain.models import Verb


@command("hold", example="hold --phase release --yes", short_help="Keep tasks from starting.")
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@task_selection
def hold(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """Keep tasks that have not started from running until you release them."""
    return run_verb(Verb.HOLD, app, ids, **chosen)
