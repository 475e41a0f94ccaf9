"""`prioritize`: change the priority of tasks."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import run_verb, task_selection
from swarm_shared.domain.models import PRIORITY_NAMES, Verb, priority_value


@command("prioritize", example="prioritize 2.6.1.a 2.6.1.b critical", short_help="Change the priority of tasks.")
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@click.argument("priority")
@task_selection
def prioritize(app: App, ids: tuple[str, ...], priority: str, **chosen: Any) -> int:
    """Change the priority of tasks that have not started.

    PRIORITY is critical, high, medium, low, or a whole number; smaller numbers run sooner.
    """
    try:
        priority_value(priority)
    except ValueError:
        known = ", ".join(PRIORITY_NAMES)
        raise click.BadParameter(
            f"{priority!r} is neither one of {known}, nor a whole number.", click.get_current_context()
        ) from None
    return run_verb(Verb.PRIORITIZE, app, ids, priority=priority, **chosen)
