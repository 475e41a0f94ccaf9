"""Single files of a commit or tree: read, and replaced without a checkout."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.running.runner import Git

REGULAR = ("100644", "100755")
MOST_RENAMES = 20  # of one file, one after the other


class TreeFile(Struct, frozen=True, kw_only=True):
    """A regular file in a tree; `mode` says whether it is executable."""

    mode: str
    text: str


def text_at(git: Git, tree: str, path: str) -> TreeFile | None:
    """A text file of a commit or tree; None for what is missing, no regular file, or not UTF-8."""
    found = git.items("ls-tree", "-z", "--full-tree", tree, "--", f":(literal,top){path}")
    if len(found) != 1:
        return None
    mode, kind, blob = found[0].partition("\t")[0].split()
    if kind != "blob" or mode not in REGULAR:
        return None
    try:
        return TreeFile(mode=mode, text=git.ask("cat-file", "blob", blob).out.decode())
    except UnicodeDecodeError:
        return None


def with_files(git: Git, tree: str, files: Mapping[str, TreeFile]) -> str:
    """The tree with these files in place of those at their paths."""
    with tempfile.TemporaryDirectory(prefix="swarm-tree-") as place:
        index = git.with_index(Path(place) / "index")
        index.ask("read-tree", tree)
        entries = b""
        for path, file in files.items():
            blob = git.ask("hash-object", "-w", "--stdin", stdin=file.text.encode()).out.decode().strip()
            entries += f"{file.mode} {blob}\t{path}\0".encode()
        index.ask("update-index", "-z", "--index-info", stdin=entries)
        return index.line("write-tree")


def renames_of(git: Git, path: str, commits: Sequence[str]) -> Iterator[str]:
    """The names that a file got after this one in the history of these commits, in their order.

    Source: git-rev-list(1): of a path that is gone, the last commit that touched it removed it.
    """
    seen = {path}
    while commits and len(seen) <= MOST_RENAMES:
        last = git.line("rev-list", "-1", "--topo-order", *commits, "--", f":(literal,top){path}")
        if not last:
            return
        found = git.items("diff-tree", "-r", "-z", "-M", "--no-commit-id", "--diff-filter=R", "--name-status", last)
        path = next((found[at + 2] for at in range(0, len(found), 3) if found[at + 1] == path), "")
        if not path or path in seen:
            return
        seen.add(path)
        yield path
