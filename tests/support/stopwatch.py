"""Promises about seconds, measured on a machine that may be busy with more than this one test."""

from __future__ import annotations

import os
import time
from pathlib import Path

MOST = 50.0  # nothing is delayed by more
_PRESSURE = (Path("/proc/pressure/cpu"), Path("/proc/pressure/io"))


class Stopwatch:
    """Runs from its creation."""

    def __init__(self) -> None:
        self._began, self._stalled = time.monotonic(), _stalled_s()

    def own_s(self) -> float:
        """Seconds so far, without those lost because other programs had the processors or the disk.

        A deliberate wait of a program counts in full if nothing else runs.
        """
        spent, stalled = time.monotonic() - self._began, _stalled_s()
        if stalled is None or self._stalled is None:
            return spent / max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
        return spent - (stalled - self._stalled)

    def stretch(self) -> float:
        """By how much anything that took its time since then was delayed by other programs."""
        spent = time.monotonic() - self._began
        return spent / max(self.own_s(), spent / MOST)


def _stalled_s() -> float | None:
    """For how long something on this machine could not continue for lack of a processor or the disk, since it booted.

    Source: the kernel's "PSI - Pressure Stall Information". None if it is not reported.
    """
    try:
        some = [path.read_text().splitlines()[0] for path in _PRESSURE]
    except OSError:
        return None
    return sum(int(line.rpartition("total=")[2]) for line in some) / 1e6
