"""The reading routes, which never change anything."""

from __future__ import annotations

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.payloads import shapes
from swarm_dashboard.web import params
from swarm_dashboard.web import task_search as search
from swarm_shared.domain.errors import InputError, NotFound
from swarm_shared.domain.models import Verb
from swarm_shared.store.requests.bulk import Bulk

MAX_PAGE = 200
PAGE = 50
MAX_EVENTS = 500
MAX_AUDIT = 200
MAX_PHASES = 500
LOG_BYTES = 256 * 1024
MAX_SEQ = 2**53  # the largest integer that JavaScript represents exactly
ROLES = ("builder", "validator", "check")


def routes(context: Context) -> Blueprint:
    """`/api/…` by GET."""
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.get("/status")
    def status() -> Response:
        extra = {"auth": "none" if context.access.open_to_all else "token", "database": context.config.db.name}
        return context.answer(shapes.status(context.reader()) | extra)

    @api.get("/tasks")
    def tasks() -> Response:
        wanted = search.requested(request.args, now_ms=context.clock.wall_ms())
        limit = params.integer(request.args, "limit", PAGE, low=1, high=MAX_PAGE)
        after = params.integer(request.args, "cursor", 0, low=0, high=MAX_SEQ)
        page = context.reader().browse.page(wanted, after=after, limit=limit)
        return context.answer(
            {
                "tasks": shapes.rows(page.tasks),
                "total": page.total,
                "limit": limit,
                "cursor": page.cursor,
                "looked_at": page.looked_at,
            }
        )

    @api.get("/phases")
    def phases() -> Response:
        return context.answer({"phases": context.reader().database.tasks.phases(limit=MAX_PHASES)})

    @api.get("/tasks/<task_id:task_id>")
    def task(task_id: str) -> Response:
        return context.answer(shapes.task(context.reader(), task_id))

    @api.get("/tasks/<task_id:task_id>/attempts/<int:number>/log")
    def log(task_id: str, number: int) -> Response:
        reading = context.reader()
        role = params.choice(request.args, "role", "builder", ROLES)
        session_id = params.integer(request.args, "session", 0, low=0, high=MAX_SEQ)
        start = params.integer(request.args, "from", 0, low=-MAX_SEQ, high=MAX_SEQ)
        limit = params.integer(request.args, "limit", LOG_BYTES, low=1, high=LOG_BYTES)
        sessions = reading.log.sessions(reading.log.attempt(task_id, _number(number)), limit=shapes.MAX_SESSIONS)
        fitting = [s for s in sessions if (s["id"] == session_id if session_id else s["role"] == role)]
        if not fitting:
            return context.answer({"session": None, "sessions": sessions, "pieces": [], "next": 0, "ended": True})
        chosen = fitting[-1]
        pieces, following = reading.log.read(chosen["id"], start=start, limit_bytes=limit)
        return context.answer(
            {
                "session": chosen["id"],
                "role": chosen["role"],
                "sessions": sessions,
                "pieces": shapes.log_pieces(pieces),
                "next": following,
                "lost": [chosen["lost_from"], chosen["lost_to"]] if chosen["lost_to"] else None,
                "ended": chosen["ended_at"] is not None,
            }
        )

    @api.get("/tasks/<task_id:task_id>/attempts/<int:number>/prompts")
    def prompts(task_id: str, number: int) -> Response:
        reading = context.reader()
        attempt = reading.log.attempt(task_id, _number(number))
        found = reading.database.tasks.sessions(attempt)[-shapes.MAX_SESSIONS :]
        shown = [{k: s[k] for k in ("id", "role", "name", "prompt")} for s in found if s["prompt"] is not None]
        return context.answer({"prompts": shown})

    @api.get("/workers")
    def workers() -> Response:
        return context.answer({"workers": shapes.workers(context.reader())})

    @api.get("/log")
    def events() -> Response:
        database = context.reader().database
        limit = params.integer(request.args, "limit", 100, low=1, high=MAX_EVENTS)
        if "since" in request.args:
            since = params.integer(request.args, "since", 0, low=0, high=MAX_SEQ)
            found = database.events.since(since, limit=limit)
        else:
            found = database.events.newest(limit)
        return context.answer({"log": found, "last": database.events.last_id(), "limit": limit})

    @api.get("/control")
    def audit() -> Response:
        database = context.reader().database
        limit = params.integer(request.args, "limit", 50, low=1, high=MAX_AUDIT)
        before = params.integer(request.args, "before", MAX_SEQ, low=0, high=MAX_SEQ)
        found = database.control.newest(limit=limit + 1, before=before)
        now = context.clock.wall_ms()
        return context.answer(
            {
                "control": [shapes.control(row, now) for row in found[:limit]],
                "cursor": found[limit - 1].id if len(found) > limit else None,
            }
        )

    @api.get("/control/<int:row_id>")
    def control(row_id: int) -> Response:
        database = context.reader().database
        row = database.control.get(_number(row_id))
        is_many = row.verb is Verb.BULK
        progress = Bulk(database.connection, context.clock).progress(row.id) if is_many else None
        return context.answer(shapes.control(row, context.clock.wall_ms(), progress))

    @api.get("/<path:rest>")
    def unknown(rest: str) -> Response:
        raise NotFound("there is no such route")

    return api


def _number(value: int) -> int:
    if value > MAX_SEQ:
        raise InputError("the number is too large")
    return value
