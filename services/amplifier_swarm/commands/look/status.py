"""`status`: show counts, progress, workers and holds."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

from amplifier_swarm.command_line.app import App, command, json_option
from amplifier_swarm.commands.look.costs import budget_lines
from amplifier_swarm.commands.look.worker_rows import UNKNOWN, workers_shown, workers_table
from amplifier_swarm.output.terminal import about, notice, print_json, say, table
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Group
from swarm_shared.program.readable import duration, percent
from swarm_shared.program.terminal_text import safe

_OVER = frozenset({"stopped", "crashed", UNKNOWN})


@command(
    "status", example="status\nstatus --json | jq .progress", short_help="Show counts, progress, workers and holds."
)
@json_option
def status(app: App, as_json: bool) -> None:
    """Show tasks by status, progress and remaining work, the workers, and anything that blocks the queue."""
    from swarm_shared.diagnosis import obstacles
    from swarm_shared.diagnosis.programs import without_workers
    from swarm_shared.diagnosis.standstill import Standstills
    from swarm_shared.store.views.pulse import Pulse
    from swarm_shared.store.views.routes import in_use

    with app.open(read_only=True) as database:
        workers = workers_shown(database)
        now = app.clock.wall_ms()
        prospect = database.prospects.now(dead=database.workers.absent())
        alive = sum(worker["status"] not in _OVER for worker in workers)
        flags = database.swarm.flags()
        started = database.swarm.started_with()
        without = without_workers(database).what_to_do
        routes, budget = database.routes.now(), database.spending.shown()
        standstills = Standstills(database.connection, app.clock).found()
        seen = {standstill.code for standstill in standstills}
        in_the_way = [finding for finding in obstacles(database) if finding.code not in seen]
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
                {
                    "route": h.route,
                    "agent_cli": h.agent_cli,
                    "kind": h.kind,
                    "reason": h.reason,
                    "until": iso(h.until_at),
                }
                for h in database.swarm.holds()
            ],
            "budget": budget,
            "routes": [state.shown() for state in routes],
            "to_land": {
                "tasks": to_land.tasks,
                "since": iso(to_land.since),
                "late": to_land.is_late(app.clock.wall_ms()),
            },
            "standstills": [{"kind": s.code, "text": s.text, "advice": s.what_to_do} for s in standstills],
            "obstacles": [{"code": f.code, "text": f.text, "advice": f.what_to_do} for f in in_the_way],
            "workers": workers,
        }
    if as_json:
        print_json(shown)
    else:
        _print(app, shown, alive, without, in_use(routes))


def _print(app: App, shown: dict[str, Any], alive: int, without: str | None, other_routes: list[str]) -> None:
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
    say(f"\n{percent(shown['progress'])} done, {shown['remaining_hours']:g} h of estimated work left{_end(app, shown)}")
    if shown["lands_on"]:
        say(f"each task has a worktree and lands on {shown['lands_on']}")
    elif shown["isolation"] is not None:
        say("agents work directly in the project folder, without worktrees")
    if (started := shown["started_with"]) is not None:
        unvalidated = "" if started["validation"] else ", without validation"
        say(f"agent CLI {started['agent_cli']} in {started['project_root']}{unvalidated}")
    for line in (*other_routes, *budget_lines(shown["budget"])):
        say(line)
    for found in (*shown["obstacles"], *shown["standstills"]):
        if found.get("code") != "no_workers" or alive:  # otherwise the last line says it
            say(f"warning: {safe(found['text'])}" + (f"\n  → {safe(found['advice'])}" if found["advice"] else ""))
    if shown["workers"]:
        say()
        workers_table(app, shown["workers"])
    if not alive:
        notice(f"no worker is running; {without}")


def _end(app: App, shown: dict[str, Any]) -> str:
    """When the queue will be done, or why it will not."""
    if shown["stalled"]:
        return f"; stalled: {shown['stalled']}"
    if not shown["eta_s"]:
        return ""
    behind = f"; {shown['stuck']:,} more wait for failed, held or cancelled tasks" if shown["stuck"] else ""
    now = app.clock.wall_ms()
    eta_ms = round(shown["eta_s"] * 1000)
    return f"; done {about(now + eta_ms, now)} (in {duration(eta_ms)}){behind}"
