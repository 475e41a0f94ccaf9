"""Undoing a landing into one of the user's branches: back to the commit where it was, if nothing came after it."""

from __future__ import annotations

from pathlib import Path

from swarm_shared.domain.branch_names import branch_of
from swarm_shared.domain.errors import StateError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.in_the_way import overwriting_refused
from swarm_shared.git.landing.land_into import git_of, heads, refuse_if_dirty, refuse_if_several
from swarm_shared.git.plumbing.refs import is_contained, move_ref
from swarm_shared.git.running.git_errors import GitFailed
from swarm_shared.git.running.runner import LONG_S
from swarm_shared.git.worktrees.listing import all_checked_out_at


def move_back(integration: Integration, branch: str, *, new: str, old: str) -> Path | None:
    """Move `branch` from `new` back to `old`, checkout included; the checkout, None when none has the branch.

    Doing it a second time changes nothing.

    Raises:
        StateError: The branch is somewhere else by now, is one of the swarm's, or has several checkouts.
        DirtyCheckout: Its checkout has changes that are not committed, an unfinished operation, or files, ignored or
            not, that would be overwritten.
        RefMoved: The branch was moved meanwhile.
    """
    repository = integration.repository
    now = heads(integration, branch)
    checkouts = all_checked_out_at(repository, now.ref)
    at = next(iter(checkouts), None)
    if now.into == old:
        return at
    if now.into != new or not is_contained(repository.git, old, new):
        raise StateError(f"{branch} has moved since: it is at {now.into[:12]}", hint="nothing was changed")
    if at is None:
        move_ref(repository.git, now.ref, new=old, old=new, reason=f"swarm: undo landing into {branch}")
        return None
    refuse_if_several(branch, checkouts)
    git = git_of(repository, at)
    refuse_if_dirty(git, at, now.ref)
    # Files, index and branch in one. Unlike `reset --keep` it can refuse to overwrite ignored files as well.
    try:
        git.ask("checkout", "--quiet", "--no-overwrite-ignore", "-B", branch_of(now.ref), old, timeout_s=LONG_S)
    except GitFailed as error:
        raise overwriting_refused(at, error) or error from error
    return at
