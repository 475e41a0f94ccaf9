"""`export-tasks`: write the tasks as YAML."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import click

from amplifier_swarm.app import App, command
from amplifier_swarm.status_option import status_option
from amplifier_swarm.terminal import remark
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import Status


@command(
    "export-tasks",
    example="export-tasks tasks.db completed.yaml --status completed\nexport-tasks tasks.db - | less",
    with_db=False,
    short_help="Write tasks to a file that can be imported again.",
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
