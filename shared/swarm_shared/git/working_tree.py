"""What lies in a checkout right now, as a git tree: read through a private index, so that nothing there changes."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.checkout import Checkout
from swarm_shared.git.embedded import Embedded, take_in
from swarm_shared.git.errors import GitFailed
from swarm_shared.git.permissions import make_accessible
from swarm_shared.git.runner import LONG_S, Git

_SOME_REFUSED = 1
_NO_COMMIT_INSIDE = "does not have a commit checked out"  # an empty repository; `embedded` sees to those


class WorkingTree(Struct, frozen=True, kw_only=True):
    """The files of a checkout, those that git ignores excepted.

    Args:
        tree: Their tree id.
        embedded: Repositories that an agent made or cloned inside.
        refused: What git could not read, a line for each; it is not in the tree.
    """

    tree: str
    embedded: tuple[Embedded, ...]
    refused: tuple[str, ...]


def write_working_tree(checkout: Checkout, *, known: str) -> WorkingTree:
    """Store what lies in a checkout now and name its tree; works under a stale index.lock and with any HEAD.

    Args:
        known: A commit whose submodules are no news, and whose file list is started from when the checkout's own
            index is missing or damaged.
    """
    checkout = checkout.as_it_is()
    with tempfile.TemporaryDirectory(prefix="swarm-index-", dir=checkout.git_dir) as folder:
        index = Path(folder) / "index"
        git = checkout.git.with_index(index)
        refused = _add_all(git, checkout.index(), index, known)
        embedded = take_in(git, checkout.path, known=known)
        return WorkingTree(tree=git.line("write-tree"), embedded=embedded, refused=refused)


def _add_all(git: Git, original: Path | None, index: Path, known: str) -> tuple[str, ...]:
    if original is not None and original.exists():
        # With its time: git tells by it which entries are too fresh to trust the file times.
        shutil.copy2(original, index)
        try:
            return _add(git)
        except GitFailed:  # damaged
            index.unlink()
    git.ask("read-tree", known)
    return _add(git)


def _add(git: Git) -> tuple[str, ...]:
    # --sparse: what an agent wrote outside a sparse checkout is work too.
    add = ("add", "--all", "--sparse", "--ignore-errors")
    answer = git.ask(*add, ok=(0, _SOME_REFUSED), timeout_s=LONG_S)
    # Of a folder that it cannot read git only warns.
    if "Permission denied" in answer.err and git.work_tree is not None and make_accessible(git.work_tree):
        answer = git.ask(*add, ok=(0, _SOME_REFUSED), timeout_s=LONG_S)
    if answer.code == 0:
        return ()
    lines = re.findall(r"^(?:error|fatal): (.+)$", answer.err, re.MULTILINE)
    return tuple(line for line in lines if _NO_COMMIT_INSIDE not in line and line != "adding files failed")
