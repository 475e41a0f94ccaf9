"""`export-tasks`: write the tasks as YAML."""

from __future__ import annotations

from pathlib import Path

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.status_option import status_option
from amplifier_swarm.output.output_file import output_file
from amplifier_swarm.output.terminal import notice
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Status


@command(
    "export-tasks",
    example="export-tasks tasks.db completed.yaml --status completed\nexport-tasks tasks.db - | less",
    with_db=False,
    short_help="Write tasks to a file that can be imported again.",
)
@click.argument("db", type=click.Path(path_type=Path))
@click.argument("file")
@status_option("Only tasks with this status. [default: all]")
def export_tasks(app: App, db: Path, file: str, statuses: tuple[Status, ...]) -> None:
    """Write the tasks of the database DB to FILE, as YAML that can be imported again; `-` is standard output.

    An existing FILE is replaced only when the new one is complete.
    """
    from importlib.metadata import version

    from swarm_shared.taskfile.writer import write_task_file

    app.db = db
    with app.open(read_only=True) as database, output_file(file, database=database.path) as stream:
        count = write_task_file(
            stream,
            database.tasks.specs(statuses),
            exported_at=iso(app.clock.wall_ms()) or "",
            version=version("amplifier-swarm"),
        )
    notice(f"{count} task{'' if count == 1 else 's'} written to {'standard output' if file == '-' else file}")
