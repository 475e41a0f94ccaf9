"""The machine on which a figure was measured, as far as it matters for the figure."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import apsw
import psutil

from swarm_shared.store.engine.connection import engine_version

GIB = 1024**3
BUSY_PERCENT = 10.0  # above this, other programs affect the measurement
POLL_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The heading of every table."""

    cores: int
    processor: str
    memory_gib: float
    system: str
    python: str
    engine: str
    file_system: str
    revision: str

    def lines(self) -> list[str]:
        return [
            f"{self.processor}, {self.cores} cores, {self.memory_gib:.0f} GiB, {self.system}",
            f"Python {self.python}, {self.engine}, database on {self.file_system}, revision {self.revision}",
            "durability: settle, control and import are synced to disk before they count (FULL); others not (NORMAL)",
        ]


def this_machine(folder: Path) -> Machine:
    """Describe the machine; the databases of the measurements are in `folder`."""
    return Machine(
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        processor=_processor(),
        memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        engine=f"SQLite {engine_version()} (apsw {apsw.apsw_version()})",
        file_system=_file_system(folder),
        revision=_revision(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """How busy the machine was just before a figure, while the measurement did nothing."""

    load: float  # average over the last minute, which the figure before this one may have caused
    others_percent: float  # of all cores

    @property
    def text(self) -> str:
        warning = "; others were at work: do not quote" if self.others_percent > BUSY_PERCENT else ""
        return f"load average before {self.load:.2f}, others took {self.others_percent:.0f} % of the cores{warning}"


def look_before() -> Before:
    """Measure the load for a moment."""
    return Before(load=os.getloadavg()[0], others_percent=psutil.cpu_percent(interval=POLL_S))


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()


def _file_system(folder: Path) -> str:
    best, kind = "", "unknown"
    try:
        mounts = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return kind
    where = os.path.realpath(folder)
    for line in mounts:
        _, point, its_kind, *_ = line.split(" ")
        if (where == point or where.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, its_kind
    return kind


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
