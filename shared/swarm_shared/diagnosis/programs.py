"""Whether the programs of the swarm do their work: reaper, supervisord and workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from swarm_shared.database import TaskDatabase
from swarm_shared.diagnosis.finding import DOCTOR, RESUME, SCALE, Action, Finding, Level
from swarm_shared.diagnosis.standstill import Standstills
from swarm_shared.domain.models import Group
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP, Service
from swarm_shared.store.swarm.workers import ABROAD_ADVICE, OVER, Staff, WorkerRun, unknown_abroad

SILENT_S = 90  # three heartbeats of the usual length
MAX_NAMED = 5
SUPERVISORD = "supervisord"


def program_findings(database: TaskDatabase, *, at_rest: bool) -> Iterator[Finding]:
    """`at_rest`: no part of the swarm is running, which is not an error."""
    reaper = database.swarm.running("reaper")
    known = database.workers.alive()
    dead = {each.run for each in known if each.process.is_alive() is False}
    abroad = {each.run: each for each in known if each.process.is_foreign}
    staff = database.workers.staff(dead=dead | abroad.keys())
    yield _reaper(database, reaper, at_rest=at_rest, works=bool(staff.takers))
    yield _supervisord(database, reaper)
    yield from _workers(database, reaper, staff, dead=dead, abroad=abroad)


def last_pass_age_s(reaper: Service, now: int) -> float:
    """Seconds since the reaper's last complete pass."""
    passed = reaper.detail.get("last_pass_at")
    at = datetime.fromisoformat(passed).timestamp() * 1000 if passed else reaper.seen_at
    return max(0.0, (now - at) / 1000)


def _reaper(database: TaskDatabase, reaper: Service | None, *, at_rest: bool, works: bool) -> Finding:
    """`works`: workers take tasks all the same; otherwise that none does is the obstacle."""
    part, name = "swarm", "reaper"
    if reaper is None:
        text = "the reaper is not running: requests are not carried out, lost tasks are not requeued"
        last = database.swarm.services().get("reaper")
        if last is not None and last.stopped_at is None and last.process.is_foreign:
            elsewhere = f"whether process {last.process.pid} still runs on another machine is not known"
            text = f"the reaper is not running here; {elsewhere}"
        level = Level.WARN if at_rest else Level.BAD
        command = database.swarm.start_command()
        return Finding(
            code="reaper_down", part=part, name=name, level=level, text=text, command=command, is_obstacle=works
        )  # fmt: skip
    silent = Standstills(database.connection, database.clock).silent_reaper()
    if silent is not None:
        return silent
    text = f"last pass {last_pass_age_s(reaper, database.clock.wall_ms()):.0f} s ago"
    return Finding(code="reaper_works", part=part, name=name, level=Level.OK, text=text)


def _supervisord(database: TaskDatabase, reaper: Service | None) -> Finding:
    part, name = "swarm", SUPERVISORD
    if reaper is None:
        text = "unknown: the reaper would report it"
        return Finding(code="supervisord_unknown", part=part, name=name, level=Level.WARN, text=text)
    if not reaper.detail.get("supervised"):
        text = "the reaper was not started by supervisord: nothing can be scaled or restarted from here"
        command = database.swarm.start_command()
        return Finding(code="not_supervised", part=part, name=name, level=Level.WARN, text=text, command=command)
    if reaper.detail.get("supervisord_answers") is False:
        advice = "nothing can be scaled or restarted until it does"
        return Finding(
            code="supervisord_silent", part=part, name=name, level=Level.BAD, text="does not answer", advice=advice,
            command=DOCTOR,
        )  # fmt: skip
    return Finding(code="supervisord_answers", part=part, name=name, level=Level.OK, text="answers")


def _workers(
    database: TaskDatabase, reaper: Service | None, staff: Staff, *, dead: set[int], abroad: Mapping[int, WorkerRun]
) -> Iterator[Finding]:
    now = database.clock.wall_ms()
    rows = database.workers.shown()
    absent = dead | abroad.keys()
    alive = [row for row in rows if row["status"] not in OVER and row["run"] not in absent]
    busy = sum(row["current_task_id"] is not None for row in alive)
    yield _takers(database, reaper, staff, alive=len(alive), busy=busy)
    for hostname in sorted({each.hostname for each in abroad.values()}):
        names = [each.worker_id for each in abroad.values() if each.hostname == hostname]
        yield Finding(
            code="workers_elsewhere", part="swarm", name="other machines", level=Level.WARN,
            text=unknown_abroad(names, hostname), advice=ABROAD_ADVICE, target=names[0],
        )  # fmt: skip
    silent = [row["worker_id"] for row in alive if now - row["last_heartbeat"] > SILENT_S * 1000]
    if silent:
        text = f"no heartbeat for more than {SILENT_S} s: {_named(silent)}"
        yield Finding(
            code="worker_silent", part="swarm", name="heartbeats", level=Level.WARN, text=text,
            advice="the reaper requeues their tasks", target=silent[0],
        )  # fmt: skip
    for row in rows:
        if row["status"] == "crashed" or row["run"] in dead:
            text = f"{row['worker_id']} crashed" + (f": {row['reason']}" if row["reason"] else "")
            yield Finding(
                code="worker_crashed", part="swarm", name="crashes", level=Level.WARN, text=text,
                advice="supervisord restarts it; its log says why", command="amplifier-swarm ctl tail swarm-worker:*",
                target=row["worker_id"],
            )  # fmt: skip


def _takers(database: TaskDatabase, reaper: Service | None, staff: Staff, *, alive: int, busy: int) -> Finding:
    counts = database.tasks.summary()["tasks"]
    waiting = counts[Group.NOT_STARTED]["count"] + counts[Group.IN_PROGRESS]["count"]
    if staff.takers or not waiting:
        text = f"{alive} running, {busy} busy"
        return Finding(code="workers_run", part="swarm", name="workers", level=Level.OK, text=text)
    found = no_takers(staff, is_up=reaper is not None, start_command=database.swarm.start_command())
    is_stopped = not database.swarm.flags().keys().isdisjoint((DRAINED, EMERGENCY_STOP))
    text = f"{found.text}, and {waiting:,} {'task is' if waiting == 1 else 'tasks are'} open"
    return replace(found, text=text, is_obstacle=not is_stopped)


def without_workers(database: TaskDatabase) -> Finding:
    """That no worker takes tasks, with what starts some: more workers of a swarm that is up, or the swarm."""
    staff, swarm = database.workers.staff(dead=database.workers.absent()), database.swarm
    return no_takers(staff, is_up=swarm.running("reaper") is not None, start_command=swarm.start_command())


def no_takers(staff: Staff, *, is_up: bool, start_command: str) -> Finding:
    """That no worker takes tasks; `is_up`: a reaper runs that can start some."""
    advice, command, action = "start the swarm", start_command, None
    if staff.draining:
        advice, command, action = "resume to undo the drain", RESUME, Action.RESUME
    elif is_up:
        advice, command, action = "set the number of workers", SCALE, Action.SCALE
    return Finding(
        code="no_workers", part="swarm", name="workers", level=Level.WARN, text=staff.why_none_takes(), advice=advice,
        command=command, action=action,
    )  # fmt: skip


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:MAX_NAMED])
    return shown if len(names) <= MAX_NAMED else f"{shown} and {len(names) - MAX_NAMED} more"
