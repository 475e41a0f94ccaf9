"""The route behind Landing: the queue between passed and on the branch."""

from __future__ import annotations

from flask import Blueprint, Response

from swarm_dashboard.web.context import Context
from swarm_shared.domain.clock import iso
from swarm_shared.store.queue.landing_queue import LandingQueue

MAX_WAITING = 100
MAX_RECENT = 30


def routes(context: Context) -> Blueprint:
    """`/api/landing`."""
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
                "limit": MAX_WAITING,
            }
        )

    return landing
