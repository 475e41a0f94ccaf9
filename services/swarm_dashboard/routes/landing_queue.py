"""The routes behind Landing: the queue between passed and on the branch, and previews of landing into yours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.payloads import shapes
from swarm_dashboard.web import params
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import StateError
from swarm_shared.git.landing.land_into import own_branches
from swarm_shared.git.running.git_errors import GitError, GitUnusable
from swarm_shared.merge_back.preview import preview
from swarm_shared.merge_back.repository import integration_of
from swarm_shared.store.views.landing_queue import LandingQueue

MAX_WAITING = 100
MAX_RECENT = 30
MAX_MERGED = 5


def routes(context: Context) -> Blueprint:
    """`/api/landing`, and below it what git is asked for: it only reads, and writes nothing to the repository."""
    landing = Blueprint("landing", __name__, url_prefix="/api")

    @landing.get("/landing")
    def queue() -> Response:
        reading = context.reader()
        found = LandingQueue(reading.database.connection, context.clock)
        to_land = reading.pulse.to_land()
        return context.answer(
            {
                "integration": found.branch(),
                "landing": found.landing(),
                "waiting": found.waiting(MAX_WAITING),
                "waiting_total": to_land.tasks,
                "waiting_since": iso(to_land.since),
                "late": to_land.is_late(context.clock.wall_ms()),
                "recent": found.recent(MAX_RECENT),
                "merged": [
                    shapes.control(row, context.clock.wall_ms())
                    for row in reading.database.control.landings(limit=MAX_MERGED)
                ],
                "limit": MAX_WAITING,
            }
        )

    @landing.get("/landing/branches")
    def branches() -> Response:
        with _in_words():
            integration, row = integration_of(context.reader().database.landings)
            return context.answer({"branches": list(own_branches(integration)), "began_from": row.person_branch})

    @landing.get("/landing/preview")
    def what_would_land() -> Response:
        with _in_words():
            return context.answer(preview(context.reader().database, params.branch(request.args, "into")))

    return landing


@contextmanager
def _in_words() -> Iterator[None]:
    """A repository that cannot be read now is no fault of the dashboard."""
    try:
        yield
    except (GitError, GitUnusable) as error:
        raise StateError(error.message, hint=error.hint) from error
