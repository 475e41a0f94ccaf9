"""An output file of a command: written completely, or not changed."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from swarm_shared.domain.errors import InputError


@contextmanager
def output_file(file: str, *, database: Path) -> Iterator[TextIO]:
    """Where to write: standard output, an existing pipe, or a new file that replaces the old one at the end.

    Raises:
        InputError: It cannot be written, or is the database.
    """
    if file == "-":
        yield sys.stdout
        return
    target = Path(os.path.realpath(file))
    if target == Path(os.path.realpath(database)):
        raise InputError("this would replace the database itself", hint="choose another file")
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
            hint="choose a file in a folder that you can write to, on a disk with free space",
        ) from error


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
