"""Finds and discards what was written into a worktree after it was committed."""

from __future__ import annotations

from swarm_shared.git.plumbing.diffs import FileChange, diff_of_trees
from swarm_shared.git.plumbing.refs import tree_of
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.working_tree import write_working_tree


def changes_since(checkout: Checkout, sha: str) -> tuple[FileChange, ...]:
    """How the files on disk differ from a commit: tracked and new ones, not those that git ignores."""
    written = write_working_tree(checkout, known=sha)
    return diff_of_trees(checkout.git, tree_of(checkout.git, sha), written.tree).files


def undo_since(checkout: Checkout, sha: str, *, ref: str) -> tuple[FileChange, ...]:
    """Bring a worktree back to a commit of its branch; what was discarded. Ignored files are kept.

    Commits that were made meanwhile are discarded too: the branch is moved back.
    """
    written = write_working_tree(checkout, known=sha)
    changed = diff_of_trees(checkout.git, tree_of(checkout.git, sha), written.tree).files
    checkout.put_back(sha, ref=ref, fresh_index=bool(written.hidden))
    return changed
