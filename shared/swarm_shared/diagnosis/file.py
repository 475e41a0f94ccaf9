"""Whether the database file is safe: engine, durability, sizes, disk, and a write lock that stays taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.finding import Finding, Level
from swarm_shared.diagnosis.standstill import write_lock_held

MIB = 1024 * 1024
WAL_WARN_BYTES = 256 * MIB
DISK_WARN_BYTES = 1024 * MIB


def file_findings(database: TaskDatabase, *, min_free_bytes: int) -> Iterator[Finding]:
    """`min_free_bytes`: disk space below which no task starts."""
    # An engine that can lose committed work was refused when the database was opened.
    text = f"SQLite {database.health.engine_version()}"
    yield Finding(code="engine", part="file", name="engine", level=Level.OK, text=text)
    yield _durability(database)
    sizes = database.health.sizes()
    text = f"{database.path.name}, {_size(sizes.database_bytes)}"
    yield Finding(code="size", part="file", name="database", level=Level.OK, text=text)
    yield _log(sizes.wal_bytes)
    yield disk_finding(sizes.free_bytes, min_free_bytes=min_free_bytes)
    yield from _worktrees(database)
    yield from _stuck_writer(database)


def _worktrees(database: TaskDatabase) -> Iterator[Finding]:
    used = database.swarm.disk_use()
    if used is not None and any(used):
        worktrees, spares, size_bytes = used
        text = f"{_count(worktrees, 'worktree')} and {_count(spares, 'spare')}, {_size(size_bytes)}"
        yield Finding(code="worktrees", part="file", name="worktrees", level=Level.OK, text=text)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _durability(database: TaskDatabase) -> Finding:
    part, name = "file", "durability"
    if database.health.is_durable():
        text = "acknowledged results, requests and imports are synced to the disk"
        return Finding(code="durable", part=part, name=name, level=Level.OK, text=text)
    return Finding(
        code="not_durable", part=part, name=name, level=Level.BAD, text="the file no longer uses write-ahead logging",
        advice="another program changed it; stop the swarm and start it again",
    )  # fmt: skip


def _log(wal_bytes: int) -> Finding:
    part, name, text = "file", "write-ahead log", _size(wal_bytes)
    if wal_bytes <= WAL_WARN_BYTES:
        return Finding(code="log_size", part=part, name=name, level=Level.OK, text=text)
    advice = "a program with a long-running read keeps it from shrinking; end that program"
    return Finding(code="log_large", part=part, name=name, level=Level.WARN, text=text, advice=advice)


def disk_finding(free_bytes: int, *, min_free_bytes: int) -> Finding:
    """Whether there is enough space."""
    part, name, text = "file", "disk", f"{_size(free_bytes)} free on the disk of the database"
    if free_bytes < min_free_bytes:
        text += f", {_size(min_free_bytes)} are required"
        advice = "free some space, or change SWARM_MIN_FREE_MB: no task starts; the swarm then continues automatically"
        return Finding(code="disk_low", part=part, name=name, level=Level.BAD, text=text, advice=advice)
    if free_bytes < DISK_WARN_BYTES:
        advice = "free some space soon"
        return Finding(code="disk_getting_low", part=part, name=name, level=Level.WARN, text=text, advice=advice)
    return Finding(code="disk", part=part, name=name, level=Level.OK, text=text)


def _stuck_writer(database: TaskDatabase) -> Iterator[Finding]:
    reaper = database.swarm.running("reaper")
    stuck: dict[str, Any] | None = reaper.detail.get("stuck_writer") if reaper is not None else None
    if stuck:
        # What a reaper of another version has written may lack any of these.
        process = str(stuck.get("process") or "a process")
        yield write_lock_held(process, "long", pid=stuck.get("pid"), level=Level.BAD, program=stuck.get("name"))


def _size(size_bytes: int) -> str:
    for unit, step in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", 1024)):
        if size_bytes >= step:
            return f"{size_bytes / step:.1f} {unit}"
    return f"{size_bytes} B"
