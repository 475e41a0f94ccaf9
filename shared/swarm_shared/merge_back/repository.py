"""The repository and integration branch of a database; nothing is changed here."""

from __future__ import annotations

from pathlib import Path

from swarm_shared.domain.errors import StateError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import Git
from swarm_shared.store.queue.landings import IntegrationRow, Landings


def integration_of(landings: Landings) -> tuple[Integration, IntegrationRow]:
    """The branch that this swarm lands on.

    Raises:
        StateError: It never landed anything, or its repository is missing.
    """
    row = landings.integration()
    if row is None:
        raise StateError(
            "this swarm has no integration branch: its tasks work without separate worktrees",
            hint="start it in a git repository, or with --isolation worktree",
        )
    common_dir = Path(row.repository)
    # From the checkout: inside of a .git folder there are no files to speak of.
    repository = Repository.find(common_dir.parent) if common_dir.name == ".git" else None
    if repository is None or repository.common_dir != common_dir:
        repository = _by_itself(common_dir)
    return Integration(repository=repository, ref=row.ref), row


def _by_itself(common_dir: Path) -> Repository:
    """A repository of which only the git directory can be found."""
    git = Git(cwd=common_dir.parent).at(cwd=common_dir, git_dir=common_dir, work_tree=None)
    if not common_dir.is_dir():
        raise StateError(
            f"the repository {common_dir} does not exist", hint="was it moved, or is its disk not mounted?"
        )
    return Repository(
        common_dir=common_dir,
        git_dir=common_dir,
        top_level=None,
        prefix="",
        object_format=git.line("rev-parse", "--show-object-format"),
        head_ref=None,
        head_sha=None,
        git=git,
    )
