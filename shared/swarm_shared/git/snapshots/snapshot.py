"""Commits work in progress on the task's branch, whatever state the agent left its worktree in."""

from __future__ import annotations

from msgspec import Struct

from swarm_shared.domain.branch_names import kept_ref, task_ref
from swarm_shared.git.plumbing.refs import RefMove, has_commit, merge_base, move_refs, read_ref, tree_of
from swarm_shared.git.running.git_errors import RefMoved
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.embedded import Embedded
from swarm_shared.git.snapshots.own_work import Bringer
from swarm_shared.git.snapshots.unresolved import unmerged_paths
from swarm_shared.git.snapshots.working_tree import write_working_tree

_TRIES = 3


class Snapshot(Struct, frozen=True, kw_only=True):
    """A worktree at one moment, as a commit that nothing can remove.

    Args:
        head_sha: The commit; the task's branch points to it, and a separate ref keeps it.
        base_sha: The newest commit of the integration branch that it contains.
        changed: Whether its files differ from those of the base.
        created: False when everything had been committed already.
        embedded: Repositories inside the worktree.
        refused: What git could not read, a line for each; it is not in the commit.
        conflicts: Paths in which the work, made from another commit, does not fit onto the task's branch; the work
            is then not in `head_sha`, but in the commit `saved`.
        vanished: Files whose deletion does not count; they are in the commit.
        emptied: Whether the worktree was emptied: an accident, and no work.
        restored: Files of others that a merge of the agent's had dropped; they are in the commit.
        unresolved: Paths in which the agent left the conflicts of a merge as they were; the commit is not that merge.
        hidden: Files that a flag in the worktree's index hides from git.
        out_of_place: Whether the files on disk are not those of the commit, and have to be put back to it.
    """

    head_sha: str
    base_sha: str
    changed: bool
    created: bool
    embedded: tuple[Embedded, ...]
    refused: tuple[str, ...]
    conflicts: tuple[str, ...] = ()
    saved: str | None = None
    vanished: tuple[str, ...] = ()
    emptied: bool = False
    restored: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    out_of_place: bool = False


def take_snapshot(
    checkout: Checkout, *, safe: str, base_sha: str, message: str, trunk: str | None = None, prefix: str = ""
) -> Snapshot:
    """Commit the work in a task's worktree onto its branch; no hooks, no locks of the checkout, no checkout.

    The work is what differs from the commit that HEAD is on, with the agent's own commits below it. Where that is not
    the task's branch, it is merged into the branch. An unfinished merge or rebase is taken as it is on disk.

    Args:
        base_sha: What the task was started from; also the parent when the agent deleted the branch.
        trunk: Where the integration branch is now; `base_sha` where nothing newer is known.
        prefix: The project's folder in the repository.

    Raises:
        RefMoved: The branch keeps moving: something still works in it.
    """
    branch = task_ref(safe)
    checkout = checkout.as_it_is()
    if not checkout.path.is_dir():
        return _of_nothing(checkout, branch, base_sha, trunk or base_sha)
    checkout.mend_git_dir(ref=branch)
    git, trunk = checkout.git, trunk or base_sha
    unmerged = unmerged_paths(checkout)
    for turn in range(_TRIES):
        tip, head = read_ref(git, branch), checkout.head_sha()
        known = head or checkout.last_head() or tip or base_sha
        written = write_working_tree(checkout, known=known, keep_vanished=True, prefix=prefix, keep_index=True)
        # Without its branch the work goes onto what it was started from.
        bringer = Bringer(
            checkout,
            branch,
            line=tip or _started_from(checkout) or base_sha,
            trunk=trunk,
            message=message,
            unmerged=unmerged,
        )
        work = bringer.bring(written.tree, head=head)
        moves = [RefMove(ref=branch, new=work.head_sha, old=tip)] if work.head_sha != tip else []
        kept = {work.head_sha, *work.saved} - {base_sha}
        moves += [RefMove(ref=kept_ref(safe, sha), new=sha, forced=True) for sha in kept]  # its name says where it is
        try:
            if moves:
                move_refs(git, moves, reason="swarm: work in progress")
        except RefMoved:
            if turn == _TRIES - 1:
                raise
            continue
        return Snapshot(
            head_sha=work.head_sha,
            base_sha=work.base_sha,
            changed=work.head_sha != base_sha and work.tree != tree_of(git, base_sha),
            created=work.head_sha not in work.parents,
            embedded=written.embedded,
            refused=written.refused,
            conflicts=work.conflicts,
            saved=work.saved[0] if work.conflicts else None,
            vanished=written.vanished,
            emptied=written.emptied,
            restored=work.restored,
            unresolved=work.unresolved,
            hidden=written.hidden,
            out_of_place=bool(work.tree != written.tree or written.vanished or written.hidden),
        )
    raise AssertionError("unreachable: the last turn returns or raises")


def _of_nothing(checkout: Checkout, branch: str, base_sha: str, trunk: str) -> Snapshot:
    """The agent deleted its whole worktree, which does not count as work: the branch stays as it is."""
    git = checkout.git.at(cwd=checkout.git_dir, git_dir=checkout.git_dir, work_tree=None)
    head = read_ref(git, branch) or base_sha
    return Snapshot(
        head_sha=head,
        base_sha=merge_base(git, head, trunk) or base_sha,
        changed=tree_of(git, head) != tree_of(git, base_sha),
        created=False,
        embedded=(),
        refused=(f"{checkout.path} is gone",),
    )


def _started_from(checkout: Checkout) -> str | None:
    start = checkout.start()
    return start.sha if start is not None and has_commit(checkout.git, start.sha) else None
