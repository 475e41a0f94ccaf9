"""Merges the integration branch into a task's branch, so that its agent works on top of the landed work."""

from __future__ import annotations

from swarm_shared.git.merging.merging import Merge, plan_merge
from swarm_shared.git.plumbing.commits import message_with_trailers, task_trailers
from swarm_shared.git.plumbing.refs import move_ref
from swarm_shared.git.worktrees.task_worktrees import TaskWorktree


def bring_in(worktree: TaskWorktree, *, tip: str, branch: str, task_id: str, attempt_id: str) -> Merge:
    """Merge landed work into a task's branch and worktree, if that is possible without a conflict.

    On a conflict the branch is not changed: the result lists the paths, and the agent has to resolve them.
    Everything in the worktree has to be committed, as `TaskWorktrees.open` leaves it.

    Args:
        tip, branch: Where the integration branch is, and its name.

    Raises:
        RefMoved: The branch is no longer where the worktree was opened.
    """
    message = message_with_trailers(f"Merge {branch} into the work on {task_id}", task_trailers(task_id, attempt_id))
    git = worktree.checkout.git
    merge = plan_merge(git, into=worktree.head_sha, other=tip, message=message)
    if merge.new is not None and merge.new != merge.old:
        move_ref(git, worktree.ref, new=merge.new, old=merge.old, reason="swarm: bring in landed work")
        worktree.checkout.put_back(merge.new, ref=worktree.ref)
        worktree.checkout.note_start(merge.new, base_sha=tip)
    return merge
