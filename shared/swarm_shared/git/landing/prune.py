"""Removes worktrees and branches of tasks whose work has landed, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import HEADS, KEPT_REFS, TASK_BRANCHES, task_ref
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.plumbing.refs import RefMove, is_contained, move_refs, read_ref, refs_below, tree_of
from swarm_shared.git.running.git_errors import GitError, RepositoryBusy
from swarm_shared.git.snapshots.submodules import secure
from swarm_shared.git.snapshots.working_tree import write_working_tree
from swarm_shared.git.worktrees.listing import checked_out_at, git_dir_of
from swarm_shared.git.worktrees.task_worktrees import TaskWorktrees


class Pruned(Struct, frozen=True, kw_only=True):
    """The result for a task's worktree and branch; `kept_because` is None when they were removed."""

    safe: str
    kept_because: str | None


def prune(
    worktrees: TaskWorktrees,
    integration: Integration,
    *,
    busy: Collection[str],
    forced: Collection[str] = (),
    cleanup: Callable[[str, Path], str | None] = lambda _safe, _cwd: None,
) -> tuple[Pruned, ...]:
    """Remove all that has landed: worktree, branch and kept heads of each task whose commits are all contained.

    Args:
        busy: Safe ids of tasks that run, wait to land or may still be retried in their worktree.
        forced: Safe ids whose work the user wants removed, landed or not.
        cleanup: Called with safe id and folder right before a worktree is removed; a text is why it must stay, unless
            it was forced.
    """
    found = refs_below(integration.repository.git, HEADS + TASK_BRANCHES)
    safe_ids = {ref.removeprefix(HEADS + TASK_BRANCHES) for ref in found}
    safe_ids |= {path.name for path in worktrees.root.iterdir() if git_dir_of(worktrees.repository, path)}
    return tuple(_prune_one(worktrees, integration, safe, busy, safe in forced, cleanup) for safe in sorted(safe_ids))


def _prune_one(
    worktrees: TaskWorktrees,
    integration: Integration,
    safe: str,
    busy: Collection[str],
    forced: bool,
    cleanup: Callable[[str, Path], str | None],
) -> Pruned:
    if safe in busy:
        return Pruned(safe=safe, kept_because="in use")
    try:
        with worktrees.locked(safe, timeout_s=0):
            reason = None if forced else reason_to_keep(worktrees, integration, safe)
            checkout = worktrees.find(safe)
            if reason is None and checkout is not None:
                reason = cleanup(safe, worktrees.cwd_of(checkout))
            if reason is None or forced:
                worktrees.remove(safe)
                _delete_refs(integration, safe, forced)
                reason = None
    except RepositoryBusy:
        reason = "in use"  # a worker has taken the task up again
    except GitError as error:
        reason = error.message
    return Pruned(safe=safe, kept_because=reason)


def reason_to_keep(worktrees: TaskWorktrees, integration: Integration, safe: str) -> str | None:
    """Why a task's worktree and branch must be kept; None if all of their work has landed."""
    ref = task_ref(safe)
    tip = read_ref(integration.repository.git, ref)
    if tip is not None and not integration.contains(tip):
        return "its commits have not landed"
    elsewhere = checked_out_at(integration.repository, ref)
    if elsewhere is not None and elsewhere != worktrees.path_of(safe):
        return f"its branch is checked out in {elsewhere}"
    checkout = worktrees.find(safe)
    if checkout is None:
        return None
    head = checkout.head_sha()
    if head is not None and not integration.contains(head):
        return "its HEAD has commits that have not landed"
    known = tip or head
    if known is None:
        return "it has no commit"
    for secured in secure(worktrees.repository, checkout, safe=safe, message=None):
        if secured.problem is not None:
            return f"submodule {secured.path}: {secured.problem}"
    written = write_working_tree(checkout, known=known)
    if written.refused or any(not one.taken for one in written.embedded):
        return "it contains files that cannot be committed: " + (written.refused or (written.embedded[0].path,))[0]
    if written.tree != tree_of(checkout.git, known):
        return "its files have changes that are not committed"
    return None


def _delete_refs(integration: Integration, safe: str, forced: bool) -> None:
    """The branch, and every kept head that is contained; the others are all that is left of an attempt."""
    git = integration.repository.git
    tip = read_ref(git, task_ref(safe))
    moves = [] if tip is None else [RefMove(ref=task_ref(safe), new=None, old=tip)]
    integrated = integration.tip()
    for ref, sha in refs_below(git, f"{KEPT_REFS}{safe}/").items():
        if forced or (integrated is not None and is_contained(git, sha, integrated)):
            moves.append(RefMove(ref=ref, new=None, old=sha))
    if moves:
        move_refs(git, moves, reason="swarm: landed")
