"""The one page of the dashboard, the same for every screen and without any data, and the open health check."""

from __future__ import annotations

from flask import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from swarm_dashboard.context import Context
from swarm_dashboard.web import params
from swarm_dashboard.web.json_responses import misrouted
from swarm_dashboard.web.static_files import StaticFiles
from swarm_shared.domain.errors import DatabaseError

FOR_PROGRAMS = ("/api/", "/static/", "/ws")
SCREENS = ("", "tasks", "inbox", "graph", "workers", "landing", "audit", "health", "logs", "settings", "report")

EARLIER = ("needs", "failures")  # bookmarks of the screens that became the Inbox
MOST_COUNTED = 99
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
    '<path d="M16 2 28 9v14l-12 7L4 23V9z" fill="#f2a900"/>'
    '<path d="M9 11.5h14M8 16h16M9 20.5h14" stroke="#2b2200" stroke-width="2.6" stroke-linecap="round"/>{mark}</svg>'
)
_MARKS = {"needs": "#b8282b", "running": "#1f5fc4", "paused": "#66615a", "done": "#1d7340"}


def icon(state: str, count: int) -> str:
    """The page's icon with a coloured mark for the state of the swarm, and a number if there is one."""
    if state not in _MARKS:
        return _ICON.format(mark="")
    mark = f'<circle cx="22.5" cy="22.5" r="9.5" fill="{_MARKS[state]}" stroke="#fff"/>'
    if count:
        style = 'fill="#fff" font-family="sans-serif" font-weight="700" font-size="13" text-anchor="middle"'
        mark += f'<text x="22.5" y="27" {style}>{count if count <= MOST_COUNTED else "…"}</text>'
    return _ICON.format(mark=mark)


def routes(context: Context, files: StaticFiles) -> Blueprint:
    """The page under the address of each screen, so that reload and bookmarks work."""
    pages = Blueprint("pages", __name__)

    def shell(task_id: str = "") -> Response:
        return Response(files.page(), mimetype="text/html")

    for screen in (*SCREENS, *EARLIER):
        pages.add_url_rule(f"/{screen}", "shell", shell)
    pages.add_url_rule("/tasks/<task_id:task_id>", "shell", shell)

    @pages.get("/icon.svg")
    def state_icon() -> Response:
        count = params.integer(request.args, "count", 0, low=0, high=MOST_COUNTED + 1)
        return Response(icon(params.text(request.args, "state"), count), mimetype="image/svg+xml")

    @pages.app_errorhandler(404)
    def lost(error: NotFound) -> Response:
        """A user who mistyped an address gets the page, which reports this and shows the screens; a program gets the
        error.
        """
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
