"""The files of one run on a disk that this machine and the machines of the cluster share.

in, out, err  of the command
ready     may be taken once: by the run, which then starts the command, or by us, which then never does
taken     `ready`, taken by the run
refused   why the run did not start the command
code      the command's exit code

Each runner adds further files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.domain.errors import ConfigError

MARKER = "swarm-runs"  # in the folder of runs itself: a disk that is not mounted lacks it


class RunFolder:
    """The folder of the run `name` below `base`. Every look lists it, which makes NFS forget what it cached."""

    def __init__(self, base: Path, name: str) -> None:
        self.base, self.name = base, name
        self.path = base / name

    def make(self, files: Mapping[str, bytes]) -> None:
        """Make it, readable by the user only; `ready` comes last."""
        self.path.mkdir(mode=0o700)
        for name, data in {**files, "out": b"", "err": b"", "ready": b""}.items():
            descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as out:
                out.write(data)

    def is_mounted(self) -> bool:
        """Whether the shared disk is there."""
        try:
            return MARKER in os.listdir(self.base)
        except OSError:
            return False

    def files(self) -> frozenset[str] | None:
        """The names of its files; None: it was never made, or was removed after the run was proven gone.

        Raises:
            OSError: That cannot be seen now.
        """
        try:
            return frozenset(os.listdir(self.path))
        except FileNotFoundError:
            return None

    def text(self, name: str) -> str:
        """The text of a file; empty if it is missing."""
        try:
            return (self.path / name).read_text(encoding="utf-8", errors="replace").strip()
        except FileNotFoundError:
            return ""

    def exit_code(self) -> int | None:
        """The command's, once it has ended."""
        text = self.text("code") if "code" in (self.files() or ()) else ""
        return int(text) if text.isdigit() else None

    def has_begun(self) -> bool:
        """Whether the command's time runs."""
        try:
            return bool({"taken", "refused", "code"} & (self.files() or frozenset()))
        except OSError:
            return False

    def withdraw(self) -> bool:
        """Take `ready` away from the run; whether the command will therefore never start."""
        try:
            os.rename(self.path / "ready", self.path / "withdrawn")
        except FileNotFoundError:
            return "taken" not in (self.files() or ())  # if it was never made, nothing was submitted
        return True

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def make_base(base: Path, *, runner: str, hint: str, parents: bool = False, private: bool = False) -> Path:
    """The folder of runs without links in its path, made with its marker if needed.

    Args:
        parents: Make the folders that it is in as well.
        private: Refuse it also if others could read it.

    Raises:
        ConfigError: It cannot be made, or others could use it.
    """
    try:
        if not parents and not base.parent.is_dir():
            raise FileNotFoundError(2, "its parent folder is not there")
        base.mkdir(mode=0o700, parents=parents, exist_ok=True)
        (base / MARKER).touch()
        stat = base.stat()
    except OSError as error:
        raise ConfigError(f"runner {runner}: {base} cannot be used: {error.strerror}", hint=hint) from error
    if stat.st_uid != os.geteuid() or stat.st_mode & (0o077 if private else 0o022):
        what = "use" if private else "write to"
        raise ConfigError(
            f"runner {runner}: others could {what} {base}", hint="use a folder that you own, with mode 0700"
        )
    return Path(os.path.realpath(base))
