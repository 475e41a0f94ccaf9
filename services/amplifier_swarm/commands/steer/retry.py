"""`retry`: run tasks again."""

from __future__ import annotations

import shlex
import sys
from typing import Any

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.commands.steer.task_verbs import NeedsYes, confirm_gone, gone_option, run_verb, task_selection
from amplifier_swarm.output.terminal import is_terminal, notice
from swarm_shared.domain.models import Status, Verb
from swarm_shared.program.terminal_text import safe


@command(
    "retry",
    example='retry 2.6.1.a --note "use the v2 API"\nretry --status failed --phase build --yes',
    short_help="Run tasks again, with their retries reset.",
)
@click.argument("ids", metavar="[ID]...", nargs=-1, shell_complete=complete_task)
@click.option("--note", help="A note for the next attempt, at the top of its prompt.  [default: none]")
@click.option("--chain", is_flag=True, help="Retry the tasks that a blocked task waits for. [default: off]")
@gone_option
@task_selection
def retry(app: App, ids: tuple[str, ...], note: str | None, chain: bool, gone: bool, **chosen: Any) -> int:
    """Queue failed, held, cancelled or completed tasks again, with their retries reset; their history is kept.

    A completed task needs --yes: tasks that depend on it and have not started wait for it again. Its landed work stays.
    """
    if not chosen["yes"]:
        if gone:
            confirm_gone(app, ids)
        _confirm_completed(app, ids)
    return run_verb(Verb.RETRY, app, ids, note=note, chain=chain or None, gone=gone or None, **chosen)


def _confirm_completed(app: App, ids: tuple[str, ...]) -> None:
    """Explain the effect of running a completed task again, and ask; without a terminal `--yes` is needed."""
    with app.open(read_only=True) as database:
        tasks = [database.tasks.get(task_id) for task_id in dict.fromkeys(ids)]
        effects = [
            f"{safe(task['id'])} {'has landed' if task['has_landed'] else 'is completed'}; "
            f"{_depend(database.tasks.behind(task['seq']))} on it"
            for task in tasks
            if task["status"] == Status.COMPLETED
        ]
    if not effects:
        return
    if not is_terminal(sys.stdin):
        raise NeedsYes(
            f"{'; '.join(effects)}; nothing was changed",
            hint=f"to run it again: amplifier-swarm {shlex.join([*app.arguments, '--yes'])}",
        )
    for effect in effects:
        notice(effect)
    click.confirm("Run it again?" if len(effects) == 1 else "Run them again?", abort=True, err=True)


def _depend(number: int) -> str:
    return "1 task depends" if number == 1 else f"{number:,} tasks depend"
