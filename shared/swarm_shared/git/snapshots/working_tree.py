"""The current files of a checkout as a git tree, read through a private index, so that the checkout does not change."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from swarm_shared.git.plumbing.diffs import changed_entries
from swarm_shared.git.plumbing.gitlinks import gitlinks, without
from swarm_shared.git.plumbing.index_listing import IndexListing, note_without_flags, set_entries
from swarm_shared.git.plumbing.permissions import make_accessible
from swarm_shared.git.plumbing.refs import tree_of
from swarm_shared.git.running.git_errors import GitFailed
from swarm_shared.git.running.runner import LONG_S, Git, join_items
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.embedded import Embedded, take_in
from swarm_shared.git.snapshots.untouched import untouched
from swarm_shared.git.snapshots.vanished import Vanished, vanished

_SOME_REFUSED = 1
_NO_COMMIT_INSIDE = "does not have a commit checked out"  # an empty repository; `embedded` handles those


class WorkingTree(Struct, frozen=True, kw_only=True):
    """The files of a checkout, those that git ignores excepted.

    Args:
        tree: Their tree id.
        embedded: Repositories that an agent made or cloned inside.
        refused: What git could not read, a line for each; it is not in the tree.
        hidden: Files that a flag in the checkout's index hides from git; the tree has them as they are on disk.
        vanished: Files that are in the tree and not on disk: their deletion does not count.
        emptied: Whether the checkout was emptied.
    """

    tree: str
    embedded: tuple[Embedded, ...]
    refused: tuple[str, ...]
    hidden: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    emptied: bool = False


def write_working_tree(
    checkout: Checkout, *, known: str, keep_vanished: bool = False, prefix: str = "", keep_index: bool = False
) -> WorkingTree:
    """Store the present files of a checkout and name their tree; works under a stale index.lock and with any HEAD.

    What git alone sees as changed, by line endings or filters, is as in the commit.

    Args:
        known: The commit that the files were checked out from: its submodules are no news, and its file list is
            started from when the checkout's own index is missing or damaged.
        keep_vanished: Leave files in the tree whose deletion looks like an accident.
        prefix: The project's folder in the repository.
        keep_index: Let the checkout's own index hold the tree from now on, as after a commit.
    """
    checkout = checkout.as_it_is()
    with tempfile.TemporaryDirectory(prefix="swarm-index-", dir=checkout.git_dir) as folder:
        index = Path(folder) / "index"
        git = checkout.git.with_index(index)
        added = _add_all(git, checkout.index(), index, known)
        listing = IndexListing(git, others=not added.complete)
        hidden = listing.uncover(git, checkout.path)
        if hidden:
            added = _add(git)._replace(rebuilt=added.rebuilt)
            listing = IndexListing(git, others=not added.complete)
        tree = git.line("write-tree")
        changes = changed_entries(git, tree_of(git, known), tree)
        as_before = untouched(git, checkout.path, changes, scratch=Path(folder))
        lost = Vanished()
        if keep_vanished:
            distrust = added.rebuilt or not checkout.link_is_ours()
            lost = vanished(git, changes, listing, known=known, prefix=prefix, distrust=distrust)
        entries = [change.line(change.new_mode) for change in as_before]
        entries += [change.line(change.old_mode) for change in lost.files]
        if entries:
            set_entries(git, entries)
        embedded = take_in(git, checkout.path, changes=changes, untracked=listing.untracked)
        if entries or embedded:
            tree = git.line("write-tree")
        if keep_index:
            _hand_over(checkout, index, flags=listing.has_flags)
        return WorkingTree(
            tree=tree,
            embedded=embedded,
            refused=added.refused,
            hidden=hidden,
            vanished=tuple(change.path for change in lost.files),
            emptied=lost.emptied,
        )


def _hand_over(checkout: Checkout, index: Path, *, flags: bool) -> None:
    own = checkout.index()
    if own is None or own.with_name("index.lock").exists():
        return
    if not flags:
        note_without_flags(index)
    index.replace(own)


class _Added(NamedTuple):
    """What git refused; whether everything else is in the index; whether that had to be recreated."""

    refused: tuple[str, ...]
    complete: bool
    rebuilt: bool = False


def _add_all(git: Git, original: Path | None, index: Path, known: str) -> _Added:
    if original is not None and original.exists():
        # With its time: git uses it to see which entries are too fresh to trust the file times.
        shutil.copy2(original, index)
        try:
            return _add(git)
        except GitFailed:  # damaged
            index.unlink()
    git.ask("read-tree", known)
    return _add(git)._replace(rebuilt=True)


def _add(git: Git) -> _Added:
    assert git.index is not None
    links = gitlinks(git, git.index)
    # --sparse: what an agent wrote outside a sparse checkout is work too.
    add = ["add", "--all", "--sparse", "--ignore-errors"]
    if links:
        add += ["--pathspec-from-file=-", "--pathspec-file-nul"]
    given = without(links) if links else None
    answer = git.ask(*add, ok=(0, _SOME_REFUSED), timeout_s=LONG_S, stdin=given)
    # Of a folder that it cannot read git only warns.
    if "Permission denied" in answer.err and git.work_tree is not None and make_accessible(git.work_tree):
        answer = git.ask(*add, ok=(0, _SOME_REFUSED), timeout_s=LONG_S, stdin=given)
    if links:
        # `add` would look for changes inside; this only records which commit each of them is on.
        git.ask("update-index", "--remove", "-z", "--stdin", stdin=join_items(links))
    if answer.code == 0:
        return _Added(refused=(), complete=not answer.err)
    lines = re.findall(r"^(?:error|fatal): (.+)$", answer.err, re.MULTILINE)
    refused = tuple(line for line in lines if _NO_COMMIT_INSIDE not in line and line != "adding files failed")
    return _Added(refused=refused, complete=False)
