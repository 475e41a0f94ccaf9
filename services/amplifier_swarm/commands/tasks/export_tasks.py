"""`export-tasks`: write the tasks as YAML."""

from __future__ import annotations

from pathlib import Path

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.command_line.names import check_phase, complete_phase
from amplifier_swarm.command_line.status_option import status_option
from amplifier_swarm.output.output_file import output_file
from amplifier_swarm.output.terminal import notice
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Status


@command(
    "export-tasks",
    example="export-tasks tasks.db completed.yaml --status completed\nexport-tasks tasks.db - --phase build | less",
    with_db=False,
    short_help="Write tasks to a file that can be imported again.",
)
@click.argument("db", type=click.Path(path_type=Path))
@click.argument("file")
@status_option("Only tasks with this status. [default: all]")
@click.option("--phase", shell_complete=complete_phase, help="Only tasks of this phase.  [default: all]")
def export_tasks(app: App, db: Path, file: str, statuses: tuple[Status, ...], phase: str | None) -> None:
    """Write the tasks of the database DB to FILE, as YAML that can be imported again; `-` is standard output.

    An existing FILE is replaced only when the new one is complete.
    """
    from importlib.metadata import version

    from swarm_shared.store.views.task_filter import Filter
    from swarm_shared.taskfile.writer import write_task_file

    app.db = db
    with app.open(read_only=True) as database:
        check_phase(database, phase)
        with output_file(file, database=database.path) as stream:
            count = write_task_file(
                stream,
                database.tasks.specs(Filter(statuses=statuses, phase=phase)),
                exported_at=iso(app.clock.wall_ms()) or "",
                version=version("amplifier-swarm"),
            )
    notice(f"{count} task{'' if count == 1 else 's'} written to {'standard output' if file == '-' else file}")
