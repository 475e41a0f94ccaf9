"""An action on many tasks: the exact number of tasks, and the single control row that requests it."""

from __future__ import annotations

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.routes.requests import ACTOR, TASK_ROUTES, argument_of
from swarm_dashboard.web import params
from swarm_dashboard.web import task_search as search
from swarm_shared.domain.errors import InputError, NotFound
from swarm_shared.store.requests.bulk import Bulk, meant
from swarm_shared.store.requests.steering import MEANT
from swarm_shared.store.views.browse import Tally

MAX_IDS = 500
MAX_SEQ = 2**53


# Each question is answered separately.
BULK_ROUTES = {word: verb for word, verb in TASK_ROUTES.items() if verb in MEANT}


def routes(context: Context) -> Blueprint:
    """`/api/count` and `/api/tasks/bulk`."""
    bulk = Blueprint("bulk", __name__, url_prefix="/api")

    @bulk.get("/count")
    def count() -> Response:
        """How many tasks match, and to how many of them the verb applies; continue from `cursor` and add up the
        results.
        """
        wanted = search.requested(request.args, now_ms=context.clock.wall_ms())
        verb = params.choice(request.args, "verb", "", tuple(BULK_ROUTES))
        after = params.integer(request.args, "cursor", 0, low=0, high=MAX_SEQ)
        tally: Tally = context.reader().browse.tally(wanted, after=after)
        chosen = meant(BULK_ROUTES[verb], wanted) if verb else wanted
        allowed = () if chosen is None else chosen.statuses if verb else tuple(tally.by_status)
        left_alone = {str(status): n for status, n in sorted(tally.by_status.items()) if n and status not in allowed}
        matching = sum(tally.by_status.values())
        return context.answer(
            {
                "matching": matching,
                "meant": matching - sum(left_alone.values()),
                "left_alone": left_alone,
                "cursor": tally.cursor,
            }
        )

    @bulk.post("/tasks/bulk")
    def act() -> Response:
        """One control row for all: `ids`, or what is `matching` a search."""
        body = params.body()
        word = params.choice(body, "verb", "", tuple(BULK_ROUTES))
        ids, matching = body.get("ids"), body.get("matching")
        if not word or (ids is None) == (matching is None):
            raise InputError("bulk requires a verb, and either ids or matching")
        verb = BULK_ROUTES[word]
        argument, key = argument_of(verb, body), params.key() or None
        unknown: list[str] = []
        with context.reader.writing() as database:
            store = Bulk(database.connection, context.clock)
            if matching is not None:
                if not isinstance(matching, dict):
                    raise InputError("matching must be an object with q, status or phase")
                wanted = search.requested(matching, now_ms=context.clock.wall_ms())
                row = store.request_matching(verb, wanted, argument, actor=ACTOR, key=key)
            else:
                known = _checked(ids)
                unknown = [task_id for task_id in known if not database.tasks.is_there(task_id)]
                known = [task_id for task_id in known if task_id not in unknown]
                if not known:
                    raise NotFound("none of these tasks exists")
                row = store.request_ids(verb, known, argument, actor=ACTOR, key=key)
        return context.answer({"control_id": row, "not_found": unknown}, 202)

    return bulk


def _checked(ids: object) -> list[str]:
    if not isinstance(ids, list) or not ids or not all(isinstance(task_id, str) for task_id in ids):
        raise InputError("ids must be a list of strings")
    if len(ids) > MAX_IDS:
        raise InputError(f"at most {MAX_IDS} tasks by their ids", hint="use matching to choose more")
    for task_id in ids:
        params.storable(task_id, "an id")
    return list(dict.fromkeys(ids))
