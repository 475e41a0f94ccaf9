"""`import-tasks`: import task files into the queue."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from amplifier_swarm.authoring.new_database import prepare_new
from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.progress import Bar
from amplifier_swarm.output.terminal import notice, print_json, say
from amplifier_swarm.plans import report as mapping_report
from amplifier_swarm.plans.options import PlanOptions, plan_options
from amplifier_swarm.plans.report import parts_left_out
from amplifier_swarm.plans.task_files import read_all
from swarm_shared.program.collection import without_collection
from swarm_shared.sources.plans.mapping import shown
from swarm_shared.sources.together import FilesRefused

if TYPE_CHECKING:
    from swarm_shared.sources.together import Read
    from swarm_shared.store.importing.imports import ImportResult


MAX_REMARKS = 50


@command(
    "import-tasks",
    example="import-tasks tasks.yaml\nimport-tasks phase1.yaml phase2.yaml --clear --db swarm.db",
    short_help="Import task files into the queue.",
)
@click.argument("files", metavar="PATH...", nargs=-1, required=True)
@plan_options
@click.option("--clear", is_flag=True, help="Replace the whole queue.  [default: off]")
@click.option("--force", is_flag=True, help="Clear even while tasks are running. [default: off]")
@click.option("--dry-run", is_flag=True, help="Report what would be imported; change nothing. [default: off]")
@json_option
def import_tasks(
    app: App, files: tuple[str, ...], plan: PlanOptions, clear: bool, force: bool, dry_run: bool, as_json: bool
) -> None:
    """Import task files and plans of other tools into the queue. The database is created if it is missing.

    Plans of spec-kit, Kiro, OpenSpec and other tools, and Markdown checklists, are recognized; a folder is searched
    for them. `-` is standard input. If any file has a problem, all problems are reported together and nothing is
    changed. Importing again merges: tasks that have not run get the new text, the others are not changed.
    """

    def in_queue() -> set[str]:
        if clear or not os.path.exists(app.database_path()):
            return set()
        with app.open(read_only=True) as database:
            return database.imports.known_ids()

    with without_collection(), Bar(app.clock) as bar:
        bar.phase("reading")
        how = plan.how(app)
        try:
            read = read_all(files, how=how, in_queue=in_queue, progress=bar.step)
        except FilesRefused as refused:
            refused.hint = "nothing was imported"
            raise
        bar.phase("importing")
        result = _import(app, files, read, root=how.root, clear=clear, force=force, dry_run=dry_run, bar=bar)
    for warning in read.warnings[:MAX_REMARKS]:
        notice(f"warning: {warning}")
    for reason in result.reasons[:MAX_REMARKS]:
        notice(f"skipped {reason}")
    hidden = max(0, len(read.warnings) - MAX_REMARKS) + max(0, len(result.reasons) - MAX_REMARKS)
    if hidden:
        notice(f"… and {hidden} more messages; --json lists all")
    if as_json:
        warnings = [str(warning) for warning in read.warnings]
        more = {"plans": shown(read.plans)} if dry_run else {}
        reasons = list(result.reasons)
        print_json({**result.shown(), "warnings": warnings, "reasons": reasons, "dry_run": dry_run, **more})
        return
    if dry_run:
        mapping_report.report(read.plans)
    elif left_out := sum(len(each.left_out()) for each in read.plans):
        notice(f"{parts_left_out(left_out)}; --dry-run lists them")
    say(f"would {result.in_words().replace('imported', 'import', 1)}" if dry_run else result.in_words())
    if not dry_run and result.imported and (command := _next(app)):
        notice(f"next: {command}")


def _next(app: App) -> str | None:
    """What gets the new tasks started; None if workers run."""
    from swarm_shared.diagnosis.programs import without_workers

    with app.open() as database:
        return None if database.workers.present() else without_workers(database).command


def _import(
    app: App,
    files: tuple[str, ...],
    read: Read,
    *,
    root: Path,
    clear: bool,
    force: bool,
    dry_run: bool,
    bar: Bar,
) -> ImportResult:
    from swarm_shared.store.importing.imports import ImportResult

    if dry_run and not os.path.exists(app.database_path()):
        count = len(read.tasks)
        return ImportResult(total=count, imported=count, updated=0, unchanged=0, skipped=0)
    if not os.path.exists(app.database_path()):
        prepare_new(app.database_path())
    with app.open(create=not dry_run) as database:
        return database.imports.run(
            read.tasks,
            source=", ".join(files),
            actor=app.actor(),
            clear=clear,
            force=force,
            dry_run=dry_run,
            gone=_gone(database.imports.source_paths(), root) if read.plans else frozenset(),
            progress=bar.step,
        )


def _gone(paths: Iterable[str], root: Path) -> frozenset[str]:
    """Those that name no file any more; standard input and addresses are none."""
    files = (path for path in paths if path != "-" and "://" not in path)
    return frozenset(path for path in files if not (root / path).exists())
