"""`prompt`: show the prompt of an attempt."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.as_started import as_started
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.output.terminal import notice, print_json
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import GROUP_OF, Group, Role, Status
from swarm_shared.program.terminal_text import safe
from swarm_shared.redaction.redaction import of_process
from swarm_shared.settings.number_types import WholeNumber

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase


@command(
    "prompt",
    example="prompt 2.6.1.a\nprompt 2.6.1.a --attempt 1 --role validator",
    short_help="Show the prompt of an attempt.",
)
@click.argument("task_id", metavar="ID", shell_complete=complete_task)
@click.option("--attempt", type=WholeNumber(1), help="A past or running attempt.  [default: the next one]")
@click.option(
    "--role",
    type=click.Choice([Role.BUILDER.value, Role.VALIDATOR.value]),
    default=Role.BUILDER.value,
    show_default=True,
    help="The session's role; a validator has a prompt only in a past attempt.",
)
@json_option
def prompt(app: App, task_id: str, attempt: int | None, role: str, as_json: bool) -> None:
    """Show the prompt that the next attempt of a task would get, or that a past one got.

    For a running or completed task this is the prompt of the newest attempt.
    """
    from swarm_shared.next_prompt import next_prompt, place_by_git

    with app.open(read_only=True) as database:
        task = database.tasks.get(task_id)
        if attempt is None and GROUP_OF[Status(task["status"])] in (Group.IN_PROGRESS, Group.COMPLETED):
            attempt = task["attempt_count"] or None
        if attempt is None and role == Role.VALIDATOR:
            raise click.UsageError(
                "A validator's prompt needs the work of an attempt: --attempt N.", click.get_current_context()
            )
        if attempt is None:
            settings = as_started(app.settings(), database)
            place = place_by_git(database, task, settings)
            following = next_prompt(database, task, settings, at=place, environ=os.environ)
            number, text, resumes = following.number, of_process().text(following.text), following.resumes
        else:
            number = attempt
            text, resumes = _stored_prompt(database, task, attempt, role)
    if as_json:
        facts = {"id": task_id, "attempt": number, "role": role, "stored": attempt is not None, "resumes": resumes}
        print_json({**facts, "prompt": text})
        return
    where = f", which {'resumed' if attempt else 'resumes'} session {resumes}" if resumes else ""
    notice(f"the prompt of attempt {number}{'' if attempt else ', which has not started'}{where}:")
    click.echo(safe(text, lines=True), nl=not text.endswith("\n"))


def _stored_prompt(database: TaskDatabase, task: dict[str, Any], number: int, role: str) -> tuple[str, str | None]:
    """The prompt, and the earlier session that was resumed with it."""
    for attempt in database.tasks.attempts(task["seq"]):
        if attempt["number"] == number:
            for session in database.tasks.sessions(attempt["id"]):
                if session["role"] == role and session["prompt"] is not None:
                    return str(session["prompt"]), session["resumes"]
            raise NotFound(
                f"attempt {number} of task {task['id']} started no {role} session",
                hint=f"amplifier-swarm task-info {task['id']} shows how far it got",
            )
    raise NotFound(f"task {task['id']} has no attempt {number}", hint=f"attempts so far: {task['attempt_count']}")
