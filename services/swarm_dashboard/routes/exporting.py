"""The route that exports tasks as a task file, to be saved by the browser."""

from __future__ import annotations

import io
from importlib.metadata import version

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.web import task_search
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import InputError
from swarm_shared.store.views.browse import Browse
from swarm_shared.store.views.task_filter import Filter
from swarm_shared.taskfile.writer import write_task_file

MAX_EXPORTED = 20_000  # one response of some megabytes


def routes(context: Context) -> Blueprint:
    """`/api/export`."""
    exporting = Blueprint("exporting", __name__, url_prefix="/api/export")

    @exporting.get("")
    def tasks() -> Response:
        """All tasks, or those that match `q`, `status` and `phase` as on the screen."""
        wanted = task_search.requested(request.args, now_ms=context.clock.wall_ms())
        reading = context.reader()
        refuse_too_many(reading.browse, wanted)
        text = io.StringIO()
        number = write_task_file(
            text,
            reading.database.tasks.specs(wanted),
            exported_at=iso(context.clock.wall_ms()) or "",
            version=version("amplifier-swarm"),
        )
        return context.answer({"tasks": number, "text": text.getvalue()})

    return exporting


def refuse_too_many(browse: Browse, wanted: Filter) -> None:
    """Count before anything is written, and no further than needed.

    Raises:
        InputError: Too many match.
    """
    number, after = 0, 0
    while True:
        tally = browse.tally(wanted, after=after)
        number += sum(tally.by_status.values())
        if number > MAX_EXPORTED:
            at_least = "" if tally.cursor is None else "at least "
            raise InputError(f"{at_least}{number:,} tasks are too many for a browser; export them on the command line")
        if tally.cursor is None:
            return
        after = tally.cursor
