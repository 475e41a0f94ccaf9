"""`release`: let held tasks continue."""

from __future__ import annotations

from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import confirm_gone, gone_option, run_verb, task_selection
from swarm_shared.domain.models import Verb


@command("release", example="release 2.6.1.a\nrelease 2.6.1.a --gone", short_help="Release held tasks.")
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@gone_option
@task_selection
def release(app: App, ids: tuple[str, ...], gone: bool, **chosen: Any) -> int:
    """Release held tasks: they become ready, or blocked if they have open dependencies.

    A task that is held because its last attempt is not proven dead, for example in another container, needs --gone.
    """
    if gone and not chosen["yes"]:
        confirm_gone(app, ids)
    return run_verb(Verb.RELEASE, app, ids, gone=gone or None, **chosen)
