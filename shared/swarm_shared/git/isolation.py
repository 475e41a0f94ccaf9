"""Whether tasks get worktrees of their own: decided once at start, from the settings and what the repository allows."""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.config import Settings
from swarm_shared.errors import ConfigError
from swarm_shared.git.errors import GitUnusable
from swarm_shared.git.repository import Repository

NONE, AUTO, WORKTREE = "none", "auto", "worktree"


class Isolation(Struct, frozen=True, kw_only=True):
    """The decision: with a repository, each task works in a worktree of it; else `because` may tell why not."""

    repository: Repository | None
    because: str | None = None

    @property
    def word(self) -> str:
        """The setting that means just this."""
        return NONE if self.repository is None else WORKTREE


def decide(settings: Settings) -> Isolation:
    """Decide; asks git, changes nothing.

    Raises:
        ConfigError: Worktrees were asked for by name, and there can be none.
    """
    if settings.isolation == NONE or not settings.project_root.is_dir():
        return Isolation(repository=None)
    try:
        found = Repository.find(settings.project_root)
    except GitUnusable as error:
        if settings.isolation == WORKTREE:
            raise
        return Isolation(repository=None, because=error.message)
    because = _obstacle(found)
    if because is None:
        return Isolation(repository=found)
    if settings.isolation == WORKTREE:
        raise ConfigError(f"no worktrees in {settings.project_root}: {because}", hint="or use --isolation none")
    return Isolation(repository=None, because=None if found is None else because)


def _obstacle(found: Repository | None) -> str | None:
    if found is None:
        return "it is in no git repository"
    if found.bare:
        return "it is a bare repository"
    return found.obstacle()
