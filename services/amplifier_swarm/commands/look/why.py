"""`why`: explain what a task waits for, and what to do."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.output.compare_attempts import print_same_problem
from amplifier_swarm.output.terminal import print_json, say
from swarm_shared.program.terminal_text import safe


@command("why", example="why 2.6.1.a", short_help="Explain what a task waits for, and what to do.")
@click.argument("task_id", metavar="ID", shell_complete=complete_task)
@json_option
def why(app: App, task_id: str, as_json: bool) -> None:
    """Explain what a task waits for, or how it ended, and what you can do about it."""
    from swarm_shared.diagnosis.why import Why

    with app.open(read_only=True) as database:
        explained = Why(database.connection, app.clock).explain(task_id, default_cli=app.settings().agent_cli)
    if as_json:
        print_json(explained.shown())
        return
    say(f"{safe(explained.id)} is {explained.status.replace('_', ' ')}:")
    for reason in explained.reasons:
        for place, line in enumerate(reason.text.splitlines()):
            say(f"  {'    ' if place else ''}{safe(line)}")
        if reason.advice:
            say(f"    → {safe(reason.advice)}")
    if explained.same_problem:
        print_same_problem(explained.same_problem)
