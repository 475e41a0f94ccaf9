"""Restores landed changes that a branch claims to contain but does not, before they are lost.

A commit that names the integration branch as a parent says that it has all of its changes. After ``git merge -s ours``,
or ``git reset --soft`` to the branch and a commit, it has none of them, and git would land the loss without a conflict.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.merging.merging import merge_tree
from swarm_shared.git.plumbing.commits import commit_tree
from swarm_shared.git.plumbing.diffs import changed_paths
from swarm_shared.git.plumbing.index_listing import set_entries
from swarm_shared.git.plumbing.refs import tree_of
from swarm_shared.git.running.runner import Git

_NO_MODE = "0"


class Restored(Struct, frozen=True, kw_only=True):
    """A commit with all changes that it claims; the same commit if none were missing.

    Args:
        paths: What was put back.
    """

    head_sha: str
    tree: str
    paths: tuple[str, ...]


def restore_reverted(
    git: Git, *, head: str, start: str, known: str, base: str, message: str, scratch: Path
) -> Restored | None:
    """Put back what others changed, the attempt took in by its history, and its files are without.

    Only files that are as they were when the attempt started: what the agent itself edited, or resolved in a
    conflict, stays as it is.

    Args:
        head: The commit at the end of the attempt.
        start: The one at its start.
        known: The newest commit of the integration branch that `start` and `base` have in common.
        base: The newest commit of the integration branch that `head` has in its history.
        scratch: A folder for temporary files.

    Returns:
        None when nothing is missing.
    """
    came = changed_paths(git, known, base) - changed_paths(git, start, head)
    missing = came & changed_paths(git, base, head)
    if not missing:
        return None
    merged = merge_tree(git, start, base)
    missing = (missing & changed_paths(git, head, merged.tree)) - set(merged.conflicts)
    if not missing:
        return None
    paths = tuple(sorted(missing))
    with tempfile.TemporaryDirectory(prefix="swarm-index-", dir=scratch) as folder:
        indexed = git.with_index(Path(folder) / "index")
        indexed.ask("read-tree", head)
        set_entries(indexed, (*_removed(git, head, paths), *_entries(git, merged.tree, paths)))
        tree = indexed.line("write-tree")
    made = commit_tree(git, tree, parents=(head,), message=message)
    return Restored(head_sha=made, tree=tree, paths=paths)


def _removed(git: Git, head: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    none = "0" * len(tree_of(git, head))
    return tuple(f"{_NO_MODE} {none}\t{path}" for path in paths)


def _entries(git: Git, tree: str, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the paths that a tree has, as lines for ``update-index --index-info``."""
    wanted = set(paths)
    listed = git.items("ls-tree", "-r", "-z", "--full-tree", tree)
    return tuple(entry for entry in listed if entry.partition("\t")[2] in wanted)
