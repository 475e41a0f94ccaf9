"""The files of one run on the shared volume, below the folder of runs.

pod.json  the manifest
command   variables and command line
in, out, err  of the command
ready     may be taken once: by the pod, which then starts the command, or by us, which then never does
taken     `ready`, taken by the pod
code      the command's exit code
over      the pod is proven over: only its object is still to be removed
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

MARKER = "swarm-runs"  # in the folder of runs itself: a volume that is not mounted lacks it


class RunFolder:
    """The folder of the run `name` below `base`. Every look lists it, which makes NFS forget what it cached."""

    def __init__(self, base: Path, name: str) -> None:
        self.base = base
        self.path = base / name

    def make(self, files: Mapping[str, bytes]) -> None:
        """Make it, readable by the user only; `ready` comes last."""
        self.path.mkdir(mode=0o700)
        for name, data in {**files, "out": b"", "err": b"", "ready": b""}.items():
            descriptor = os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as out:
                out.write(data)

    def is_mounted(self) -> bool:
        """Whether the shared volume is there."""
        try:
            return MARKER in os.listdir(self.base)
        except OSError:
            return False

    def files(self) -> frozenset[str] | None:
        """The names of its files; None: it was never made, or was removed after the pod was proven gone.

        Raises:
            OSError: That cannot be seen now.
        """
        try:
            return frozenset(os.listdir(self.path))
        except FileNotFoundError:
            return None

    def exit_code(self) -> int | None:
        """The command's, once it has ended."""
        if "code" not in (self.files() or ()):
            return None
        said = (self.path / "code").read_text().strip()
        return int(said) if said.isdigit() else None

    def has_begun(self) -> bool:
        """Whether the command's time runs."""
        try:
            return bool({"taken", "code"} & (self.files() or frozenset()))
        except OSError:
            return False

    def withdraw(self) -> bool:
        """Take `ready` away from the pod; whether the command will therefore never start."""
        try:
            os.rename(self.path / "ready", self.path / "withdrawn")
        except FileNotFoundError:
            return "taken" not in (self.files() or ())  # where it was never made, no pod was created
        return True

    def note_over(self) -> None:
        (self.path / "over").touch()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
