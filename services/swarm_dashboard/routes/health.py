"""The route behind Health: what an operator looks at first, each with its state and what to do about it.

What only other programs can see, such as whether supervisord answers, the reaper writes into the database.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from flask import Blueprint, Response
from msgspec import Struct
from msgspec.structs import asdict

from swarm_dashboard.web import shapes
from swarm_dashboard.web.context import Context
from swarm_dashboard.web.database_reader import Reading
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Group
from swarm_shared.own_checkout import not_pointed_at_a_project
from swarm_shared.store.queue.landing_queue import LandingQueue
from swarm_shared.store.queue.swarm import DISK_LOW, Service

MIB = 1024 * 1024
WAL_WARN_BYTES = 256 * MIB
DISK_WARN_BYTES = 1024 * MIB
REAPER_LATE_S = 15  # it shows itself every five
REAPER_LOST_S = 60
SILENT_S = 90  # three heartbeats of the usual length
FAILING_WARN = 0.5
FAILING_WARN_ENDS = 5  # fewer say nothing
RESUME = "amplifier-swarm resume"
DOCTOR = "amplifier-swarm doctor"


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    WARN = "warn"  # it goes on, but somebody should look
    BAD = "bad"  # something does not work until somebody has seen to it


class Check(Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `command` is what to type, where that is the advice."""

    part: str  # swarm, queue or file
    name: str
    level: Level
    text: str
    advice: str | None = None
    command: str | None = None


def routes(context: Context) -> Blueprint:
    """`/api/health`."""
    health = Blueprint("health", __name__, url_prefix="/api")

    @health.get("/health")
    def checks() -> Response:
        reading = context.reader()
        now = context.clock.wall_ms()
        found = [
            check
            for look in (_reaper, _supervisord, _workers, _agents, _flags, _failing, _landing, _engine, _sizes, _lock)
            for check in look(reading, now)
        ]
        found = [*_project(context), *found]
        worst = max((check.level for check in found), key=list(Level).index)
        return context.answer({"level": worst, "checks": [asdict(check) for check in found], "now": iso(now)})

    return health


def _project(context: Context) -> Iterator[Check]:
    error = not_pointed_at_a_project(context.config.settings)
    if error is not None:
        yield Check(part="swarm", name="project", level=Level.BAD, text=error.message, advice=error.hint)


def reaper_of(reading: Reading) -> Service | None:
    """The reaper, unless it has said good-bye."""
    found = reading.database.swarm.services().get("reaper")
    return None if found is None or found.stopped_at is not None else found


def _reaper(reading: Reading, now: int) -> Iterator[Check]:
    found = reaper_of(reading)
    if found is None:
        text = "not running: requests are not carried out, lost tasks are not requeued, and the disk is not watched"
        yield Check(
            part="swarm", name="reaper", level=Level.BAD, text=text, command=reading.database.swarm.start_command()
        )
        return
    age_s = last_pass_age_s(found, now)
    text = f"last pass {age_s:.0f} s ago"
    if age_s < REAPER_LATE_S:
        yield Check(part="swarm", name="reaper", level=Level.OK, text=text)
    else:
        level = Level.WARN if age_s < REAPER_LOST_S else Level.BAD
        advice = "it is held up or dead; supervisord starts a dead one again"
        yield Check(part="swarm", name="reaper", level=level, text=text, advice=advice, command=DOCTOR)


def last_pass_age_s(reaper: Service, now: int) -> float:
    """Seconds since the reaper went over everything."""
    told = reaper.detail.get("last_pass_at")
    at = datetime.fromisoformat(told).timestamp() * 1000 if told else reaper.seen_at
    return max(0.0, (now - at) / 1000)


def _supervisord(reading: Reading, now: int) -> Iterator[Check]:
    found = reaper_of(reading)
    name = "supervisord"
    if found is None:
        yield Check(part="swarm", name=name, level=Level.WARN, text="unknown: the reaper would tell")
    elif not found.detail.get("supervised"):
        text = "the reaper was started by hand: nothing can be scaled or restarted from here"
        yield Check(
            part="swarm", name=name, level=Level.WARN, text=text, command=reading.database.swarm.start_command()
        )
    elif found.detail.get("supervisord_answers") is False:
        advice = "nothing can be scaled or restarted until it does"
        yield Check(part="swarm", name=name, level=Level.BAD, text="does not answer", advice=advice, command=DOCTOR)
    else:
        yield Check(part="swarm", name=name, level=Level.OK, text="answers")


def _workers(reading: Reading, now: int) -> Iterator[Check]:
    staff = shapes.workers(reading)
    alive = [worker for worker in staff if worker["alive"]]
    silent = [worker["worker_id"] for worker in alive if worker["heartbeat_age_s"] > SILENT_S]
    crashed = [worker["worker_id"] for worker in staff if worker["status"] == "crashed"]
    counts = reading.database.tasks.summary()["tasks"]
    waiting = counts[Group.NOT_STARTED]["count"] + counts[Group.IN_PROGRESS]["count"]
    crew = reading.database.workers.staff()
    text = f"{len(alive)} running, {sum(worker['current_task_id'] is not None for worker in alive)} busy"
    if not crew.takers and waiting:
        text = f"{crew.why_none_takes()}, and {waiting:,} {'task is' if waiting == 1 else 'tasks are'} open"
        advice = "set the number of workers on the Workers screen" if reaper_of(reading) is not None else None
        if crew.draining:
            advice = "resume to undo the drain"
        command = None if advice else reading.database.swarm.start_command()
        yield Check(part="swarm", name="workers", level=Level.WARN, text=text, advice=advice, command=command)
    else:
        yield Check(part="swarm", name="workers", level=Level.OK, text=text)
    if silent:
        text = f"no heartbeat for more than {SILENT_S} s: {_named(silent)}"
        advice = "the reaper takes their tasks back"
        yield Check(part="swarm", name="heartbeats", level=Level.WARN, text=text, advice=advice)
    if crashed:
        advice = "supervisord starts it again; its log tells why"
        command = "amplifier-swarm ctl tail swarm-worker:*"
        text = f"last ended in a crash: {_named(crashed)}"
        yield Check(part="swarm", name="crashes", level=Level.WARN, text=text, advice=advice, command=command)


def _agents(reading: Reading, now: int) -> Iterator[Check]:
    holds = reading.database.swarm.holds()
    for hold in holds:
        level = Level.BAD if hold.until_at is None else Level.WARN
        text = f"{hold.agent_cli} is on hold ({hold.kind}): {hold.reason}"
        advice = (
            "it waits for you; resume once the cause is gone"
            if hold.until_at is None
            else f"tried again at {iso(hold.until_at)}; resume tries at once"
        )
        yield Check(part="queue", name="agent CLI", level=level, text=text, advice=advice, command=RESUME)
    if not holds:
        yield Check(part="queue", name="agent CLIs", level=Level.OK, text="none is on hold")


def _flags(reading: Reading, now: int) -> Iterator[Check]:
    flags = [flag for flag in reading.database.swarm.flags().values() if flag.name != DISK_LOW]
    for flag in flags:
        text = f"{flag.name.replace('_', ' ')} by {flag.actor}" + (f": {flag.reason}" if flag.reason else "")
        yield Check(part="queue", name="claims", level=Level.WARN, text=text, command=RESUME)
    if not flags:
        since = reading.pulse.oldest_ready()
        waits = "nothing is ready" if since is None else f"the oldest ready task has waited {_age(now - since)}"
        yield Check(part="queue", name="claims", level=Level.OK, text=waits)


def _failing(reading: Reading, now: int) -> Iterator[Check]:
    ends = reading.pulse.recent_ends()
    if ends.failing_rate is None:
        yield Check(part="queue", name="failing", level=Level.OK, text="no attempt has ended within the hour")
        return
    text = f"{ends.failed:,} of {ends.ended:,} attempts of the last hour failed"
    if ends.failing_rate >= FAILING_WARN and ends.ended >= FAILING_WARN_ENDS:
        advice = "Check Failures; many often share one cause."
        yield Check(part="queue", name="failing", level=Level.WARN, text=text, advice=advice)
    else:
        yield Check(part="queue", name="failing", level=Level.OK, text=text)


def _landing(reading: Reading, now: int) -> Iterator[Check]:
    branch = LandingQueue(reading.database.connection, reading.database.clock).branch()
    if branch is None:
        return
    to_land = reading.pulse.to_land()
    text = f"{to_land.tasks:,} wait to land on {branch['branch']}"
    if branch["state"] == "stopped":
        text = f"nothing lands on {branch['branch']}, {to_land.tasks:,} wait"
        advice = "see to the branch as Landing says, then resume"
        yield Check(part="queue", name="landing", level=Level.BAD, text=text, advice=advice, command=RESUME)
    elif to_land.since is not None and to_land.is_late(now):
        text += f", the first for {_age(now - to_land.since)}"
        yield Check(part="queue", name="landing", level=Level.WARN, text=text, advice="see Landing")
    else:
        yield Check(part="queue", name="landing", level=Level.OK, text=text)


def _engine(reading: Reading, now: int) -> Iterator[Check]:
    health = reading.database.health
    # An engine that can lose committed work was refused when the database was opened.
    yield Check(part="file", name="engine", level=Level.OK, text=f"SQLite {health.engine_version()}")
    if health.is_durable():
        text = "what is acknowledged is on the disk: results, requests and imports are synced"
        yield Check(part="file", name="durability", level=Level.OK, text=text)
    else:
        text = "the file has left the write-ahead log"
        advice = "some other program changed it; stop the swarm and start it again"
        yield Check(part="file", name="durability", level=Level.BAD, text=text, advice=advice)


def _sizes(reading: Reading, now: int) -> Iterator[Check]:
    sizes = reading.database.health.sizes()
    name = reading.database.path.name
    yield Check(part="file", name="database", level=Level.OK, text=f"{name}, {_size(sizes.database_bytes)}")
    log = Check(part="file", name="write-ahead log", level=Level.OK, text=_size(sizes.wal_bytes))
    if sizes.wal_bytes > WAL_WARN_BYTES:
        advice = "some program reads for very long and keeps it from shrinking; end it"
        log = Check(part="file", name=log.name, level=Level.WARN, text=log.text, advice=advice)
    yield log
    low = reading.database.swarm.flags().get(DISK_LOW)
    text = f"{_size(sizes.free_bytes)} free"
    if low is not None:
        advice = "free some space: it then goes on by itself"
        yield Check(part="file", name="disk", level=Level.BAD, text=f"{text}: no task is given out", advice=advice)
    elif sizes.free_bytes < DISK_WARN_BYTES:
        yield Check(part="file", name="disk", level=Level.WARN, text=text, advice="free some space soon")
    else:
        yield Check(part="file", name="disk", level=Level.OK, text=text)


def _lock(reading: Reading, now: int) -> Iterator[Check]:
    found = reaper_of(reading)
    stuck: dict[str, Any] | None = found.detail.get("stuck_writer") if found is not None else None
    if stuck:
        text = f"held for long by {stuck.get('name') or 'a process'} ({stuck.get('process')})"
        yield Check(part="file", name="write lock", level=Level.BAD, text=text, command=DOCTOR)


def _named(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _age(ms: int) -> str:
    minutes = ms // 60_000
    if minutes < 1:
        return f"{ms // 1000} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _size(size_bytes: int) -> str:
    for unit, step in (("GiB", 1024 * MIB), ("MiB", MIB), ("KiB", 1024)):
        if size_bytes >= step:
            return f"{size_bytes / step:.1f} {unit}"
    return f"{size_bytes} B"
