"""A child process from start to end, with what it used: time, processor time and its largest memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KIB = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, which the systems count differently


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a process took from its start to its end."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def run_measured(command: Sequence[str], *, environ: Mapping[str, str] | None = None, errors: Path) -> Used:
    """Run a command to its end; its standard error goes to a file.

    Raises:
        RuntimeError: It ended with another code than 0.
    """
    began = time.monotonic()
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            command, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr
        )
        _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)  # waited for already
    if process.returncode != 0:
        raise RuntimeError(f"{command[:4]} ended with {process.returncode}: {errors.read_text()[-2000:]}")
    return Used(wall_s=wall_s, cpu_s=usage.ru_utime + usage.ru_stime, peak_mib=usage.ru_maxrss * _KIB / 1024**2)
