"""The report of the queue: as a separate page, and as text that the browser saves."""

from __future__ import annotations

import threading

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.web import params
from swarm_dashboard.web.guard import REPORT_ENDPOINT
from swarm_shared.domain.errors import InputError
from swarm_shared.reporting.forms import FORMS, HTML, report_now

MAX_REPORTED = 20_000  # tasks; about two seconds of work

# For a page that is loaded again; it has no token to ask for another ticket.
SHOWN_ONCE = (
    '<!doctype html><html lang="en"><title>Report</title><h1>This address shows the report only once</h1>'
    '<p><a href="/report">Open the report in the dashboard</a></p></html>'
)


def routes(context: Context) -> Blueprint:
    """`/api/report`, and below it the page, which a ticket opens: an address cannot carry the token."""
    reports = Blueprint("reports", __name__, url_prefix="/api/report")
    making = threading.Lock()  # one report at a time: the other pages need the processor too

    def made(form: str) -> str:
        text_of, _ = FORMS[form]
        with making:
            database = context.reader().database
            refuse_too_many()
            return text_of(report_now(database, context.redaction), context.config.db.name)

    def refuse_too_many() -> None:
        number = sum(tasks for tasks, _ in context.reader().database.tasks.counts().values())
        if number > MAX_REPORTED:
            raise InputError(f"a report on {number:,} tasks is too large for a browser; the command line writes it")

    @reports.get("")
    def text() -> Response:
        form = params.choice(request.args, "form", HTML, tuple(FORMS))
        return context.answer({"name": f"report.{FORMS[form][1]}", "text": made(form)})

    @reports.post("/ticket")
    def ticket() -> Response:
        params.body()
        refuse_too_many()
        return context.answer({"ticket": context.access.new_ticket(REPORT_ENDPOINT)})

    @reports.get("/page")
    def page() -> Response:
        if not context.access.use_ticket(REPORT_ENDPOINT, request.args.get("ticket", "")):
            return Response(SHOWN_ONCE, status=401, mimetype="text/html")
        return Response(made(HTML), mimetype="text/html")

    return reports
