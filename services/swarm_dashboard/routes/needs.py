"""The route for the Inbox: everything that needs the user, by cause, each with the action that usually helps.

Failed tasks by what went wrong, held ones by their reason, and cancelled ones that others need.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.payloads import shapes
from swarm_dashboard.routes.overview import MAX_PAGE, MAX_SEQ, PAGE
from swarm_dashboard.routes.problems import MAX_GROUPS
from swarm_dashboard.web import params
from swarm_shared.diagnosis import obstacles
from swarm_shared.diagnosis.why import why_held
from swarm_shared.domain.models import Status
from swarm_shared.store.views.task_filter import Filter


def routes(context: Context) -> Blueprint:
    """`/api/needs`."""
    needs = Blueprint("needs", __name__, url_prefix="/api")

    @needs.get("/needs")
    def held() -> Response:
        limit = params.integer(request.args, "limit", PAGE, low=1, high=MAX_PAGE)
        after = params.integer(request.args, "cursor", 0, low=0, high=MAX_SEQ)
        page = context.reader().browse.page(Filter(statuses=(Status.HELD,)), after=after, limit=limit)
        tasks = [row | _reason(row) for row in shapes.rows(page.tasks)]
        failures = context.reader().database.failures
        return context.answer(
            {
                "tasks": tasks,
                "total": page.total,
                "limit": limit,
                "cursor": page.cursor,
                "groups": [group for group in failures.groups(MAX_GROUPS) if group["failed"]],
                "imported": failures.imported(),
                "reasons": [{"reason": reason, "tasks": n} for reason, n in failures.held_reasons()],
                "cancelled": failures.cancelled_in_the_way(),
                "counts": shapes.needs(context.reader(), obstacles(context.reader().database)),
            }
        )

    return needs


def _reason(row: dict[str, Any]) -> dict[str, str | None]:
    """`next` is the verb that usually helps; null if only waiting helps."""
    words, verb = why_held(row["hold_reason"])
    return {"why": words, "next": verb}
