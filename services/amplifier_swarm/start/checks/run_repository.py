"""Checks of the project's repository before a run: whether tasks get worktrees, and what agents would not see there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from amplifier_swarm.start.checks.problems import Problem
from swarm_shared.domain.errors import ConfigError, SwarmError
from swarm_shared.domain.models import Status
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.landing_branch import landing_branch
from swarm_shared.git.plumbing.filters import missing_filters
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.snapshots.submodules import empty_modules
from swarm_shared.git.worktrees.isolation import WORKTREE, decide
from swarm_shared.git.worktrees.leaks import fingerprint
from swarm_shared.settings.settings import Settings
from swarm_shared.store.queue.landings import IntegrationRow, Landings

NAME = "repository"
NAMED_PATHS = 3


def check_repository(
    settings: Settings, known: IntegrationRow | None = None
) -> tuple[Settings, tuple[Problem, ...], tuple[str, ...]]:
    """The settings with `auto` decided, what prevents a run, and what the user should know; changes nothing.

    Args:
        known: The branch that earlier runs have landed on.
    """
    try:
        decided = decide(settings, landed_in=None if known is None else known.repository)
    except ConfigError as error:
        return settings, (Problem.because(NAME, error),), ()
    settings = replace(settings, isolation=decided.word)
    if decided.repository is None:
        return settings, (), ((f"tasks get no worktrees: {decided.because}",) if decided.because else ())
    unfit = (*_unfit_branch(decided.repository, settings.land_into, known), *_unfit_filters(decided.repository))
    moved = _elsewhere(decided.repository, settings, known)
    return settings, unfit, (*moved, *_dirt(decided.repository, settings), *_empty(decided.repository, settings))


def left_to_land(counts: Mapping[Status, tuple[int, float]], settings: Settings) -> tuple[Problem, ...]:
    """Work of an earlier run that still has to land although this run has no worktrees: it would wait forever."""
    left = sum(counts.get(status, (0, 0.0))[0] for status in (Status.APPROVED, Status.LANDING))
    if not left or settings.isolation == WORKTREE:
        return ()
    text = f"{left} tasks have passed and wait to land, which a run without worktrees cannot do"
    return (Problem.stated(NAME, text, "start it in their repository, with --isolation worktree"),)


def follow_person(landings: Landings, settings: Settings) -> None:
    """Record the branch that is checked out now, so that this run merges it in; a worker that finds no record does the
    same.
    """
    repository = decide(settings).repository
    known = landings.integration()
    if repository is not None and known is not None and known.repository == str(repository.common_dir):
        landings.follow(repository.head_ref)


def _unfit_branch(repository: Repository, branch: str, known: IntegrationRow | None) -> tuple[Problem, ...]:
    here = known is not None and known.repository == str(repository.common_dir)
    landed = Integration(repository=repository, ref=known.ref) if known is not None and here else None
    try:
        landing_branch(repository, branch, landed=landed)
    except ConfigError as error:
        return (Problem.because(NAME, error),)
    return ()


def _unfit_filters(repository: Repository) -> tuple[Problem, ...]:
    try:
        missing = missing_filters(repository)
    except SwarmError:
        return ()  # if git fails here, other checks report it
    return tuple(
        Problem.stated(
            NAME,
            f"{each.program} is not installed, and without it no worktree can be checked out: "
            f"the filter {each.name} is required, by {each.path} for example",
            f"install {each.program}; or work in the project folder itself: --isolation none",
        )
        for each in missing
    )


def _elsewhere(found: Repository, settings: Settings, known: IntegrationRow | None) -> tuple[str, ...]:
    """A warning that this run works in another repository than the runs before."""
    if known is None or str(found.common_dir) == known.repository:
        return ()
    there = Path(known.repository)
    before = there.parent if there.name == ".git" else there
    text = f"earlier runs of this database landed in {before}, this one works in {settings.project_root}"
    return (f"{text}; choose another folder with --project-root",)


def _empty(repository: Repository, settings: Settings) -> tuple[str, ...]:
    """Warn that worktrees contain no files of submodules unless a setup command fetches them."""
    if any("submodule" in step.run for step in settings.setup):
        return ()
    paths = empty_modules(repository)
    if not paths:
        return ()
    named = ", ".join(paths[:NAMED_PATHS]) + (" …" if len(paths) > NAMED_PATHS else "")
    what = "submodule is" if len(paths) == 1 else f"{len(paths)} submodules are"
    fill = "setup: [git submodule update --init --recursive]"
    return (f"the {what} empty in each worktree ({named}); to fill them, add to swarm.yaml: {fill}",)


def _dirt(repository: Repository, settings: Settings) -> tuple[str, ...]:
    try:
        found = fingerprint(repository, ignore=(settings.db, settings.state_dir))
    except SwarmError as error:
        return (f"the state of {repository.top_level} is not known: {error.message}",)
    paths = sorted(path for path in found.paths if not path.startswith(".git/"))
    if not paths:
        return ()
    named = ", ".join(paths[:NAMED_PATHS]) + (" …" if len(paths) > NAMED_PATHS else "")
    return (f"agents do not see uncommitted changes in {repository.top_level}: {named}",)
