"""Durations, sizes, shares and long texts as users read them."""

from __future__ import annotations

from swarm_shared.program.terminal_text import safe

CUT = "…"


def duration(ms: float | None) -> str:
    """A readable duration: `45 s`, `3 m 20 s`, `2 h 05 m`, `3 d 4 h`."""
    if ms is None:
        return ""
    seconds = max(0, int(ms / 1000))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02d} s"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02d} m"
    return f"{seconds // 86_400} d {seconds % 86_400 // 3600} h"


def percent(share: float) -> str:
    """`37%`: rounded down, as on the dashboard, so that 100% means all."""
    return f"{int(share * 100 + 1e-9)}%"


def size(size_bytes: float) -> str:
    """A readable size: `512 B`, `3.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TiB"


def cut(text: str, limit: int = 200) -> str:
    """The text on one safe line of at most `limit` characters."""
    line = safe(text)
    return line if len(line) <= limit else line[: limit - 1] + CUT
