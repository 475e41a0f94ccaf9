"""Files that only git considers changed, because of line endings, filters, encodings or keywords, right after a
checkout.

Git converts files on the way out and back in. Where a blob is not what the way back in would give (one with CRLF
under ``*.txt text``, for instance), an untouched file is listed as modified.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Sequence
from pathlib import Path

from swarm_shared.git.plumbing.diffs import Entry
from swarm_shared.git.plumbing.index_listing import set_entries
from swarm_shared.git.running.runner import LONG_S, Git

_FILE = "100"
_MODIFIED = "M"
_SOME_FAILED = (0, 1, 128)  # a filter that is missing or refuses: its files count as changed


def untouched(git: Git, top: Path, changes: Sequence[Entry], *, scratch: Path) -> tuple[Entry, ...]:
    """Those of the changes whose file is, byte for byte, what a fresh checkout of the commit would write.

    Args:
        git: With the checkout as its work tree: the conversions are those of its .gitattributes.
        scratch: An empty folder; what is put into it may be deleted.
    """
    suspects = [
        change
        for change in changes
        if change.letter == _MODIFIED and change.old_mode.startswith(_FILE) and change.new_mode.startswith(_FILE)
    ]
    if not suspects:
        return ()
    fresh = git.with_index(scratch / "fresh-index")
    set_entries(fresh, (change.line(change.old_mode) for change in suspects))
    files = scratch / "fresh"
    fresh.ask("checkout-index", "--all", "--quiet", f"--prefix={files}{os.sep}", ok=_SOME_FAILED, timeout_s=LONG_S)
    return tuple(change for change in suspects if _same(files / change.path, top / change.path))


def _same(one: Path, other: Path) -> bool:
    try:
        return filecmp.cmp(one, other, shallow=False)
    except OSError:
        return False
