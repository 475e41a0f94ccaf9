"""The changing routes: each writes one control row and returns its id; workers and reaper carry it out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response

from swarm_dashboard.context import Context
from swarm_dashboard.web import params
from swarm_dashboard.web.guard import SOCKET_ENDPOINT
from swarm_shared.domain.branch_names import HEADS
from swarm_shared.domain.errors import InputError, NotFound
from swarm_shared.domain.models import PRIORITY_RANGE, Verb, priority_value
from swarm_shared.git.landing.land_into import refuse_if_of_the_swarm
from swarm_shared.settings.settings import MAX_WORKERS

ACTOR = "dashboard"
MAX_ATTEMPT = 2**53

TASK_ROUTES = {
    "retry": Verb.RETRY,
    "kill": Verb.KILL,
    "cancel": Verb.CANCEL,
    "hold": Verb.HOLD,
    "release": Verb.RELEASE,
    "approve": Verb.APPROVE,
    "reject": Verb.REJECT,
    "prioritize": Verb.PRIORITIZE,
    "answer": Verb.ANSWER,
}
SWARM_ROUTES = {
    "pause": Verb.PAUSE,
    "resume": Verb.RESUME,
    "scale": Verb.SCALE,
    "graceful-shutdown": Verb.DRAIN,
    "emergency-stop": Verb.EMERGENCY_STOP,
}
WORKER_ROUTES = {"drain": Verb.DRAIN, "restart": Verb.RESTART_WORKER}


def routes(context: Context) -> Blueprint:
    """`/api/…` by POST."""
    verbs = Blueprint("verbs", __name__, url_prefix="/api")

    def write(verb: Verb, target: str, body: Mapping[str, Any], *, key: str) -> int:
        argument = argument_of(verb, body)
        with context.reader.writing() as database:
            return database.control.request(
                verb, target, argument, actor=ACTOR, attempt_id=_attempt(body), idempotency_key=key or None
            )

    def accepted(row: int) -> Response:
        return context.answer({"control_id": row}, 202)

    def task_route(verb: Verb) -> Callable[[str], Response]:
        return lambda task_id: accepted(write(verb, task_id, params.body(), key=params.key()))

    def swarm_route(verb: Verb) -> Callable[[], Response]:
        return lambda: accepted(write(verb, "", params.body(), key=params.key()))

    def worker_route(verb: Verb) -> Callable[[str], Response]:
        def ask(worker_id: str) -> Response:
            params.storable(worker_id, "the worker's name")
            if worker_id not in {w["worker_id"] for w in context.reader().database.workers.shown()}:
                raise NotFound(f"no worker {worker_id!r}")
            return accepted(write(verb, worker_id, params.body(), key=params.key()))

        return ask

    # By a view's own name and not in a loop over one rule, so that the routing table names every verb.
    for word, verb in TASK_ROUTES.items():
        verbs.post(f"/tasks/<task_id:task_id>/{word}", endpoint=f"task_{word}")(task_route(verb))
    for word, verb in SWARM_ROUTES.items():
        verbs.post(f"/{word}", endpoint=word)(swarm_route(verb))
    for word, verb in WORKER_ROUTES.items():
        verbs.post(f"/workers/<worker_id:worker_id>/{word}", endpoint=f"worker_{word}")(worker_route(verb))

    verbs.post("/tasks/<task_id:task_id>/edit", endpoint="task_edit")(task_route(Verb.EDIT))

    @verbs.post("/tasks")
    def add() -> Response:
        return accepted(write(Verb.ADD, "", params.body(), key=params.key()))

    @verbs.post("/land")
    def land() -> Response:
        body = params.body()
        branch = params.branch(body, "branch")
        integration = context.reader().database.landings.integration()
        if integration is not None:
            refuse_if_of_the_swarm(integration.ref, HEADS + branch)
        return accepted(write(Verb.LAND, branch, body, key=params.key()))

    @verbs.post("/ticket")
    def ticket() -> Response:
        params.body()
        return context.answer({"ticket": context.access.new_ticket(SOCKET_ENDPOINT)})

    return verbs


def _attempt(body: Mapping[str, Any]) -> str | None:
    return params.text(body, "attempt_id", limit=params.MAX_KEY_CHARS) or None


def argument_of(verb: Verb, body: Mapping[str, Any]) -> dict[str, Any]:
    """The checked part of the body that the verb uses."""
    match verb:
        case Verb.RETRY | Verb.REJECT:
            note = params.text(body, "note", limit=params.MAX_NOTE_CHARS).strip()
            if verb is Verb.REJECT and not note:
                raise InputError("a rejection needs a note", hint="say what must be fixed")
            argument: dict[str, Any] = {"note": note} if note else {}
            for word in ("chain", "gone"):
                if body.get(word) is True:
                    argument[word] = True
            return argument
        case Verb.ANSWER:
            text = params.text(body, "text", limit=params.MAX_NOTE_CHARS).strip()
            if not text:
                raise InputError("the answer is empty", hint="say what the agent should do")
            return {"text": text, "attempt": params.whole_number(body, "attempt", low=1, high=MAX_ATTEMPT)}
        case Verb.RELEASE:
            return {"gone": True} if body.get("gone") is True else {}
        case Verb.PRIORITIZE:
            try:
                return {"priority": priority_value(body.get("priority", ""))}
            except (ValueError, TypeError) as error:
                low, high = PRIORITY_RANGE
                raise InputError("no such priority", hint=f"critical, high, medium, low or {low} to {high}") from error
        case Verb.SCALE:
            return {"workers": params.whole_number(body, "workers", low=0, high=MAX_WORKERS)}
        case Verb.ADD:
            return {"task": _mapping(body, "task"), **({"hold": True} if body.get("hold") is True else {})}
        case Verb.EDIT:
            return {
                name: _mapping(body, name) for name in ("set", "was") if name == "set" or body.get(name) is not None
            }
        case Verb.LAND if body.get("undo") is True:
            return {"undo": True, **{name: params.commit(body, name) for name in ("from", "to")}}
        case Verb.LAND:
            return {name: params.commit(body, name) for name in ("into", "tip")}
        case Verb.RESTART_WORKER:
            return {"now": True} if body.get("now") is True else {}
        case _:
            return {}


def _mapping(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise InputError(f"{name} must be an object with keys of a task file")
    return value
