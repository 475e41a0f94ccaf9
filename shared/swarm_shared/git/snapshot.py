"""Work in progress becomes a commit on the task's branch, whatever state the agent left its worktree in."""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.git.checkout import Checkout
from swarm_shared.git.commits import commit_tree
from swarm_shared.git.embedded import Embedded
from swarm_shared.git.errors import RefMoved
from swarm_shared.git.names import kept_ref, task_ref
from swarm_shared.git.refs import RefMove, independent, move_refs, read_ref, tree_of
from swarm_shared.git.runner import Git
from swarm_shared.git.working_tree import WorkingTree, write_working_tree

_TRIES = 3


class Snapshot(Struct, frozen=True, kw_only=True):
    """A worktree as it was at one moment, as a commit that nothing can take away.

    Args:
        head_sha: The commit; the task's branch is on it, and a ref of its own keeps it.
        changed: Whether its files differ from those of the base.
        created: False when everything had been committed already.
        taken_in: Commits besides the branch's that became its parents: a branch of the agent's own, a detached
            HEAD, what an unfinished merge brought in.
        embedded: Repositories inside the worktree.
        refused: What git could not read, a line for each; it is not in the commit.
    """

    head_sha: str
    changed: bool
    created: bool
    taken_in: tuple[str, ...]
    embedded: tuple[Embedded, ...]
    refused: tuple[str, ...]


def take_snapshot(checkout: Checkout, *, safe: str, base_sha: str, message: str) -> Snapshot:
    """Commit what lies in a task's worktree onto its branch; no hooks, no locks of the checkout, no checkout.

    The files are taken as they lie there, an unfinished merge or rebase included. The agent's commits are not lost
    wherever its HEAD is: they become ancestors.

    Args:
        base_sha: What the task was started from; also the parent when the agent deleted the branch.

    Raises:
        RefMoved: The branch keeps moving: somebody still works in it.
    """
    branch = task_ref(safe)
    checkout = checkout.as_it_is()
    if not checkout.path.is_dir():
        return _of_nothing(checkout, branch, base_sha)
    git = checkout.git
    for turn in range(_TRIES):
        tip = read_ref(git, branch)
        written = write_working_tree(checkout, known=tip or base_sha)
        parents = independent(git, _histories(checkout, tip or base_sha, written))
        head = _commit(git, written, parents, message)
        moves = [RefMove(ref=branch, new=head, old=tip)] if head != tip else []
        if head != base_sha:
            moves.append(RefMove(ref=kept_ref(safe, head), new=head, forced=True))  # its name says where it is
        try:
            if moves:
                move_refs(git, moves, reason="swarm: work in progress")
        except RefMoved:
            if turn == _TRIES - 1:
                raise
            continue
        return Snapshot(
            head_sha=head,
            changed=written.tree != tree_of(git, base_sha),
            created=head not in parents,
            taken_in=tuple(sha for sha in parents if sha != tip and tip is not None),
            embedded=written.embedded,
            refused=written.refused,
        )
    raise AssertionError("unreachable: the last turn returns or raises")


def _histories(checkout: Checkout, tip: str, written: WorkingTree) -> tuple[str, ...]:
    """Every line of commits that the files on disk come from."""
    head = checkout.head_sha()  # None on an orphan branch without a commit
    if head is None:
        return (tip,)
    merging = checkout.merge_heads()
    if merging and written.tree == tree_of(checkout.git, head):
        # The merge was begun and its files then put back by hand. Calling it merged would make landing
        # revert all that it brought.
        merging = ()
    return (tip, head, *merging)


def _of_nothing(checkout: Checkout, branch: str, base_sha: str) -> Snapshot:
    """The agent deleted its whole worktree, which nobody takes for work: the branch stays as it is."""
    git = checkout.git.at(cwd=checkout.git_dir, git_dir=checkout.git_dir, work_tree=None)
    head = read_ref(git, branch) or base_sha
    return Snapshot(
        head_sha=head,
        changed=tree_of(git, head) != tree_of(git, base_sha),
        created=False,
        taken_in=(),
        embedded=(),
        refused=(f"{checkout.path} is gone",),
    )


def _commit(git: Git, written: WorkingTree, parents: tuple[str, ...], message: str) -> str:
    if len(parents) == 1 and tree_of(git, parents[0]) == written.tree:
        return parents[0]
    return commit_tree(git, written.tree, parents=parents, message=message)
