"""Merging two commits without a checkout: a new commit, or the list of what stands in the way."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from swarm_shared.git.commits import commit_tree
from swarm_shared.git.diffs import changed_paths
from swarm_shared.git.errors import GitFailed
from swarm_shared.git.refs import is_contained
from swarm_shared.git.runner import LONG_S, Git, split_items

_UNCLEAN = 1
_ERRORS = 128
_TREE_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedTree:
    """A merge of two commits as files.

    Args:
        tree: The merged files; with conflicts they hold markers.
        conflicts: The paths in conflict; empty when it is clean.
        notes: What git says of each conflict, such as ``CONFLICT (modify/delete): …``.
        clean: Whether it can be committed as it is.
    """

    tree: str
    conflicts: tuple[str, ...]
    notes: tuple[str, ...]
    clean: bool


def merge_tree(git: Git, into: str, other: str) -> MergedTree:
    """Merge two commits in memory, by the rules that `into` has in its .gitattributes.

    Raises:
        GitFailed: One of them is no commit, or they have no history in common. Git's exit code is 1 for that as
            for a conflict; it is a conflict only if a tree id comes first.
    """
    with tempfile.TemporaryDirectory(prefix="swarm-merge-", dir=git.git_dir) as folder:
        # Git looks for attributes in the index; the person's would say what the person has staged just now.
        private = git.with_index(Path(folder) / "index")
        _load_attributes(private, into)
        arguments = ("merge-tree", "--write-tree", "-z", "--name-only", "--messages", into, other)
        answer = private.ask(*arguments, ok=(0, _UNCLEAN, _ERRORS), timeout_s=LONG_S)
    if answer.code == _ERRORS or not _TREE_ID.match(answer.out):
        raise GitFailed(arguments, answer.code, answer.err, git.cwd)
    items = split_items(answer.out)
    if answer.code == 0:
        return MergedTree(tree=items[0], conflicts=(), notes=(), clean=True)
    end = items.index("", 1)  # an empty item parts the paths from the messages
    notes = tuple(note for note in _messages(iter(items[end + 1 :])) if note.startswith("CONFLICT"))
    return MergedTree(tree=items[0], conflicts=items[1:end], notes=notes, clean=False)


class MergeKind(StrEnum):
    """How one history comes into another."""

    CONTAINED = "contained"  # it is in there already
    FAST_FORWARD = "fast_forward"  # there is nothing on this side
    MERGED = "merged"  # a commit with two parents
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """A merge that is ready to be put on a ref, or cannot be.

    Args:
        old: Where the ref has to be.
        new: Where it is to go; equal to `old` when contained, None with conflicts.
        conflicts, notes: As in `MergedTree`.
    """

    kind: MergeKind
    old: str
    new: str | None
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan_merge(git: Git, *, into: str, other: str, message: str, fast_forward: bool = True) -> Merge:
    """Work out what bringing `other` into `into` would give; a commit may be made, no ref moves.

    Args:
        into, other: Commit ids, never names: what was checked is what gets merged.
        fast_forward: Whether `other` itself may be the answer, where a commit with a message is not needed.
    """
    if is_contained(git, other, into):
        return Merge(kind=MergeKind.CONTAINED, old=into, new=into)
    if fast_forward and is_contained(git, into, other):
        return Merge(kind=MergeKind.FAST_FORWARD, old=into, new=other)
    merged = merge_tree(git, into, other)
    if not merged.clean:
        return Merge(kind=MergeKind.CONFLICT, old=into, new=None, conflicts=merged.conflicts, notes=merged.notes)
    new = commit_tree(git, merged.tree, parents=(into, other), message=message)
    return Merge(kind=MergeKind.MERGED, old=into, new=new)


def unexplained_paths(git: Git, *, base: str, head: str, tip: str, merged: str) -> tuple[str, ...]:
    """What landing would change although the task's own diff does not: a sign that it reverts somebody's work.

    It happens when a commit names a parent whose files it does not have, as `git reset --soft main` and a commit
    do; git then merges the loss without a conflict. A file that was renamed on the other side shows up too.

    Args:
        base, head: What the task started from and ended with.
        tip, merged: The integration branch before and after.
    """
    return tuple(sorted(changed_paths(git, tip, merged) - changed_paths(git, base, head)))


def _load_attributes(git: Git, commit: str) -> None:
    """An index that holds nothing but the .gitattributes files of a commit."""
    listed = git.ask("ls-tree", "-r", "-z", commit, ok=(0, _ERRORS)).out.split(b"\0")
    wanted = [entry for entry in listed if os.path.basename(entry.partition(b"\t")[2]) == b".gitattributes"]
    git.ask("update-index", "-z", "--index-info", stdin=b"".join(entry + b"\0" for entry in wanted))


def _messages(items: Iterator[str]) -> Iterator[str]:
    """The texts of git-merge-tree(1)'s messages: a count, so many paths, a type and the text."""
    for count in items:
        for _ in range(int(count)):
            next(items)
        next(items)
        yield next(items).strip()
