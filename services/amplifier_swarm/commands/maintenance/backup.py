"""`backup`: write a consistent copy of the database."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.output.terminal import print_json, say
from swarm_shared.domain.errors import InputError
from swarm_shared.program.readable import size


@command("backup", example="backup tasks-backup.db", short_help="Write a consistent copy of the database.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.  [default: off]")
@json_option
def backup(app: App, file: Path, force: bool, as_json: bool) -> None:
    """Copy the database to FILE, consistently, even while the swarm is running.

    The copy contains everything, including the dashboard's token, and only you can read it. Never copy the database
    file directly: it may not contain the latest changes yet.
    """
    target = Path(os.path.abspath(file))
    with app.open(read_only=True) as database:
        if target.exists() and os.path.samefile(target, database.path):
            raise InputError("the copy would replace the database itself", hint="choose another file")
        if target.exists() and not force:
            raise InputError(f"{file} exists already", hint="choose another file, or replace it with --force")
        try:
            # Created here, so that only its owner can ever read it; the engine accepts an empty file.
            descriptor, draft = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        except OSError as error:
            raise InputError(f"cannot write {file}: {error.strerror}", hint="choose another folder") from error
        try:
            database.connection.back_up_to(Path(draft))
            os.fsync(descriptor)
            os.replace(draft, target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
    size_bytes = target.stat().st_size
    if as_json:
        print_json({"file": str(target), "size_bytes": size_bytes})
    else:
        say(f"{target} ({size(size_bytes)})")
