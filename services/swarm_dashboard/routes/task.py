"""What the screen of one task requests separately: why the task waits, its changes, and its next prompt."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from swarm_dashboard.context import Context
from swarm_dashboard.web import params
from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import GROUP_OF, Group, Status
from swarm_shared.next_prompt import next_prompt, place_by_record
from swarm_shared.store.views.changes import Since

MAX_NUMBER = 2**53
_NO_NEXT = frozenset({Group.IN_PROGRESS, Group.COMPLETED})


def routes(context: Context) -> Blueprint:
    """`/api/tasks/…/why`, `…/next-prompt` and `…/attempts/…/diff` by GET."""
    tasks = Blueprint("task", __name__, url_prefix="/api/tasks/<task_id:task_id>")

    @tasks.get("/why")
    def why(task_id: str) -> Response:
        database = context.reader().database
        explained = Why(database.connection, context.clock).explain(
            task_id, default_cli=context.config.settings.agent_cli
        )
        return context.answer(explained.shown())

    @tasks.get("/next-prompt")
    def prompt(task_id: str) -> Response:
        database = context.reader().database
        task = database.tasks.get(task_id)
        shown: dict[str, Any] = {"attempt": task["attempt_count"] + 1, "prompt": None, "resumes": None, "problem": None}
        if GROUP_OF[Status(task["status"])] not in _NO_NEXT:
            try:
                settings = context.config.settings
                place = place_by_record(database, task, settings)
                following = next_prompt(database, task, settings, at=place, environ=context.environ)
                shown |= {"prompt": following.text, "resumes": following.resumes}
            except ConfigError as error:
                shown["problem"] = error.message
        return context.answer(shown)

    @tasks.get("/attempts/<int:number>/diff")
    def diff(task_id: str, number: int) -> Response:
        reading = context.reader()
        attempt = reading.log.attempt(task_id, min(number, MAX_NUMBER))
        since = Since(params.choice(request.args, "since", Since.BASE, tuple(Since)))
        return context.answer({"since": since, "change": reading.database.changes.of(attempt, since)})

    return tasks
