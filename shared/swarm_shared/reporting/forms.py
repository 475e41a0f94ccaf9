"""The report of a queue, without secrets, in each of its forms."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import msgspec

from swarm_shared.database import TaskDatabase
from swarm_shared.redaction.redaction import Redaction
from swarm_shared.reporting.document import document
from swarm_shared.reporting.html import html_page
from swarm_shared.reporting.markdown import markdown
from swarm_shared.store.views.run_report import RunReport, RunReports

HTML = "html"
# By name: how the text is made from the report and the name of its subject, and how a file with it ends.
FORMS: Mapping[str, tuple[Callable[[RunReport, str], str], str]] = {
    HTML: (html_page, "html"),
    "markdown": (markdown, "md"),
    "json": (lambda report, name: json.dumps(document(report, name), indent=2), "json"),
}


def report_now(database: TaskDatabase, redaction: Redaction) -> RunReport:
    """The report of this moment. Secrets are redacted before it takes any form: its texts may quote them."""
    found = msgspec.to_builtins(RunReports(database.connection, database.clock).now())
    return msgspec.convert(redaction.value(found), RunReport)
