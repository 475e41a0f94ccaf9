"""`approve`: accept work despite the validator."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import run_verb, task_selection
from swarm_shared.domain.models import Verb


@command("approve", example="approve 2.6.1.a", short_help="Accept work that the validator objected to.")
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@task_selection
def approve(app: App, ids: tuple[str, ...], **chosen: Any) -> int:
    """Accept the work of held or failed tasks despite their validator's objection, but not while a check fails."""
    return run_verb(Verb.APPROVE, app, ids, **chosen)
