"""The same commands without a swarm: xargs, GNU parallel, huey, and processes started as fast as possible."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

SHELL = "/bin/sh"
COMMAND = (SHELL, "-c", ":")  # what the `command` agent CLI makes of `run: ":"`
_HUEY = Path(__file__).with_name("huey_rate.py")
_SPAWN_LOOP = """
import os, sys, time
command, count = sys.argv[2:], int(sys.argv[1])
began = time.monotonic()
for _ in range(count):
    os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)
print(began, time.monotonic())
"""


def xargs_rate(count: int, at_once: int) -> float:
    """Commands a second of `xargs -P`."""
    return _timed(["xargs", f"-P{at_once}", "-n1", *COMMAND], count)


def parallel_rate(count: int, at_once: int) -> float:
    """Commands a second of GNU parallel, which runs each in a separate shell."""
    return _timed(["env", f"PARALLEL_SHELL={SHELL}", "parallel", "--will-cite", f"-j{at_once}", ":"], count)


def huey_rate(folder: Path, count: int, at_once: int) -> float:
    """Commands a second of a huey consumer with so many process workers; its database is in the folder."""
    command = [sys.executable, str(_HUEY), str(folder / "huey.db"), str(count), str(at_once), *COMMAND]
    done = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def huey_version() -> str:
    return version("huey")


def spawn_rate(count: int, at_once: int) -> float:
    """Commands a second of bare loops of posix_spawn and waitpid, one process each."""
    each = max(1, count // at_once)
    loop = [sys.executable, "-S", "-c", _SPAWN_LOOP, str(each), *COMMAND]
    loops = [subprocess.Popen(loop, stdout=subprocess.PIPE, text=True) for _ in range(at_once)]
    times = [tuple(map(float, one.communicate()[0].split())) for one in loops]
    return each * at_once / (max(end for _, end in times) - min(began for began, _ in times))


def sync_ms(folder: Path, *, count: int, size_bytes: int) -> float:
    """Milliseconds of a write of so many bytes to the end of a file in the folder and its fdatasync, median."""
    data, times_ms = os.urandom(size_bytes), []
    file = folder / "synced"
    descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(count):
            began = time.monotonic()
            os.write(descriptor, data)
            os.fdatasync(descriptor)
            times_ms.append((time.monotonic() - began) * 1000)
    finally:
        os.close(descriptor)
        file.unlink()
    return median(times_ms)


def command_cpu_ms(count: int) -> float:
    """Milliseconds of processor time of xargs and its commands, per command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    xargs_rate(count, 1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * used_s / count


def _timed(command: list[str], count: int) -> float:
    lines = "\n".join(map(str, range(count))) + "\n"
    began = time.monotonic()
    subprocess.run(command, input=lines, text=True, check=True, stdout=subprocess.DEVNULL)
    return count / (time.monotonic() - began)
