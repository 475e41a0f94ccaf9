"""The route that exports tasks as a task file, to be saved by the browser."""

from __future__ import annotations

import io
from importlib.metadata import version

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.web import params
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import InputError
from swarm_shared.taskfile.writer import write_task_file

MAX_EXPORTED = 20_000  # one response of some megabytes


def routes(context: Context) -> Blueprint:
    """`/api/export`."""
    exporting = Blueprint("exporting", __name__, url_prefix="/api/export")

    @exporting.get("")
    def tasks() -> Response:
        wanted = params.statuses(params.text(request.args, "status"))
        database = context.reader().database
        counts = database.tasks.counts()
        number = sum(n for status, (n, _) in counts.items() if not wanted or status in wanted)
        if number > MAX_EXPORTED:
            raise InputError(f"{number:,} tasks are too many for a browser; export them on the command line")
        text = io.StringIO()
        write_task_file(
            text,
            database.tasks.specs(wanted),
            exported_at=iso(context.clock.wall_ms()) or "",
            version=version("amplifier-swarm"),
        )
        return context.answer({"tasks": number, "text": text.getvalue()})

    return exporting
