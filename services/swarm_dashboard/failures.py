"""The routes behind Failures: problems with how many tasks each has stopped, and a retry of all tasks of one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from swarm_dashboard import params
from swarm_dashboard.api import MAX_SEQ
from swarm_dashboard.context import Context
from swarm_dashboard.verbs import ACTOR
from swarm_shared.errors import NotFound
from swarm_shared.models import Verb
from swarm_shared.store.control import EXPIRES_AFTER_S

MAX_GROUPS = 100
MAX_TASKS = 1_000  # of one problem, retried at once
EXPIRES_PER_TASK_S = 0.05  # the reaper takes them one after the other


def routes(context: Context) -> Blueprint:
    """`/api/failures…`."""
    failures = Blueprint("failures", __name__, url_prefix="/api/failures")

    @failures.get("")
    def groups() -> Response:
        limit = params.integer(request.args, "limit", MAX_GROUPS, low=1, high=MAX_GROUPS)
        found = context.reader().database.failures
        return context.answer({"groups": found.groups(limit), "totals": found.totals(), "limit": limit})

    @failures.post("/<fingerprint>/retry")
    def retry(fingerprint: str) -> Response:
        body = params.body()
        note = params.text(body, "note", limit=params.MAX_NOTE_CHARS).strip()
        key = params.key()
        params.storable(fingerprint, "the fingerprint")
        with context.reader.writing() as database:
            ids = database.failures.task_ids(fingerprint, limit=MAX_TASKS)
            if not ids:
                raise NotFound("no failed or held task has this problem", hint="they may have been retried already")
            argument: dict[str, Any] = {"note": note} if note else {}
            patience_s = EXPIRES_AFTER_S + EXPIRES_PER_TASK_S * len(ids)
            with database.connection.transaction():
                rows = [
                    database.control.request(
                        Verb.RETRY,
                        task_id,
                        argument,
                        actor=ACTOR,
                        idempotency_key=f"{key}/{place}" if key else None,
                        expires_after_s=patience_s,
                    )
                    for place, task_id in enumerate(ids)
                ]
        return context.answer({"first": rows[0], "last": rows[-1], "count": len(rows)}, 202)

    @failures.get("/retries")
    def outcomes() -> Response:
        """How far a retry of many has come: rows by status, of those from `first` to `last`."""
        first = params.integer(request.args, "first", 0, low=0, high=MAX_SEQ)
        last = params.integer(request.args, "last", 0, low=0, high=min(MAX_SEQ, first + MAX_TASKS))
        return context.answer({"outcomes": context.reader().database.control.outcomes(first, last)})

    return failures
