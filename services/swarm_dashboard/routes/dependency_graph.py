"""`/api/graph`: tasks around one task, of a phase, or all if there are few; otherwise the phases. The response reports
what was left out.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.drawing.layers import Layout, lay_out
from swarm_dashboard.web import params
from swarm_dashboard.web.database_reader import Reading
from swarm_dashboard.web.shared_responses import SharedAnswers
from swarm_shared.domain.models import GROUP_OF, Status
from swarm_shared.store.views.estimates.critical_path import HOUR_S, critical_way

MAX_BOXES = 400
DEPTH, MAX_DEPTH = 2, 8
VIEWS = ("", "all", "phases", "work")


def routes(context: Context) -> Blueprint:
    """The route of the graph, computed once for all pages that ask within a second."""
    shared = SharedAnswers(context.clock)
    blueprint = Blueprint("graph", __name__, url_prefix="/api")

    @blueprint.get("/graph")
    def graph() -> Response:
        task = params.text(request.args, "task")
        phase = params.text(request.args, "phase") if "phase" in request.args else None
        depth = params.integer(request.args, "depth", DEPTH, low=1, high=MAX_DEPTH)
        view = params.choice(request.args, "view", "", VIEWS)
        key = (task, phase, depth, view)
        reading = context.reader()
        last = reading.database.events.last_id()
        body = shared.get(
            key,
            lambda: context.written(shown(reading, task, phase, depth=depth, view=view)),
            last=last,
            wanted=last,
        )
        return Response(body, mimetype="application/json")

    return blueprint


def shown(reading: Reading, task: str, phase: str | None, *, depth: int, view: str) -> dict[str, Any]:
    """The data for the graph screen.

    Raises:
        NotFound: No such task.
    """
    counts = reading.graph.counts()
    total = sum(sum(statuses.values()) for statuses in counts.values())
    whole = {"total": total, "phases": [name for name in counts if name][:MAX_BOXES]}
    if task:
        seeds = [int(reading.database.tasks.get(task)["seq"])]
        return whole | _tasks(reading, reading.graph.around(seeds, depth=depth, limit=MAX_BOXES), view="task", of=None)
    if phase is not None:
        of = sum(counts.get(phase, {}).values())
        return whole | _tasks(reading, reading.graph.of_phase(phase, limit=MAX_BOXES), view="phase", of=of)
    if not view:
        view = "all" if total <= MAX_BOXES else "phases" if len(counts) > 1 else "work"
    if view == "phases":
        return whole | _phases(reading, counts)
    if view == "work":
        seqs = reading.graph.around(reading.graph.at_work(), depth=depth, limit=MAX_BOXES)
        return whole | _tasks(reading, seqs, view="work", of=total)
    return whole | _tasks(reading, reading.graph.of_phase(None, limit=MAX_BOXES), view="all", of=total)


def _tasks(reading: Reading, seqs: list[int], *, view: str, of: int | None) -> dict[str, Any]:
    found = reading.graph.cut_out(seqs)
    place = {task.seq: n for n, task in enumerate(found.tasks)}
    links = [(place[a], place[b]) for a, b in found.links]
    layout = lay_out(len(found.tasks), links)
    measured_s = reading.database.prospects.usual_s()
    usual_s = HOUR_S if measured_s is None else round(measured_s, 3)
    way = critical_way(found.tasks, links, usual_s=usual_s, now=reading.database.clock.wall_ms())
    return {
        "view": view,
        "of": of,
        "cut": len(seqs) >= MAX_BOXES and (of is None or of > len(seqs)),
        "links_cut": found.links_cut,
        "boxes": [
            {
                "id": task.id,
                "name": task.name,
                "phase": task.phase,
                "status": str(task.status),
                "group": str(GROUP_OF[task.status]),
                "stage": task.stage,
                "hours": task.estimated_hours,
                "needs_more": task.needs_more,
                "frees_more": task.frees_more,
                "column": layout.column[n],
                "row": layout.row[n],
            }
            for n, task in enumerate(found.tasks)
        ],
        "links": _links(links, layout),
        "critical": {
            "places": way.places,
            "seconds": way.seconds,
            "usual_s": usual_s,
            "usual_is_measured": measured_s is not None,
        },
    }


def _phases(reading: Reading, counts: dict[str, dict[Status, int]]) -> dict[str, Any]:
    """One box per phase. A link is drawn when one of the phase's first tasks shows it."""
    names = list(counts)[:MAX_BOXES]
    place = {name: n for n, name in enumerate(names)}
    found, looked_at = reading.graph.phase_links(names)
    links = [(place[a], place[b]) for a, b in found]
    layout = lay_out(len(names), links)
    boxes: list[dict[str, Any]] = []
    for n, name in enumerate(names):
        groups: dict[str, int] = {}
        for status, tasks in counts[name].items():
            groups[str(GROUP_OF[status])] = groups.get(str(GROUP_OF[status]), 0) + tasks
        boxes.append(
            {
                "phase": name,
                "name": name or "no phase",
                "tasks": sum(groups.values()),
                "groups": groups,
                "group": _foremost(groups),
                "column": layout.column[n],
                "row": layout.row[n],
            }
        )
    return {
        "view": "phases",
        "of": len(counts),
        "cut": len(counts) > len(names),
        "looked_at": looked_at if any(sum(counts[name].values()) > looked_at for name in names) else None,
        "boxes": boxes,
        "links": _links(links, layout),
        "critical": None,
    }


def _foremost(groups: dict[str, int]) -> str:
    """The status of a phase: problems first, then work, then whether it is done."""
    for group in ("failed", "held", "in_progress", "not_started", "completed"):
        if groups.get(group):
            return group
    return "cancelled"


def _links(links: list[tuple[int, int]], layout: Layout) -> list[list[Any]]:
    """Each as [before, behind, rows that it passes in the columns between]."""
    return [[a, b, layout.bends.get((a, b), [])] for a, b in dict.fromkeys(links)]
