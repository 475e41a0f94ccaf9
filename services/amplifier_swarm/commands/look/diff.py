"""`diff`: show the changes of a task."""

from __future__ import annotations

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.command_line.names import complete_task
from amplifier_swarm.output.terminal import notice, print_json, say
from swarm_shared.domain.errors import NotFound
from swarm_shared.git.plumbing.diffs import diff as changes
from swarm_shared.merge_back.repository import integration_of
from swarm_shared.redaction.redaction import of_process
from swarm_shared.settings.number_types import WholeNumber

TEXT_LIMIT_BYTES = 8 * 1024 * 1024


@command("diff", example="diff 2.6.1.a\ndiff 2.6.1.a --stat --attempt 1", short_help="Show the changes of a task.")
@click.argument("task_id", metavar="ID", shell_complete=complete_task)
@click.option(
    "--attempt", "number", type=WholeNumber(1), help="Show the changes of this attempt. [default: the last one]"
)
@click.option("--stat", is_flag=True, help="List only the files.")
@json_option
def diff(app: App, task_id: str, number: int | None, stat: bool, as_json: bool) -> None:
    """Show what a task has changed, as of the end of its last attempt, whether it has landed or not."""
    with app.open(read_only=True) as database:
        task = database.tasks.get(task_id)
        attempts = [
            each
            for each in database.tasks.attempts(task["seq"])
            if each["head_sha"] is not None and number in (None, each["number"])
        ]
        if not attempts:
            which = "no attempt" if number is None else f"no attempt {number}"
            raise NotFound(
                f"{which} of task {task_id} has a commit",
                hint="only tasks with their own worktree have one, once their first session has ended",
            )
        integration, _ = integration_of(database.landings)
    last = attempts[-1]
    found = changes(integration.repository.git, last["base_sha"], last["head_sha"], limit_bytes=TEXT_LIMIT_BYTES)
    patch = of_process().text(found.text)
    if as_json:
        print_json(
            {
                "id": task_id,
                "attempt": last["number"],
                "base_sha": last["base_sha"],
                "head_sha": last["head_sha"],
                "files": [
                    {
                        "path": file.path.encode("utf-8", "replace").decode(),
                        "change": str(file.change),
                        "added": file.added,
                        "deleted": file.deleted,
                    }
                    for file in found.files
                ],
                "text": patch,
                "truncated": found.truncated,
            }
        )
        return
    if stat:
        say(found.stat())
        return
    say(patch.rstrip("\n"))
    if found.truncated:
        notice(f"truncated; for the whole diff: git diff {last['base_sha']} {last['head_sha']}")
