"""What the next builder of a task will be told, and whether it goes on with an earlier session.

From the database and the settings, without asking git: the dashboard shows it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from swarm_shared.agents.history import past_attempts
from swarm_shared.agents.presets import choose, load_presets
from swarm_shared.agents.prompt import build_prompt
from swarm_shared.agents.resuming import session_to_resume
from swarm_shared.config import Settings
from swarm_shared.database import TaskDatabase
from swarm_shared.git.diffs import Change, Diff, FileChange
from swarm_shared.git.isolation import WORKTREE
from swarm_shared.git.names import safe_id
from swarm_shared.models import Role
from swarm_shared.store.changes import Since


@dataclass(frozen=True, slots=True, kw_only=True)
class NextPrompt:
    """The prompt of attempt `number`; `resumes` is the agent CLI's id of the session that it goes on with, if any."""

    number: int
    text: str
    resumes: str | None


def next_prompt(
    database: TaskDatabase, task: Mapping[str, Any], settings: Settings, environ: Mapping[str, str]
) -> NextPrompt:
    """The next builder's prompt, as a worker with these settings would write it now.

    Args:
        task: From `Tasks.get`.
        environ: What the agents of that worker are born with.

    Raises:
        ConfigError: The settings cannot work.
    """
    spec = database.tasks.spec(task["seq"])
    cli = choose(load_presets(settings.agent_clis), spec.agent_cli or settings.agent_cli)
    retries = settings.max_retries if spec.max_retries is None else spec.max_retries
    number = task["attempt_count"] + 1
    history = database.tasks.history(task["seq"])
    cwd = _place(database, task, settings)
    resumes = session_to_resume(
        cli,
        history,
        retries_used=task["failures"] + task["landing_failures"],
        agent=spec.builder_agent or settings.builder_agent,
        env={**environ, **spec.env},
        cwd=cwd,
    )
    text = build_prompt(
        spec,
        role=Role.BUILDER,
        attempt_number=number,
        attempts_allowed=number + max(0, retries - task["failures"]),
        project_root=cwd,
        history=past_attempts(history),
        diff=_earlier_work(database, history),
        note=task["note"],
        resumes=resumes is not None,
        guard_mentions=cli.expands_mentions,
    )
    return NextPrompt(number=number, text=text, resumes=resumes)


def _place(database: TaskDatabase, task: Mapping[str, Any], settings: Settings) -> Path:
    """Where it will work: the project root, or the same folder in the task's worktree."""
    row = database.landings.integration()
    if row is None or database.swarm.workplace()["isolation"] != WORKTREE:
        return settings.project_root
    worktree = (settings.state_dir / "worktrees").resolve() / (task["safe_id"] or safe_id(task["id"], ()))
    top, root = Path(row.repository).resolve().parent, settings.project_root.resolve()
    return worktree / root.relative_to(top) if root.is_relative_to(top) else worktree


def _earlier_work(database: TaskDatabase, history: Sequence[Mapping[str, Any]]) -> str | None:
    """The table of what lies in the task's worktree by now; None where it has none."""
    for attempt in reversed(history):
        change = database.changes.of(attempt["id"], Since.BASE)
        if change is not None:
            files = tuple(FileChange(**{**file, "change": Change(file["change"])}) for file in change["files"])
            return Diff(files=files, text="", truncated=False).stat()
    return None
