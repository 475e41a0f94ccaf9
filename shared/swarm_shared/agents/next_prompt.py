"""What the next attempt of a task would be told, from the database and the settings alone."""

from __future__ import annotations

from typing import Any

from swarm_shared.agents.history import past_attempts
from swarm_shared.agents.presets import choose, load_presets
from swarm_shared.agents.prompt import build_prompt
from swarm_shared.config import Settings
from swarm_shared.database import TaskDatabase
from swarm_shared.git.diffs import Change, Diff, FileChange
from swarm_shared.models import Role
from swarm_shared.store.changes import Since


def next_prompt(database: TaskDatabase, settings: Settings, task: dict[str, Any]) -> str:
    """The builder's prompt of the attempt that would come next; `task` as `Tasks.get` gives it."""
    spec = database.tasks.spec(task["seq"])
    cli = choose(load_presets(settings.agent_clis), spec.agent_cli or settings.agent_cli)
    number = task["attempt_count"] + 1
    retries = settings.max_retries if spec.max_retries is None else spec.max_retries
    history = database.tasks.history(task["seq"])
    return build_prompt(
        spec,
        role=Role.BUILDER,
        attempt_number=number,
        attempts_allowed=number + max(0, retries - task["failures"]),
        project_root=settings.project_root,
        history=past_attempts(history),
        diff=_earlier_work(database, history),
        note=task["note"],
        guard_mentions=cli.expands_mentions,
    )


def _earlier_work(database: TaskDatabase, history: list[dict[str, Any]]) -> str | None:
    """The table of what lies in the task's worktree by now; None where it has none."""
    for attempt in reversed(history):
        change = database.changes.of(attempt["id"], Since.BASE)
        if change is not None:
            files = tuple(FileChange(**{**file, "change": Change(file["change"])}) for file in change["files"])
            return Diff(files=files, text="", truncated=False).stat()
    return None
