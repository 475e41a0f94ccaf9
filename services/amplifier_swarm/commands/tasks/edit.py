"""`edit`: change one task's definition in your editor."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amplifier_swarm.authoring.draft import Draft
from amplifier_swarm.authoring.editor import edit_file
from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.command_line.submit import report_outcomes, submit
from amplifier_swarm.output.terminal import is_terminal, notice, say
from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import Verb
from swarm_shared.store.requests.control import ControlRow

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase
    from swarm_shared.domain.models import TaskSpec

STDIN = "-"


@command("edit", example="edit 2.6.1.a\nedit 2.6.1.a --from task.yaml", short_help="Change a task in your editor.")
@click.argument("task_id", metavar="ID", shell_complete=complete_task)
@click.option(
    "--from",
    "source",
    metavar="FILE",
    help="Read the task from a task file that contains only this task; - is standard input.  [default: your editor]",
)
@click.option("--discard", is_flag=True, help="Discard an earlier invalid edit and start again.  [default: off]")
@json_option
def edit(app: App, task_id: str, source: str | None, discard: bool, as_json: bool) -> int:
    """Open a task in $VISUAL or $EDITOR as YAML, check the result and apply your changes.

    The task must not have started, or must be held, failed or cancelled. An invalid or refused edit is kept; run the
    same command again to continue it.
    """
    with app.open() as database:
        database.definitions.check_editable(task_id)
        draft = Draft(database, task_id)
        if discard:
            draft.remove()
        if source is not None:
            rows = _apply(app, database, task_id, database.tasks.editable(task_id), _load(source), source)
        else:
            if draft.exists():
                notice(f"continuing your edit in {draft.path}; --discard starts again")
            else:
                draft.begin(database.tasks.editable(task_id))
            rows = _edited(app, database, task_id, draft)
    if not rows:
        say("nothing was changed")
        return 0
    return report_outcomes(rows, as_json=as_json)


def _edited(app: App, database: TaskDatabase, task_id: str, draft: Draft) -> list[ControlRow]:
    while True:
        edit_file(draft.path)
        try:
            rows = _apply(app, database, task_id, draft.before(), draft.path.read_bytes(), str(draft.path))
        except InputError as error:
            if is_terminal(sys.stdin):
                notice(error.message)
                if click.confirm("Edit again?", default=True, err=True):
                    continue
            raise InputError(error.message, hint=draft.advice) from error
        if all(row.status == "done" for row in rows):
            draft.remove()
        else:
            notice(draft.advice)
        return rows


def _apply(
    app: App, database: TaskDatabase, task_id: str, before: TaskSpec, text: bytes, file: str
) -> list[ControlRow]:
    """Request the differences; the list is empty if there are none.

    Raises:
        InputError: The text is not a task file that contains only this task.
    """
    from swarm_shared.store.requests.definitions import known_ids
    from swarm_shared.taskfile.one_task import as_mapping, difference
    from swarm_shared.taskfile.reader import read_task_file

    path = None if file == STDIN else Path(file)
    tasks = read_task_file(path, text, known_ids=known_ids(database.connection)).tasks
    if [task.id for task in tasks] != [task_id]:
        found = ", ".join(task.id for task in tasks[:3]) or "none"
        raise InputError(
            f"{file}: it must contain only task {task_id}, but contains {found}", hint="ids cannot be edited"
        )
    changes, was = difference(as_mapping(before), as_mapping(tasks[0]))
    return submit(app, database, Verb.EDIT, [task_id], set=changes, was=was) if changes else []


def _load(source: str) -> bytes:
    from swarm_shared.taskfile.reader import load_task_file

    return sys.stdin.buffer.read() if source == STDIN else load_task_file(Path(source))
