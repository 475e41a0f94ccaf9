"""The one page of the dashboard, the same for every screen and without any data, and the open sign of life."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

SCREENS = ("", "tasks", "needs", "failures", "graph", "workers", "landing", "audit", "health")


def routes() -> Blueprint:
    """The page under the address of each screen, so that reload and bookmarks work."""
    pages = Blueprint("pages", __name__)

    def shell(task_id: str = "") -> Response:
        return current_app.send_static_file("page.html")

    for screen in SCREENS:
        pages.add_url_rule(f"/{screen}", "shell", shell)
    pages.add_url_rule("/tasks/<task_id:task_id>", "shell", shell)

    @pages.get("/healthz")
    def healthz() -> Response:
        return Response("ok\n", mimetype="text/plain")

    return pages
