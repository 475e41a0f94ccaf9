"""`answer`: answer the question that an agent stopped to ask."""

from __future__ import annotations

import sys

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.command_line.submit import report_outcomes, submit
from swarm_shared.domain.models import Verb
from swarm_shared.store.requests.control import MAX_ARGUMENT_BYTES

STDIN = "-"


@command(
    "answer",
    example='answer 2.6.1.a "use the v2 API"\nanswer 2.6.1.a - < answer.txt',
    short_help="Answer the question of a held task.",
)
@click.argument("task_id", metavar="ID", shell_complete=complete_task)
@click.argument("text", metavar="TEXT")
@json_option
def answer(app: App, task_id: str, text: str, as_json: bool) -> int:
    """Answer the question that an agent stopped to ask; `why` shows it. TEXT - reads standard input.

    The task is then ready again, which costs no retry. Its next attempt resumes the session that asked, if the agent
    CLI supports this, and its prompt begins with the answer.
    """
    if text == STDIN:
        # One more than is accepted, so that an answer that is too long is refused and not truncated.
        text = sys.stdin.buffer.read(MAX_ARGUMENT_BYTES + 1).decode("utf-8", "replace")
    if not text.strip():
        raise click.BadParameter("the answer is empty", click.get_current_context(), param_hint="TEXT")
    with app.open() as database:
        asked_by = database.tasks.get(task_id)["attempt_count"]
        return report_outcomes(
            submit(app, database, Verb.ANSWER, [task_id], text=text, attempt=asked_by), as_json=as_json
        )
