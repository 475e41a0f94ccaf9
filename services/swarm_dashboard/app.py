"""Assembles the Flask app: guard first, then the routes."""

from __future__ import annotations

import os
from collections.abc import Mapping

from flask import Flask

from swarm_dashboard.config import DashboardConfig
from swarm_dashboard.context import Context
from swarm_dashboard.live.live_updates import Live
from swarm_dashboard.routes import attempts_timeline as timeline
from swarm_dashboard.routes import bulk as bulk_routes
from swarm_dashboard.routes import dependency_graph as graph_route
from swarm_dashboard.routes import exporting, health, importing, metrics, needs, pages, reports
from swarm_dashboard.routes import landing_queue as landing
from swarm_dashboard.routes import overview as api
from swarm_dashboard.routes import problems as failures
from swarm_dashboard.routes import requests as verbs
from swarm_dashboard.routes import session_logs as log_routes
from swarm_dashboard.routes import settings as settings_routes
from swarm_dashboard.routes import socket as socket_route
from swarm_dashboard.routes import task as task_routes
from swarm_dashboard.web import guard, static_files
from swarm_dashboard.web import json_responses as answers
from swarm_dashboard.web.access import Access
from swarm_dashboard.web.database_reader import Reader
from swarm_dashboard.web.encoded_ids import EncodedSlashes, IdConverter
from swarm_dashboard.web.static_files import StaticFiles
from swarm_shared.domain.clock import Clock, SystemClock
from swarm_shared.redaction.redaction import Redaction

EXTENSION = "swarm_dashboard"


def create_app(
    config: DashboardConfig, *, clock: Clock | None = None, environ: Mapping[str, str] | None = None
) -> Flask:
    """Build the app; to be called after any fork.

    Args:
        environ: The environment whose secrets are redacted and that locates the agents' sessions; by default the
        process's own.
    """
    clock = clock or SystemClock()
    environ = os.environ if environ is None else environ
    redaction = Redaction(environ)
    reader = Reader(config.db, clock)
    access = Access(
        lambda: config.own_token or _token_of(reader),
        clock,
        open_to_all=config.open_to_all,
    )
    context = Context(
        config=config,
        clock=clock,
        reader=reader,
        access=access,
        live=Live(reader, redaction, places=config.sockets),
        redaction=redaction,
        environ=environ,
    )
    app = Flask("swarm_dashboard", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=answers.MAX_BODY_BYTES, PROVIDE_AUTOMATIC_OPTIONS=False)
    # Added manually, because the constructor would add it before OPTIONS is turned off.
    files = StaticFiles()
    static_files.install(app, files)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # an id may contain two slashes in a row
    app.url_map.converters["task_id"] = app.url_map.converters["worker_id"] = IdConverter
    app.wsgi_app = EncodedSlashes(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's manual says
    app.extensions[EXTENSION] = context
    answers.install(app)
    guard.install(app, config, access)
    app.register_blueprint(pages.routes(context, files))
    app.register_blueprint(timeline.routes(context))
    app.register_blueprint(graph_route.routes(context))
    app.register_blueprint(api.routes(context))
    app.register_blueprint(needs.routes(context))
    app.register_blueprint(failures.routes(context))
    app.register_blueprint(landing.routes(context))
    app.register_blueprint(importing.routes(context))
    app.register_blueprint(exporting.routes(context))
    app.register_blueprint(reports.routes(context))
    app.register_blueprint(health.routes(context))
    app.register_blueprint(log_routes.routes(context))
    app.register_blueprint(settings_routes.routes(context))
    app.register_blueprint(task_routes.routes(context))
    app.register_blueprint(bulk_routes.routes(context))
    app.register_blueprint(verbs.routes(context))
    app.register_blueprint(metrics.routes(context))
    socket_route.install(app, context)
    return app


def live_of(app: Flask) -> Live:
    """The live part of an app, for the code that ends the process."""
    context: Context = app.extensions[EXTENSION]
    return context.live


def _token_of(reader: Reader) -> str:
    known = reader().database.swarm.meta("dashboard_token")
    if known is None:
        # The file was replaced by one that never had a dashboard.
        with reader.writing() as database:
            known = database.swarm.dashboard_token()
    return known
