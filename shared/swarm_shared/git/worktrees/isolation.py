"""Whether each task works in its own worktree: decided at start, from the settings and what the repository allows.

`auto` never gives up worktrees because of the state that git is in at the moment: where tasks had worktrees before, or
where a repository is that git cannot read, only an explicit `none` continues without.
"""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import NOT_CONFINING
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import GitUnusable
from swarm_shared.git.worktrees.unreadable import Obstacle, missing, without_files
from swarm_shared.settings.settings import Settings

NONE, AUTO, WORKTREE = "none", "auto", "worktree"
_WITHOUT = "or work without worktrees, in the project root itself: --isolation none"


class Isolation(Struct, frozen=True, kw_only=True):
    """The decision: with a repository, each task works in a worktree of it; else `because` may say why not."""

    repository: Repository | None
    because: str | None = None

    @property
    def word(self) -> str:
        """The setting that means just this."""
        return NONE if self.repository is None else WORKTREE


def decide(settings: Settings, *, landed_in: str | None = None) -> Isolation:
    """Decide; asks git, changes nothing.

    Args:
        landed_in: The repository whose worktrees this database's tasks had so far, as its git directory.

    Raises:
        ConfigError: There can be no worktrees, and they were requested by name, were there before, or are prevented
            by a repository that git cannot read.
    """
    if settings.isolation == NONE or not settings.project_root.is_dir():
        return Isolation(repository=None)
    required = settings.isolation == WORKTREE or landed_in is not None
    try:
        found = Repository.find(settings.project_root)
    except GitUnusable as error:
        if required or missing(settings.project_root, landed_in) is not None:
            raise _refusal(error.message, error.hint) from error
        return Isolation(repository=None, because=error.message)
    obstacle = _obstacle(found, settings, landed_in)
    if obstacle is None:
        assert found is not None, "that there is none is an obstacle"
        return Isolation(repository=found.wary(settings.runner not in NOT_CONFINING))
    if required or obstacle.unreadable:
        raise _refusal(f"no worktrees in {settings.project_root}: {obstacle.text}", obstacle.hint)
    return Isolation(repository=None, because=None if found is None else obstacle.text)


def _obstacle(found: Repository | None, settings: Settings, landed_in: str | None) -> Obstacle | None:
    if found is None:
        return missing(settings.project_root, landed_in) or Obstacle(text="it is not in a git repository")
    if found.bare:
        return without_files(found)
    text = found.obstacle()
    if text is None:
        return None
    if found.prefix and (settings.project_root / ".git").exists():
        at = found.common_dir / "config"
        return Obstacle(
            text=f"core.worktree in {at} makes {found.top_level} the top of its files",
            hint=f"git config --file '{at}' --unset core.worktree",
            unreadable=True,
        )
    return Obstacle(text=text)


def _refusal(text: str, hint: str | None) -> ConfigError:
    return ConfigError(text, hint=f"{hint}; {_WITHOUT}" if hint and NONE not in hint else hint or _WITHOUT)
