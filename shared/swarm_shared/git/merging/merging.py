"""Merges two commits without a checkout: the result is a new commit, or the list of conflicts."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from swarm_shared.git.merging.marked import MarksOf, merge_marked
from swarm_shared.git.plumbing.commits import commit_tree
from swarm_shared.git.plumbing.diffs import Change, changed_files, changed_paths
from swarm_shared.git.plumbing.on_disk import is_contained_on_disk
from swarm_shared.git.plumbing.refs import has_commit, is_contained, tree_of
from swarm_shared.git.running.git_errors import GitFailed, UnrelatedHistories
from swarm_shared.git.running.runner import LONG_S, Git, split_items

_UNCLEAN = 1
_ERRORS = 128
_FILE_MODES = "100"
_ATTRIBUTES = b".gitattributes"
_TREE_ID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?\0")


class MergedTree(Struct, frozen=True, kw_only=True):
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


def merge_tree(git: Git, into: str, other: str, *, unrelated: bool = False) -> MergedTree:
    """Merge two commits in memory, by the rules that `into` has in its .gitattributes.

    Args:
        unrelated: Merge histories without a common commit too, as if both had begun with no files.

    Raises:
        UnrelatedHistories: They have no history in common.
        GitFailed: One of them is no commit. Git's exit code is 1 for that as for a conflict; it is a conflict only
            if a tree id comes first.
    """
    options = (
        "--write-tree",
        "-z",
        "--name-only",
        "--messages",
        *(("--allow-unrelated-histories",) if unrelated else ()),
    )
    arguments = ("merge-tree", *options, into, other)
    with tempfile.TemporaryDirectory(prefix="swarm-merge-") as place:
        # Git takes the merge attributes from the files of a checkout, and only from there.
        folder = Path(place)
        if has_commit(git, into):
            _lay_out_attributes(git, into, folder)
        merger = git.at(cwd=folder, git_dir=git.git_dir, work_tree=folder)
        answer = merger.ask(*arguments, ok=(0, _UNCLEAN, _ERRORS), timeout_s=LONG_S)
    if answer.code == _ERRORS or not _TREE_ID.match(answer.out):
        kind = UnrelatedHistories if "unrelated histories" in answer.err else GitFailed
        raise kind(arguments, answer.code, answer.err, git.cwd)
    items = split_items(answer.out)
    if answer.code == 0:
        return MergedTree(tree=items[0], conflicts=(), notes=(), clean=True)
    end = items.index("", 1)  # an empty item parts the paths from the messages
    notes = tuple(note for note in _messages(iter(items[end + 1 :])) if note.startswith("CONFLICT"))
    return MergedTree(tree=items[0], conflicts=items[1:end], notes=notes, clean=False)


class MergeKind(StrEnum):
    """How one history is merged into another."""

    CONTAINED = "contained"  # it is in there already
    FAST_FORWARD = "fast_forward"  # there is nothing on this side
    MERGED = "merged"  # a commit with two parents
    CONFLICT = "conflict"
    UNRELATED = "unrelated"  # they have no commit in common: one was created again, or its first commit amended


class Merge(Struct, frozen=True, kw_only=True):
    """A merge that is ready to be put on a ref, or cannot be.

    Args:
        old: Where the ref has to be.
        new: Where it is to go; equal to `old` when contained, None with conflicts or unrelated histories.
        conflicts, notes: As in `MergedTree`.
        unfinished: The merged files before `finish` changed them; None when it did not.
    """

    kind: MergeKind
    old: str
    new: str | None
    unfinished: str | None = None
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def plan_merge(
    git: Git,
    *,
    into: str,
    other: str,
    message: str,
    fast_forward: bool = True,
    marks: MarksOf | None = None,
    finish: Callable[[str], str] | None = None,
) -> Merge:
    """Compute the merge of `other` into `into`; a commit may be created, but no ref moves.

    Args:
        into, other: Commit ids, never names: what was checked is what gets merged.
        fast_forward: Whether `other` itself may be the answer, where a commit with a message is not needed.
        marks: Resolves conflicts between neighbouring items of plans.
        finish: From the merged tree to the one to commit.
    """

    def committed(tree: str, *, contained: bool = False) -> Merge:
        finished = tree if finish is None else finish(tree)
        if contained and finished == tree:
            return Merge(kind=MergeKind.CONTAINED, old=into, new=into)
        parents = (into,) if contained else (into, other)
        new = commit_tree(git, finished, parents=parents, message=message)
        return Merge(kind=MergeKind.MERGED, old=into, new=new, unfinished=None if finished == tree else tree)

    if is_contained(git, other, into):
        if finish is not None:
            return committed(tree_of(git, into), contained=True)
        return Merge(kind=MergeKind.CONTAINED, old=into, new=into)
    if fast_forward and is_contained(git, into, other):
        return Merge(kind=MergeKind.FAST_FORWARD, old=into, new=other)
    if not fast_forward and is_contained_on_disk(git, into, other):
        # Nothing was changed on this side: the merged files are those of the other one.
        return committed(tree_of(git, other))
    try:
        merged = merge_tree(git, into, other)
    except UnrelatedHistories:
        return Merge(kind=MergeKind.UNRELATED, old=into, new=None)
    if merged.clean:
        return committed(merged.tree)
    resolved = None
    if marks is not None:
        resolved = merge_marked(git, merged.tree, merged.conflicts, into=into, other=other, marks=marks)
    if resolved is None:
        return Merge(kind=MergeKind.CONFLICT, old=into, new=None, conflicts=merged.conflicts, notes=merged.notes)
    return committed(resolved)


def unexplained_paths(git: Git, *, base: str, head: str, tip: str, merged: str) -> tuple[str, ...]:
    """Paths that landing would change although the task's own diff does not: a sign that it reverts the work of others.

    It happens when a commit names a parent whose files it does not have, as `git reset --soft main` and a commit
    do; git then merges the loss without a conflict. What the other side has renamed is known by both its names.

    Args:
        base, head: What the task started from and ended with.
        tip, merged: The integration branch before and after.
    """
    own = changed_paths(git, base, head)
    found = changed_paths(git, tip, merged) - own
    if found:
        renamed = (file for file in changed_files(git, base, tip) if file.change is Change.RENAMED)
        found -= {file.path for file in renamed if file.old_path in own}
    return tuple(sorted(found))


def _lay_out_attributes(git: Git, commit: str, folder: Path) -> None:
    """Write the .gitattributes files of a commit, and nothing else of it, into a folder."""
    listed = git.ask("ls-tree", "-r", "-z", commit, timeout_s=LONG_S).out
    for entry in listed.split(b"\0"):
        if not entry.endswith(_ATTRIBUTES):
            continue  # almost all of them: to decode ten thousand names would take longer than to list them
        meta, _, path = os.fsdecode(entry).partition("\t")
        mode, _, blob = meta.split(" ")
        if os.path.basename(path) == os.fsdecode(_ATTRIBUTES) and mode.startswith(_FILE_MODES):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(git.ask("cat-file", "blob", blob).out)


def _messages(items: Iterator[str]) -> Iterator[str]:
    """The texts of git-merge-tree(1)'s messages: a count, so many paths, a type and the text."""
    for count in items:
        for _ in range(int(count)):
            next(items)
        next(items)
        yield next(items).strip()
