"""`convert`: write plans of other tools as a task file."""

from __future__ import annotations

import sys

import click

from amplifier_swarm.command_line.app import App, command
from amplifier_swarm.output.terminal import notice
from amplifier_swarm.plans.options import PlanOptions, plan_options
from amplifier_swarm.plans.report import parts_left_out
from amplifier_swarm.plans.task_files import read_all
from swarm_shared.domain.clock import iso

MAX_REMARKS = 50


@command(
    "convert",
    example="convert specs/001-shop/tasks.md > tasks.yaml\nconvert . --from kiro > tasks.yaml",
    with_db=False,
    short_help="Write plans of other tools as a task file.",
)
@click.argument("files", metavar="PATH...", nargs=-1, required=True)
@plan_options
def convert(app: App, files: tuple[str, ...], plan: PlanOptions) -> None:
    """Write plans of other tools to standard output as a YAML task file that you can edit and import.

    Each task records its source, so importing the result has the same effect as importing the plans.
    """
    from importlib.metadata import version

    from swarm_shared.taskfile.writer import write_task_file

    read = read_all(files, how=plan.how(app))
    exported_at = iso(app.clock.wall_ms()) or ""
    write_task_file(sys.stdout, read.tasks, exported_at=exported_at, version=version("amplifier-swarm"))
    for warning in read.warnings[:MAX_REMARKS]:
        notice(f"warning: {warning}")
    left_out = sum(len(each.left_out()) for each in read.plans)
    if left_out:
        notice(f"{parts_left_out(left_out)}; import-tasks --dry-run lists them")
