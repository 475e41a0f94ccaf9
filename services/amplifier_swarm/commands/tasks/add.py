"""`add`: add one task to the queue."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from amplifier_swarm.authoring.new_database import prepare_new
from amplifier_swarm.authoring.own_session import OwnSession
from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_phase, complete_task
from amplifier_swarm.command_line.submit import report_outcomes, submit
from swarm_shared.domain.models import Verb
from swarm_shared.store.requests.control import MAX_ARGUMENT_BYTES

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

STDIN = "-"


@command(
    "add",
    example='add "Write the manual" --depends 2.6.1.a --files "docs/**"\nadd - < task.yaml',
    short_help="Add one task to the queue.",
)
@click.argument("name", metavar="NAME")
@click.option("--id", "task_id", metavar="ID", help="Its id.  [default: made from the name]")
@click.option("--description", metavar="TEXT", help="What to do; - reads standard input. [default: none]")
@click.option(
    "--depends",
    metavar="ID",
    multiple=True,
    shell_complete=complete_task,
    help="A task that it depends on. [default: none]",
)
@click.option("--files", metavar="GLOB", multiple=True, help="A path or glob that it may change. [default: not stated]")
@click.option("--phase", shell_complete=complete_phase, help="Its phase.  [default: none]")
@click.option("--priority", metavar="PRIORITY", help="critical, high, medium, low or an integer.  [default: medium]")
@click.option("--criterion", metavar="TEXT", multiple=True, help="What must be true when it is done.  [default: none]")
@click.option("--check", metavar="COMMAND", multiple=True, help="A command that must succeed.  [default: none]")
@click.option("--hold", is_flag=True, help="Keep it from starting until you release it.  [default: off]")
@json_option
def add(app: App, name: str, hold: bool, as_json: bool, **options: Any) -> int:
    """Add one task, before or while the swarm is running. NAME - reads one task from standard input, as YAML or JSON.

    An agent that works on a task of this swarm can only propose tasks, which are held until you release them.
    The options --depends, --files, --criterion and --check may be repeated.
    """
    given = {
        "id": options["task_id"],
        "description": options["description"],
        "phase": options["phase"],
        "priority": options["priority"],
        "dependencies": [*options["depends"]],
        "files": [*options["files"]],
        "acceptance_criteria": [*options["criterion"]],
        "checks": [*options["check"]],
    }
    chosen = {key: value for key, value in given.items() if value}
    if name == STDIN and options["description"] == STDIN:
        raise click.UsageError("Standard input can be read only once.", click.get_current_context())
    if options["description"] == STDIN:
        chosen["description"] = _standard_input().decode("utf-8", "replace").rstrip("\n")
    session = OwnSession.around()
    if session is None and not os.path.exists(app.database_path()):
        prepare_new(app.database_path())
    with app.open(create=session is None) as database:
        if session is not None:
            session.check(database)
        else:
            session = OwnSession.of_parents(database)
        task = {**_read(database), **chosen} if name == STDIN else {"name": name, **chosen}
        rows = submit(
            app, database, Verb.ADD, task=task, hold=hold or None, proposed_by=session.task_id if session else None
        )
        return report_outcomes(rows, as_json=as_json)


def _read(database: TaskDatabase) -> dict[str, Any]:
    from swarm_shared.store.requests.definitions import known_ids
    from swarm_shared.taskfile.one_task import read_standard_input

    return read_standard_input(_standard_input(), known_ids=known_ids(database.connection))


def _standard_input() -> bytes:
    # One more than is accepted, so that a text that is too long is refused and not truncated.
    return sys.stdin.buffer.read(MAX_ARGUMENT_BYTES + 1)
