"""The branch that a swarm lands on: which branches the user may choose, and why a choice is refused."""

from __future__ import annotations

from swarm_shared.domain.branch_names import HEADS, TASK_BRANCHES, branch_of
from swarm_shared.domain.errors import ConfigError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.plumbing.refs import is_contained, refs_below
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.git_errors import GitError


def landing_branch(repository: Repository, branch: str, *, landed: Integration | None = None) -> Integration:
    """The integration branch of that name, whether it exists yet or not.

    Args:
        landed: The branch of this repository that the swarm has landed on so far.

    Raises:
        ConfigError: It cannot be one, is checked out somewhere, or lacks work that has landed so far.
    """
    try:
        ref = repository.ref_for(branch)
    except GitError as error:
        raise ConfigError(error.message, hint=error.hint) from error
    if f"{branch}/".startswith(TASK_BRANCHES):
        raise ConfigError(
            f"nothing can land on {branch}: branches of tasks have such names", hint="choose another: --land-into"
        )
    taken = _in_the_way(repository, branch)
    if taken is not None:
        raise ConfigError(
            f"branch {taken} is in the way of {branch}", hint=f"rename it: git branch -m {taken} NEW; or --land-into"
        )
    integration = Integration(repository=repository, ref=ref)
    at = integration.checked_out_at()
    if at is not None:
        raise ConfigError(
            f"branch {branch} is checked out in {at}: nothing could land",
            hint=f"switch to another branch there (git -C '{at}' switch -), or choose another one: --land-into",
        )
    _refuse_to_leave(landed, integration)
    return integration


def _in_the_way(repository: Repository, branch: str) -> str | None:
    """A branch that leaves no room for the name: to git a name is either a branch or a folder of branches."""
    parts = branch.split("/")
    above = {"/".join(parts[:length]) for length in range(1, len(parts))}
    found = [branch_of(ref) for ref in refs_below(repository.git, HEADS + parts[0])]
    return next((name for name in found if name in above or name.startswith(f"{branch}/")), None)


def _refuse_to_leave(landed: Integration | None, integration: Integration) -> None:
    """Later tasks build on landed work: a branch without it would remove it from them."""
    known = landed.tip() if landed is not None and landed.ref != integration.ref else None
    start = integration.tip() or integration.repository.head_sha
    if landed is None or known is None or (start and is_contained(integration.repository.git, known, start)):
        return
    bring = (
        f"git branch {integration.branch} {landed.branch}"
        if integration.tip() is None
        else f"amplifier-swarm land --into {integration.branch}"
    )
    raise ConfigError(
        f"{integration.branch} lacks work that has landed on {landed.branch}", hint=f"merge it first: {bring}"
    )
