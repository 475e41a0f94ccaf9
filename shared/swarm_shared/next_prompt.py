"""The prompt of a task's next builder session, and the earlier session that it resumes; read only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarm_shared.agents.launching.routes import on_route
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.agents.prompting.history import past_attempts, questions
from swarm_shared.agents.prompting.prompt import build_prompt
from swarm_shared.agents.prompting.resuming import session_to_resume
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.branch_names import HEADS, INTEGRATION_BRANCH, safe_id, task_ref
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Role
from swarm_shared.git.plumbing.diffs import Change, Diff, FileChange, changed_files
from swarm_shared.git.plumbing.refs import is_contained, merge_base, read_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.worktrees.isolation import NONE, decide
from swarm_shared.settings.settings import Settings
from swarm_shared.store.views.changes import Since


class NextPrompt(Struct, frozen=True, kw_only=True):
    """The prompt of attempt `number`; `resumes` is the agent CLI's id of the session that it resumes, if any."""

    number: int
    text: str
    resumes: str | None


class Place(Struct, frozen=True, kw_only=True):
    """Where the next attempt will work, and which of its own changes it will find there, as a table."""

    cwd: Path
    work: str | None


def next_prompt(
    database: TaskDatabase,
    task: Mapping[str, Any],
    settings: Settings,
    *,
    at: Place,
    environ: Mapping[str, str],
) -> NextPrompt:
    """The next builder's prompt, as a worker with these settings would write it now.

    Args:
        task: From `Tasks.get`.
        at: By `place_by_git` or `place_by_record`.
        environ: The environment of that worker's agents.

    Raises:
        ConfigError: The settings cannot work.
    """
    spec = database.tasks.spec(task["seq"])
    route = database.routes.next_route(settings.routing, spec.agent_cli or "", settings.agent_cli)
    cli = on_route(load_presets(settings.agent_clis), route, environ)
    retries = settings.max_retries if spec.max_retries is None else spec.max_retries
    number = task["attempt_count"] + 1
    history = database.tasks.history(task["seq"])
    resumes = session_to_resume(
        cli,
        history,
        retries_used=task["failures"] + task["landing_failures"],
        agent=spec.builder_agent or settings.builder_agent,
        env={**environ, **spec.env},
        cwd=at.cwd,
        shares_sessions=lambda name: route.shares_sessions_with(settings.routing.find(name)),
    )
    text = build_prompt(
        spec,
        role=Role.BUILDER,
        attempt_number=number,
        attempts_allowed=number + max(0, retries - task["failures"]),
        project_root=at.cwd,
        history=past_attempts(history),
        questions=questions(history),
        diff=at.work if history else None,
        note=task["note"],
        gate=settings.gate if task["landing_failures"] else (),
        resumes=resumes is not None,
        guard_mentions=cli.expands_mentions,
    )
    return NextPrompt(number=number, text=text, resumes=resumes)


def place_by_git(database: TaskDatabase, task: Mapping[str, Any], settings: Settings) -> Place:
    """As git reports it now, or as stored if the workers were started with another project root."""
    row = database.landings.integration()
    try:
        repository = decide(settings).repository
    except ConfigError:
        repository = None  # git cannot read it now, and no attempt starts before it can
    elsewhere = row is not None and (repository is None or str(repository.common_dir) != row.repository)
    if elsewhere and settings.isolation != NONE:
        return place_by_record(database, task, settings)
    if repository is None:
        return Place(cwd=_cwd(task, settings, None), work=None)
    ref = HEADS + INTEGRATION_BRANCH if row is None else row.ref
    return Place(cwd=_cwd(task, settings, repository.prefix), work=_earlier_work(repository, _safe(task), ref))


def place_by_record(database: TaskDatabase, task: Mapping[str, Any], settings: Settings) -> Place:
    """As the workers recorded it, for readers of only the database."""
    work = None
    for attempt in reversed(database.tasks.history(task["seq"])):
        change = database.changes.of(attempt["id"], Since.BASE)
        if change is not None:
            files = tuple(FileChange(**{**file, "change": Change(file["change"])}) for file in change["files"])
            work = Diff(files=files, text="", truncated=False).stat()
            break
    return Place(cwd=_cwd(task, settings, database.swarm.subfolder()), work=work)


def _cwd(task: Mapping[str, Any], settings: Settings, subfolder: str | None) -> Path:
    """The project root, or where it is in the task's worktree."""
    if subfolder is None:
        return settings.project_root
    return (settings.state_dir / "worktrees").resolve() / _safe(task) / subfolder


def _safe(task: Mapping[str, Any]) -> str:
    return task["safe_id"] or safe_id(task["id"], ())


def _earlier_work(repository: Repository, safe: str, integration_ref: str) -> str | None:
    git = repository.git
    head, tip = read_ref(git, task_ref(safe)), read_ref(git, integration_ref)
    if head is None or tip is None or is_contained(git, head, tip):
        return None
    base = merge_base(git, head, tip) or tip
    return Diff(files=changed_files(git, base, head), text="", truncated=False).stat()
