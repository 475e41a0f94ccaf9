"""Task files in and out: `import-tasks`, `validate`, `export-tasks`."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.asking import Standing
from amplifier_swarm.progress import Bar
from amplifier_swarm.status_option import status_option
from amplifier_swarm.task_files import FilesRefused, Read, read_all
from amplifier_swarm.terminal import print_json, remark, say
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import InputError, StateError, SwarmError
from swarm_shared.domain.models import Status
from swarm_shared.git.worktrees.database_inside import keep_out_of_commits
from swarm_shared.store.engine.opened_file import still_open_elsewhere
from swarm_shared.store.engine.rescue import SUFFIX, refuges

if TYPE_CHECKING:
    from swarm_shared.store.importing.imports import ImportResult
    from swarm_shared.taskfile import Problem

MAX_REMARKS = 50
EXIT_INPUT = InputError.exit_code


@command(
    "import-tasks",
    example="import-tasks tasks.yaml\nimport-tasks phase1.yaml phase2.yaml --clear --db swarm.db",
    short_help="Put the tasks of files into the queue.",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--clear", is_flag=True, help="Replace the whole queue.  [default: off]")
@click.option("--force", is_flag=True, help="Clear even while tasks run.  [default: off]")
@click.option("--dry-run", is_flag=True, help="Say what would happen, change nothing.  [default: off]")
@json_option
def import_tasks(app: App, files: tuple[str, ...], clear: bool, force: bool, dry_run: bool, as_json: bool) -> None:
    """Put the tasks of one or several files into the queue, which is created when it is missing.

    All problems of all files are reported together, and then nothing is changed. Importing again merges: tasks that
    have not run take the new text, others stay as they are. `-` is standard input.
    """

    def in_queue() -> list[str]:
        if clear or not os.path.exists(app.database_path()):
            return []
        with app.open(read_only=True) as database:
            return list(database.imports.known_ids())

    with Bar(app.clock) as bar:
        bar.phase("reading")
        read = read_all(files, in_queue=in_queue, progress=bar.step)
        bar.phase("importing")
        result = _import(app, files, read, clear=clear, force=force, dry_run=dry_run, bar=bar)
    for warning in read.warnings[:MAX_REMARKS]:
        remark(f"warning: {warning}")
    for reason in result.reasons[:MAX_REMARKS]:
        remark(f"skipped {reason}")
    hidden = max(0, len(read.warnings) - MAX_REMARKS) + max(0, len(result.reasons) - MAX_REMARKS)
    if hidden:
        remark(f"… and {hidden} more remarks; --json lists all")
    if as_json:
        warnings = [str(warning) for warning in read.warnings]
        print_json({**result.shown(), "warnings": warnings, "reasons": list(result.reasons), "dry_run": dry_run})
        return
    say(
        f"{'would import' if dry_run else 'imported'} {result.imported} of {result.total} tasks "
        f"({result.updated} updated, {result.unchanged} unchanged, {result.skipped} skipped)"
    )
    if not dry_run and result.imported and not _runs(app):
        remark("next: amplifier-swarm start")


def _runs(app: App) -> bool:
    with app.open() as database:
        return Standing.of(database).workers > 0


def _import(
    app: App, files: tuple[str, ...], read: Read, *, clear: bool, force: bool, dry_run: bool, bar: Bar
) -> ImportResult:
    from swarm_shared.store.importing.imports import ImportResult

    if dry_run and not os.path.exists(app.database_path()):
        count = len(read.tasks)
        return ImportResult(total=count, imported=count, updated=0, unchanged=0, skipped=0)
    if not os.path.exists(app.database_path()):
        _refuse_beside_living_swarm(app.database_path())
        with suppress(SwarmError, OSError):  # `start` tries again, and says what is wrong
            keep_out_of_commits(app.database_path())
    with app.open(create=not dry_run) as database:
        return database.imports.run(
            read.tasks,
            source=", ".join(files),
            actor=app.actor(),
            clear=clear,
            force=force,
            dry_run=dry_run,
            progress=bar.step,
        )


def _refuse_beside_living_swarm(database: Path) -> None:
    """While a swarm still works on the deleted database, a new one would have no workers.

    Raises:
        StateError: Such a swarm lives; it notices the loss within seconds, copies the contents and ends.
    """
    pid = still_open_elsewhere(database)
    if pid is not None:
        raise StateError(
            f"{database} is missing, but process {pid} of its swarm still works on it: it was deleted or moved",
            hint=f"wait until the swarm has stopped; it copies the contents to {database.name}{SUFFIX}N and says where",
        )
    copies = sorted(str(each) for each in next(refuges(database)).glob(f"{database.name}{SUFFIX}*"))
    if copies:
        remark(f"warning: a new database; what an earlier one held when it was lost is in {copies[-1]}")


@command("validate", example="validate tasks.yaml --strict", with_db=False, short_help="Check task files.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--strict", is_flag=True, help="Fail on warnings too.  [default: off]")
@json_option
def validate(app: App, files: tuple[str, ...], strict: bool, as_json: bool) -> int:
    """Check task files without a database: what import-tasks would refuse, and what is probably not meant so."""
    from swarm_shared.taskfile.lint import lint

    tasks, errors = 0, []
    warnings: list[Problem] = []
    try:
        with Bar(app.clock) as bar:
            bar.phase("reading")
            read = read_all(files, progress=bar.step)
        tasks, warnings = len(read.tasks), list(read.warnings)
        for file, listed in read.by_file.items():
            warnings += lint(listed, file=file)
    except FilesRefused as refused:
        if not as_json:
            raise
        errors = list(refused.problems)
    failed = bool(errors) or (strict and bool(warnings))
    if as_json:
        print_json(
            {
                "valid": not failed,
                "tasks": tasks,
                "errors": [_shown(problem) for problem in errors],
                "warnings": [_shown(problem) for problem in warnings],
            }
        )
        return EXIT_INPUT if failed else 0
    for warning in warnings:
        remark(f"warning: {warning}")
    verdict = f"{len(warnings)} warning{'' if len(warnings) == 1 else 's'}" if warnings else "nothing to remark"
    say(f"{tasks} task{'' if tasks == 1 else 's'}: {verdict}")
    return EXIT_INPUT if failed else 0


def _shown(problem: Problem) -> dict[str, Any]:
    return {
        "file": problem.file,
        "line": problem.line or None,
        "column": problem.column or None,
        "message": problem.message,
        "advice": problem.advice,
    }


@command(
    "export-tasks",
    example="export-tasks tasks.db completed.yaml --status completed\nexport-tasks tasks.db - | less",
    with_db=False,
    short_help="Write tasks into a file that imports again.",
)
@click.argument("db", type=click.Path(path_type=Path))
@click.argument("file")
@status_option("Only tasks in it.  [default: all]")
def export_tasks(app: App, db: Path, file: str, statuses: tuple[Status, ...]) -> None:
    """Write the tasks of the database DB into FILE, as YAML that imports again; `-` is standard output.

    A FILE that exists is replaced only when the new one is whole.
    """
    from importlib.metadata import version

    from swarm_shared.taskfile import write_task_file

    app.db = db
    with app.open(read_only=True) as database, _target(file, database.path) as stream:
        count = write_task_file(
            stream,
            database.tasks.specs(statuses),
            exported_at=iso(app.clock.wall_ms()) or "",
            version=version("amplifier-swarm"),
        )
    remark(f"{count} task{'' if count == 1 else 's'} written to {'standard output' if file == '-' else file}")


@contextmanager
def _target(file: str, database: Path) -> Iterator[TextIO]:
    """Where to write: standard output, a pipe as it is, or a new file that takes the old one's place at the end."""
    if file == "-":
        yield sys.stdout
        return
    target = Path(os.path.realpath(file))
    if target == Path(os.path.realpath(database)):
        raise InputError("the export would replace the database itself", hint="name another file")
    try:
        if target.exists() and not target.is_file():
            with target.open("w", encoding="utf-8") as stream:
                yield stream
            return
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o666 & ~_umask()
        descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as stream:
                yield stream
                stream.flush()
                os.fchmod(descriptor, mode)
                os.fsync(descriptor)
            os.replace(draft, target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise InputError(
            f"cannot write {file}: {error.strerror}",
            hint="choose a file that you may write to, with room for it",
        ) from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
