"""Programs of the system that some figures need: whether they are installed, and if not, how to install them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

INSTALL = "apt-get install"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program, named like its package; `banner` is what its version begins with, where others share its name."""

    name: str
    full_name: str
    banner: str = ""

    def is_there(self) -> bool:
        if shutil.which(self.name) is None:
            return False
        version = subprocess.run([self.name, "--version"], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return version.stdout.startswith(self.banner)

    def missing_text(self) -> str:
        return f"{self.full_name} is not installed ({INSTALL} {self.name})"


PARALLEL = Tool(name="parallel", full_name="GNU parallel", banner="GNU parallel")  # moreutils has another one
STRACE = Tool(name="strace", full_name="strace")
ALL = (PARALLEL, STRACE)


def missing_text(tools: Iterable[Tool] = ALL) -> str | None:
    """One line with the one command that installs all missing ones; None if there are none."""
    missing = [tool for tool in tools if not tool.is_there()]
    if not missing:
        return None
    names = " and ".join(tool.full_name for tool in missing)
    packages = " ".join(tool.name for tool in missing)
    return f"{names} {'is' if len(missing) == 1 else 'are'} not measured; for that type: {INSTALL} {packages}"
