"""The one page of the dashboard, the same for every screen and without any data, and the open sign of life."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import NotFound

from swarm_dashboard.web.context import Context
from swarm_dashboard.web.json_responses import misrouted
from swarm_shared.domain.errors import DatabaseError

FOR_PROGRAMS = ("/api/", "/static/", "/ws")
SCREENS = ("", "tasks", "needs", "failures", "graph", "workers", "landing", "audit", "health")


def routes(context: Context) -> Blueprint:
    """The page under the address of each screen, so that reload and bookmarks work."""
    pages = Blueprint("pages", __name__)

    def shell(task_id: str = "") -> Response:
        return current_app.send_static_file("page.html")

    for screen in SCREENS:
        pages.add_url_rule(f"/{screen}", "shell", shell)
    pages.add_url_rule("/tasks/<task_id:task_id>", "shell", shell)

    @pages.app_errorhandler(404)
    def lost(error: NotFound) -> Response:
        """A person who mistyped an address gets the page, which says so and shows the screens; a program the error."""
        asks_as_a_person = request.method == "GET" and "text/html" in request.headers.get("Accept", "")
        if not asks_as_a_person or request.path.startswith(FOR_PROGRAMS):
            return misrouted(error)
        page = shell()
        page.status_code = 404
        return page

    @pages.get("/healthz")
    def healthz() -> Response:
        try:
            context.reader().database.connection.data_version()
        except DatabaseError:
            return Response("the database cannot be read\n", status=503, mimetype="text/plain")
        return Response("ok\n", mimetype="text/plain")

    return pages
