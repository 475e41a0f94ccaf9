"""Reading the whole: `status`, `list-tasks`, `workers`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import asdict

from amplifier_swarm.app import App, command, json_option
from amplifier_swarm.status_option import status_option
from amplifier_swarm.terminal import about, cut, duration, print_json, remark, say, table
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Group, Status

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

MAX_LIMIT = 100_000
_OVER = frozenset({"stopped", "crashed"})


@command("status", example="status\nstatus --json | jq .progress", short_help="Counts, progress, workers, holds.")
@json_option
def status(app: App, as_json: bool) -> None:
    """Tasks by status, progress and what is left, the workers, and whatever keeps the queue from moving."""
    from swarm_shared.store.views.pulse import Pulse
    from swarm_shared.store.views.standstill import Standstills

    with app.open(read_only=True) as database:
        workers = workers_shown(database)
        now = app.clock.wall_ms()
        prospect = database.prospects.now(dead=dead_workers(database))
        alive = sum(worker["status"] not in _OVER for worker in workers)
        flags = database.swarm.flags()
        started = database.swarm.started_with()
        start_command = database.swarm.start_command()
        to_land = Pulse(database.connection, app.clock).to_land()
        shown = {
            **database.tasks.summary(),
            "eta_s": prospect.eta_s,
            "done_at": None if prospect.forecast is None else iso(now + round(prospect.forecast.eta_s * 1000)),
            "stalled": prospect.stalled,
            "stuck": prospect.stuck,
            "paused": "paused" in flags,
            **database.swarm.workplace(),
            "started_with": None if started is None else asdict(started),
            "flags": [
                {"name": f.name, "set_at": iso(f.set_at), "actor": f.actor, "reason": f.reason} for f in flags.values()
            ],
            "holds": [
                {"agent_cli": h.agent_cli, "kind": h.kind, "reason": h.reason, "until": iso(h.until_at)}
                for h in database.swarm.holds()
            ],
            "to_land": {
                "tasks": to_land.tasks,
                "since": iso(to_land.since),
                "late": to_land.is_late(app.clock.wall_ms()),
            },
            "standstills": [
                {"kind": s.kind, "text": s.text, "advice": s.advice}
                for s in Standstills(database.connection, app.clock).found()
            ],
            "workers": workers,
        }
    if as_json:
        print_json(shown)
    else:
        _tell(app, shown, alive, start_command)


def _tell(app: App, shown: dict[str, Any], alive: int, start_command: str) -> None:
    groups = shown["tasks"]
    if not groups["total"]["count"]:
        say("no tasks yet; import some: amplifier-swarm import-tasks FILE")
        return
    within = {"not_started": ("blocked", "waiting_files", "scheduled"), "in_progress": ("approved", "landing")}
    rows = []
    for name in [*map(str, Group), "total"]:
        parts = [f"{shown['by_status'][s]} {s}" for s in within.get(name, ()) if shown["by_status"].get(s)]
        rows.append((name, groups[name]["count"], f"{groups[name]['hours']:g}", ", ".join(parts)))
    table(("status", "tasks", "hours", "of these"), rows, right=("tasks", "hours"), spare=("hours",))
    say(f"\n{shown['progress']:.0%} done, {shown['remaining_hours']:g} h of estimated work left{_end(app, shown)}")
    if shown["lands_on"]:
        say(f"each task has a worktree and lands on {shown['lands_on']}")
    elif shown["isolation"] is not None:
        say("agents work in the project folder itself, without worktrees")
    if (started := shown["started_with"]) is not None:
        unvalidated = "" if started["validation"] else ", without validation"
        say(f"agent CLI {started['agent_cli']} in {started['project_root']}{unvalidated}")
    for flag in shown["flags"]:
        say(f"{flag['name']} by {flag['actor']}" + (f": {flag['reason']}" if flag["reason"] else ""))
    for hold in shown["holds"]:
        say(f"agent CLI {hold['agent_cli']} held until {hold['until'] or 'resume'}: {cut(hold['reason'])}")
    for standstill in shown["standstills"]:
        say(f"warning: {standstill['text']}; {standstill['advice']}")
    if shown["to_land"]["late"]:
        waited = duration(app.clock.wall_ms() - _ms(shown["to_land"]["since"]))
        say(f"warning: work has passed but not landed for {waited}; amplifier-swarm doctor, amplifier-swarm events")
    if shown["workers"]:
        say()
        _workers_table(app, shown["workers"])
    if not alive:
        remark(f"no worker is running; start the swarm: {start_command}")


@command(
    "list-tasks",
    example="list-tasks --status in_progress\nlist-tasks --phase build --limit 100 --json",
    short_help="List tasks by status and phase.",
)
@status_option("Only tasks in it.  [default: all]")
@click.option("--phase", help="Only tasks of this phase.  [default: all]")
@click.option("--limit", type=click.IntRange(1, MAX_LIMIT), default=20, show_default=True, help="How many at most.")
@click.option("--after", type=click.IntRange(0), default=0, show_default=True, help="Continue after this place.")
@json_option
def list_tasks(
    app: App, statuses: tuple[Status, ...], phase: str | None, limit: int, after: int, as_json: bool
) -> None:
    """List tasks in import order, a page at a time."""
    with app.open(read_only=True) as database:
        tasks, total = database.tasks.page(statuses=statuses, phase=phase, after=after, limit=limit)
    following = tasks[-1]["seq"] if len(tasks) == limit else None
    if as_json:
        print_json({"tasks": tasks, "total": total, "limit": limit, "next_after": following})
        return
    rows = [
        (
            task["id"],
            f"{task['status']}{' ' + task['stage'] if task['stage'] else ''}",
            task["priority"],
            task["attempt_count"] or "",
            task["worker_id"],
            task["phase"],
            cut(task["name"] + (f"; asks: {task['question']}" if task["question"] else "")),
        )
        for task in tasks
    ]
    if rows:
        columns = ("id", "status", "priority", "tries", "worker", "phase", "name")
        table(columns, rows, right=("tries",), spare=("phase", "worker", "tries", "priority"))
    more = f"; more with --after {following}" if following is not None and len(tasks) < total else ""
    remark(f"{len(tasks)} of {total} tasks{more}")


@command("workers", example="workers", short_help="The workers and what they run.")
@json_option
def workers(app: App, as_json: bool) -> None:
    """Each worker's newest start: its process, heartbeat, task and counts. Those that ended stay listed."""
    with app.open(read_only=True) as database:
        shown = workers_shown(database)
    if as_json:
        print_json({"workers": shown})
    elif shown:
        _workers_table(app, shown)
    else:
        remark("no worker has run yet; start the swarm: amplifier-swarm start")


def _end(app: App, shown: dict[str, Any]) -> str:
    """When it will be done, or why it will not."""
    if shown["stalled"]:
        return f"; stalled: {shown['stalled']}"
    if not shown["eta_s"]:
        return ""
    behind = f"; {shown['stuck']:,} more wait behind failed, held or cancelled tasks" if shown["stuck"] else ""
    now = app.clock.wall_ms()
    eta_ms = round(shown["eta_s"] * 1000)
    return f"; done {about(now + eta_ms, now)} (in {duration(eta_ms)}){behind}"


def dead_workers(database: TaskDatabase) -> set[int]:
    """Runs of workers that have ended without writing it down."""
    return {each.run for each in database.workers.alive() if each.process.is_alive() is False}


def workers_shown(database: TaskDatabase) -> list[dict[str, Any]]:
    """Workers in the shape of the JSON answers. One whose process has died counts as crashed, whatever its row says."""
    gone = dead_workers(database)
    return [
        {
            "worker_id": row["worker_id"],
            "pid": row["pid"],
            "hostname": row["hostname"],
            "status": "crashed" if row["run"] in gone else row["status"],
            "started_at": iso(row["started_at"]),
            "stopped_at": iso(row["stopped_at"]),
            "last_heartbeat": iso(row["last_heartbeat"]),
            "current_task_id": row["current_task_id"],
            "stage": row["stage"],
            "tasks_completed": row["tasks_completed"],
            "tasks_failed": row["tasks_failed"],
            "restarts": row["restarts"],
            "remark": row["remark"],
        }
        for row in database.workers.shown()
    ]


def _workers_table(app: App, shown: list[dict[str, Any]]) -> None:
    now = app.clock.wall_ms()
    rows = [
        (
            worker["worker_id"],
            worker["status"],
            worker["pid"],
            duration(now - _ms(worker["last_heartbeat"])),
            worker["tasks_completed"],
            worker["tasks_failed"],
            worker["current_task_id"] or (cut(worker["remark"] or "") if worker["remark"] != worker["status"] else ""),
        )
        for worker in shown
    ]
    columns = ("worker", "status", "pid", "heartbeat", "completed", "failed", "task")
    numbers = ("pid", "heartbeat", "completed", "failed")
    table(columns, rows, right=numbers, spare=("pid", "failed", "completed", "heartbeat"))


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000
