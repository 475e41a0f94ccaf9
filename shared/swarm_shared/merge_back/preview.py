"""What landing into a branch would bring, and which tasks are not part of it: for display, in the shape of JSON."""

from __future__ import annotations

from typing import Any

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Status
from swarm_shared.git.landing.land_preview import Preview, land_preview
from swarm_shared.merge_back.landing import marks_of
from swarm_shared.merge_back.repository import integration_of

MAX_FILES = 300
MAX_NAMED = 10
# What landing does not bring, in the order in which it matters; cancelled tasks are not expected to be there.
_NOT_INCLUDED: tuple[tuple[str, tuple[Status, ...]], ...] = (
    ("passed, waiting to land", (Status.APPROVED, Status.LANDING)),
    ("failed", (Status.FAILED,)),
    ("held", (Status.HELD,)),
    ("running", (Status.CLAIMED, Status.IN_PROGRESS)),
    ("not started", (Status.NOT_STARTED, Status.BLOCKED, Status.WAITING_FILES, Status.SCHEDULED)),
)


def preview(database: TaskDatabase, branch: str) -> dict[str, Any]:
    """The preview as JSON; lists are bounded, and their counts are complete.

    Raises:
        NotFound: There is no such branch, or nothing has landed yet.
        StateError: The swarm has no integration branch, or its repository is missing.
    """
    integration, _ = integration_of(database.landings)
    found = land_preview(integration, branch, marks=marks_of(database, integration))
    return {**shown(found), "not_included": not_included(database)}


def shown(found: Preview) -> dict[str, Any]:
    """In the shape of JSON."""
    return {
        "branch": found.branch,
        "landed": found.landed,
        "into": found.seen.into,
        "tip": found.seen.tip,
        "kind": str(found.kind),
        "commits": [
            {
                "commit": each.commit,
                "at": iso(each.at * 1000),
                "task_id": _text(each.task_id) or None,
                "author": _text(each.author),
                "title": _text(each.title),
            }
            for each in found.commits
        ],
        "commit_count": found.commit_count,
        "files": [
            {
                "path": _text(file.path),
                "old_path": None if file.old_path is None else _text(file.old_path),
                "change": str(file.change),
                "added": file.added,
                "deleted": file.deleted,
            }
            for file in found.files[:MAX_FILES]
        ],
        "file_count": len(found.files),
        "added": sum(file.added or 0 for file in found.files),
        "deleted": sum(file.deleted or 0 for file in found.files),
        "checkout": None if found.checkout is None else _text(str(found.checkout)),
        "refusal": None
        if found.refusal is None
        else {"message": _text(found.refusal.message), "hint": found.refusal.hint},
    }


def not_included(database: TaskDatabase) -> list[dict[str, Any]]:
    """Tasks whose work is not on the integration branch: `what`, their `count`, and the first `ids`."""
    counts = database.tasks.counts()
    return [
        {
            "what": what,
            "count": count,
            "ids": database.tasks.matching(statuses, None, limit=MAX_NAMED),
        }
        for what, statuses in _NOT_INCLUDED
        if (count := sum(counts.get(status, (0, 0.0))[0] for status in statuses))
    ]


def _text(text: str) -> str:
    """Bytes of a path or title that are no text become a mark."""
    return text.encode("utf-8", "replace").decode()
