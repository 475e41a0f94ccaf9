"""Where a supervisord lives on disk: the shipped configuration, its folders, a socket path that fits."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tempfile
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.errors import SupervisorError

CONF = "supervisord.conf"
SOCKET = Path("var", "supervisor.sock")
FOLDERS = (Path("var", "log"), Path("supervisord.d"))
README = Path("supervisord.d", "00-readme.conf")
PRIVATE = 0o700
# supervisord binds the socket under PATH.PID first, and Linux knows pids of up to seven digits.
SOCKET_PATH_BYTES = 107 - len(".1234567")
# In a path supervisord would read these as an expansion, or its [include] as a pattern.
UNFIT = re.compile(r"[%*?\[\]]")


class SupervisorFiles(Struct, frozen=True, kw_only=True):
    """What it takes to start and to reach one supervisord; absolute paths."""

    configuration: Path
    socket: Path
    log: Path


def configuration_text() -> str:
    """The supervisord.conf of this suite, as it is checked in and shipped."""
    shipped = files("swarm_shared").joinpath(CONF)
    if shipped.is_file():
        return shipped.read_text(encoding="utf-8")
    # Installed editable: the file is at the top of the checkout.
    return (Path(__file__).parents[3] / CONF).read_text(encoding="utf-8")


def prepare(state_dir: Path) -> SupervisorFiles:
    """Make a swarm's folders and configuration in its state directory; harmless while that swarm runs.

    Raises:
        SupervisorError: The folder cannot be written.
    """
    home = short_home(state_dir)
    try:
        state_dir.mkdir(mode=PRIVATE, exist_ok=True)
        for folder in FOLDERS:
            (state_dir / folder).mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        # One file must match [include], or every start logs a warning.
        _write(state_dir / README, "; Read after supervisord.conf.\n")
        _write(state_dir / CONF, configuration_text())
    except OSError as error:
        raise SupervisorError(
            f"cannot write the state directory {state_dir}: {error.strerror}",
            hint="give the folder of the database to the user who runs the swarm",
        ) from error
    return SupervisorFiles(
        configuration=home / CONF, socket=home / SOCKET, log=state_dir / "var" / "log" / "supervisord.log"
    )


def socket_path(state_dir: Path) -> Path:
    """The control socket of the supervisord that lives in this folder, by a path that the system can bind."""
    return short_home(state_dir) / SOCKET


def short_home(folder: Path) -> Path:
    """The folder itself, or where its path is too long or unfit for supervisord, a short alias of it.

    The alias is a symbolic link in a private folder below the temporary one, named after the path: the same
    call finds it again, and creates it again if it was swept away. The socket itself always is in the
    folder, so that processes with different temporary folders meet.

    Raises:
        SupervisorError: No private place with a short path can be had.
    """
    folder = Path(os.path.abspath(folder))
    if _fits(folder):
        return folder
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
    for base in (tempfile.gettempdir(), os.environ.get("XDG_RUNTIME_DIR"), "/tmp"):
        alias = Path(base or "/", f"amplifier-swarm-{os.getuid()}", name)
        if base and _fits(alias) and _is_private(alias.parent):
            _link(alias, folder)
            return alias
    raise SupervisorError(
        f"the path of {folder} is too long for a control socket, and no private temporary folder can be created",
        hint="move the database to a shorter path, or point TMPDIR to a short folder that you own",
    )


def _write(path: Path, text: str) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_BYTES and not UNFIT.search(str(folder))


def _is_private(folder: Path) -> bool:
    """Make the folder, or check that it is a real one that no other user can write to."""
    try:
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _link(alias: Path, folder: Path) -> None:
    if alias.is_symlink() and os.readlink(alias) == str(folder):
        return
    draft = alias.with_name(f"{alias.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(folder)
    draft.replace(alias)
