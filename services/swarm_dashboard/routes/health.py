"""The route for the Health screen: what an operator checks first, each item with its state and advice.

The reaper writes into the database what only other programs can see, such as whether supervisord responds.
"""

from __future__ import annotations

from flask import Blueprint, Response
from msgspec.structs import asdict, replace

from swarm_dashboard.context import Context
from swarm_shared.diagnosis import Finding, Level, diagnose
from swarm_shared.domain.clock import iso
from swarm_shared.own_checkout import not_pointed_at_a_project


def routes(context: Context) -> Blueprint:
    """`/api/health`."""
    health = Blueprint("health", __name__, url_prefix="/api")

    @health.get("/health")
    def checks() -> Response:
        found = diagnose(context.reader().database)
        settings = context.config.settings
        error = not_pointed_at_a_project(settings)
        if error is not None:
            advice = f"set project_root in {settings.db.with_name('swarm.yaml')}, then restart the swarm"
            whole = Finding.of(error, code="no_project", part="swarm", name="project")
            found.append(replace(whole, advice=advice))  # a page has no flags
        worst = max((each.level for each in found), key=list(Level).index)
        now = iso(context.clock.wall_ms())
        return context.answer({"level": worst, "checks": [asdict(each) for each in found], "now": now})

    return health
