"""What a run says of the project's repository beforehand: whether tasks get worktrees, and what their agents miss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from amplifier_swarm.start.problems import Problem
from swarm_shared.config import Settings
from swarm_shared.errors import ConfigError, SwarmError
from swarm_shared.git.integration import Integration
from swarm_shared.git.isolation import WORKTREE, decide
from swarm_shared.git.leaks import fingerprint
from swarm_shared.git.repository import Repository
from swarm_shared.models import Status
from swarm_shared.store.landings import Landings

EXIT_SETTINGS = 3
NAMED_PATHS = 3


def check_repository(settings: Settings) -> tuple[Settings, tuple[Problem, ...], tuple[str, ...]]:
    """The settings with `auto` decided, what stands against a run, and what a person should know; changes nothing."""
    try:
        decided = decide(settings)
    except ConfigError as error:
        problem = Problem(text=error.message, hint=error.hint or "", exit_code=EXIT_SETTINGS)
        return settings, (problem,), ()
    settings = replace(settings, isolation=decided.word)
    if decided.repository is None:
        return settings, (), (f"tasks get no worktrees: {decided.because}",) if decided.because else ()
    return settings, _branch_in_use(decided.repository), _dirt(decided.repository, settings)


def left_to_land(counts: Mapping[Status, tuple[int, float]], settings: Settings) -> tuple[Problem, ...]:
    """What an earlier run has left to be landed, where this one has no worktrees: it would wait for ever."""
    left = sum(counts.get(status, (0, 0.0))[0] for status in (Status.APPROVED, Status.LANDING))
    if not left or settings.isolation == WORKTREE:
        return ()
    text = f"{left} tasks have passed and wait to land, which a run without worktrees cannot do"
    return (
        Problem(text=text, hint="start it in their repository, with --isolation worktree", exit_code=EXIT_SETTINGS),
    )


def follow_person(landings: Landings, settings: Settings) -> None:
    """Let this run bring in the branch that is checked out now; a worker that finds no word of it does the same."""
    repository = decide(settings).repository
    known = landings.integration()
    if repository is not None and known is not None and known.repository == str(repository.common_dir):
        landings.follow(repository.head_ref)


def _branch_in_use(repository: Repository) -> tuple[Problem, ...]:
    integration = Integration(repository=repository)
    at = integration.checked_out_at()
    if at is None:
        return ()
    text = f"branch {integration.branch} is checked out in {at}: nothing could land"
    return (
        Problem(text=text, hint=f"switch to another branch there: git -C '{at}' switch -", exit_code=EXIT_SETTINGS),
    )


def _dirt(repository: Repository, settings: Settings) -> tuple[str, ...]:
    try:
        found = fingerprint(repository, ignore=(settings.db, settings.state_dir))
    except SwarmError as error:
        return (f"the state of {repository.top_level} is not known: {error.message}",)
    paths = sorted(path for path in found.paths if not path.startswith(".git/"))
    if not paths:
        return ()
    named = ", ".join(paths[:NAMED_PATHS]) + (" …" if len(paths) > NAMED_PATHS else "")
    return (f"agents do not see what is not committed in {repository.top_level}: {named}",)
