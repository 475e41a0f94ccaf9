"""Time as a value that is passed in: wall time for display, monotonic time for leases, and the boot that they belong
to.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """The clock interface; tests pass a clock that they advance themselves."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970 UTC; may jump, so it is only used for display and for provider resets."""
        ...

    def mono_ms(self) -> int:
        """Milliseconds on a clock that never jumps and stops while the machine sleeps; valid within one boot."""
        ...

    def boot_id(self) -> str:
        """Names the boot that `mono_ms` belongs to."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000

    def boot_id(self) -> str:
        return _boot_id()


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        # Other systems: the boot moment to the second is as good a name, a clock step apart.
        return f"boot-{round(time.time() - time.monotonic())}"


def iso(ms: int | None) -> str | None:
    """ISO 8601 in UTC with milliseconds, as in every JSON answer; None stays None."""
    if ms is None:
        return None
    return f"{_to_the_second(ms // 1000)}.{ms % 1000:03d}Z"


@lru_cache(maxsize=256)  # log lines and the rows of a page have few seconds between them
def _to_the_second(s: int) -> str:
    return datetime.fromtimestamp(s, UTC).replace(tzinfo=None).isoformat()
