"""The findings of `doctor` about git: program, repository, the branch that work lands on, and remaining worktrees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from amplifier_swarm.start.checks.findings import bad, finding
from amplifier_swarm.start.checks.run_repository import check_repository
from swarm_shared.diagnosis import Finding, Level
from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.errors import SwarmError
from swarm_shared.domain.models import Status
from swarm_shared.git.plumbing.refs import read_ref
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import Git
from swarm_shared.git.worktrees.isolation import WORKTREE, decide
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees
from swarm_shared.merge_back.repository import integration_of
from swarm_shared.settings.settings import Settings

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase
    from swarm_shared.store.queue.landings import IntegrationRow, Landings

NAMED = 5


def about_git(settings: Settings, known: IntegrationRow | None = None) -> Iterator[Finding]:
    """The git program, and whether tasks get worktrees; as `start` would report it.

    Args:
        known: The branch that earlier runs have landed on.
    """
    try:
        version = Git(cwd=Path.cwd()).line("version")
    except SwarmError as error:
        level = Level.BAD if settings.isolation == WORKTREE else Level.WARN
        yield finding("git", level, error.message, advice=error.hint)
        return
    yield finding("git", Level.OK, version.removeprefix("git version "))
    _, problems, warnings = check_repository(settings, known)
    yield from problems
    for warning in warnings:
        yield finding("repository", Level.WARN, warning)
    if problems:
        return
    found = decide(settings).repository
    if found is None:
        text = f"all tasks work in {settings.project_root} itself: no worktrees, and nothing to land"
        yield finding("repository", Level.OK, text)
        return
    on = found.head_branch or f"commit {(found.head_sha or '')[:12]}"
    text = f"{found.top_level} is on {on}; each task gets a worktree"
    yield finding("repository", Level.OK, text)
    yield _about_hooks(found)


def about_landing(database: TaskDatabase) -> Iterator[Finding]:
    """The current integration branch, and the worktrees that are no longer needed."""
    row = database.landings.integration()
    if row is None:
        return
    yield from _about_branch(database.landings)
    integration, _ = integration_of(database.landings)
    root = database.path.with_name(database.path.name + ".swarm") / "worktrees"
    trees = TaskWorktrees(integration.repository, root) if root.is_dir() else None
    left = [] if trees is None else [task for task in database.landings.named() if trees.find(task.safe) is not None]
    landed = [task for task in left if task.status is Status.COMPLETED]
    text = f"{len(left)}, {len(landed)} of them of completed tasks"
    advice = "amplifier-swarm worktrees prune removes those that have landed" if landed else None
    yield finding("worktrees", Level.OK, text, advice=advice)


def _about_branch(landings: Landings) -> Iterator[Finding]:
    name = "branch"
    try:
        integration, row = integration_of(landings)
        ahead: str | None = None
        tip, at = integration.tip(), integration.checked_out_at()
        moved = tip is not None and tip not in (row.tip, row.next_tip, integration.landed_since(row.tip))
        git, branch = integration.repository.git, integration.branch
        theirs = read_ref(git, row.person_ref) if row.person_ref else None
        if tip and theirs:
            ahead = git.line("rev-list", "--count", "--first-parent", f"{theirs}..{tip}")
    except SwarmError as error:
        yield bad(name, error)
        return
    if at is not None:
        advice = f"switch to another branch there: git -C '{at}' switch -"
        text = f"{branch} is checked out in {at}: nothing can land"
        yield finding(name, Level.BAD, text, advice=advice)
    elif moved and not row.accepting:
        text = f"{branch} was moved to {(tip or '')[:12]} outside the swarm, which had it at {row.tip[:12]}"
        advice = f"look at it (git reflog {branch}); the queue is paused, and `amplifier-swarm resume` accepts it"
        yield finding(name, Level.WARN, text, advice=advice)
    else:
        person = branch_of(row.person_ref or "")
        waiting = (
            f", {ahead} {'landing' if ahead == '1' else 'landings'} ahead of {person}"
            if ahead not in (None, "0")
            else ""
        )
        bring = f"amplifier-swarm land --into {person} merges them" if waiting else None
        where = tip[:12] if tip else "missing; the next worker creates it again"
        yield finding(name, Level.OK, f"{branch} is at {where}{waiting}", advice=bring)


def _about_hooks(found: Repository) -> Finding:
    """Users whose commits run hooks and are signed should know that the swarm's commits do not."""
    configured = _user_setting(found.git, "core.hooksPath")
    folder = (found.top_level or found.common_dir) / Path(configured).expanduser() if configured else None
    hooks = _files(folder or found.common_dir / "hooks")
    names = sorted(path.name for path in hooks if path.suffix != ".sample" and os.access(path, os.X_OK))
    signs = _user_setting(found.git, "commit.gpgsign", "--type=bool") == "true"
    theirs = [*names[:NAMED], *(["signatures"] if signs else [])]
    text = "the swarm's own commits and merges run no hooks and are not signed"
    if not theirs:
        return finding("hooks", Level.OK, text)
    advice = "what must hold for every landing belongs under `checks` or `gate` in swarm.yaml"
    return finding("hooks", Level.OK, f"{text}; yours have {', '.join(theirs)}", advice=advice)


def _user_setting(git: Git, key: str, *how: str) -> str | None:
    """A git setting as it is without the swarm's own, which come last."""
    values = git.ask("config", "--get-all", "--null", *how, key).out.decode("utf-8", "replace").split("\0")[:-1]
    return values[-2] if len(values) > 1 else None


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return []
