"""The route for failures: problems, and how many tasks each has stopped.

The tasks of a problem are found and acted on like those of any search: by `problem:` and its fingerprint.
"""

from __future__ import annotations

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.web import params

MAX_GROUPS = 100


def routes(context: Context) -> Blueprint:
    """`/api/failures`."""
    failures = Blueprint("failures", __name__, url_prefix="/api")

    @failures.get("/failures")
    def groups() -> Response:
        limit = params.integer(request.args, "limit", MAX_GROUPS, low=1, high=MAX_GROUPS)
        found = context.reader().database.failures
        shown = {"groups": found.groups(limit), "totals": found.totals(), "imported": found.imported(), "limit": limit}
        return context.answer(shown)

    return failures
