"""Files that are missing without a commit that deletes them, if that looks like an accident.

A worktree can be emptied by a script that fails, a cleanup job, or an `rm -rf` with an empty variable. Deleting most
files of a project can also be the task; then the agent says so with its own commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct

from swarm_shared.git.plumbing.diffs import Entry
from swarm_shared.git.plumbing.index_listing import IndexListing
from swarm_shared.git.running.runner import Git

_DELETED, _ADDED = "D", "A"


class Vanished(Struct, frozen=True, kw_only=True):
    """Deletions that do not count.

    Args:
        files: The missing files, as the commit has them.
        emptied: Whether nothing but dotfiles is left: an `rm -rf *`, with or without more.
    """

    files: tuple[Entry, ...] = ()
    emptied: bool = False


def vanished(
    git: Git, changes: Sequence[Entry], listing: IndexListing, *, known: str, prefix: str, distrust: bool
) -> Vanished:
    """The uncommitted deletions that do not count: of more than half of the files, or of all but the dotfiles.

    Args:
        git: With the index that has the changes since `known`.
        prefix: The project's folder; emptying it counts like emptying the checkout.
        distrust: Whether no deletion counts, because the checkout's own git files were lost or replaced.
    """
    deleted = [change for change in changes if change.letter == _DELETED]
    if not deleted:
        return Vanished()
    added = sum(change.letter == _ADDED for change in changes)
    before = len(listing.tracked) - added + len(deleted)
    emptied = not listing.tracked or any(_is_emptied(deleted, listing, scope) for scope in {"", prefix})
    if added and not emptied and (distrust or _are_most(deleted, before)):
        # What was moved is not missing.
        options = ("--cached", "-M", "-l0", "--name-only", "--diff-filter=D", "-z")
        gone = set(git.items("diff-index", *options, known))
        deleted = [change for change in deleted if change.path in gone]
    if not emptied and not distrust and not _are_most(deleted, before):
        return Vanished()
    return Vanished(files=_with_room(deleted, listing), emptied=emptied)


def _are_most(deleted: Sequence[Entry], before: int) -> bool:
    """Whether more than half of the files are missing; one alone may have been replaced, also in a tiny project."""
    return len(deleted) > 1 and 2 * len(deleted) > before


def _is_emptied(deleted: Sequence[Entry], listing: IndexListing, scope: str) -> bool:
    """Whether all files that are not hidden are missing below a folder; one alone may well have been deleted."""
    gone = sum(_is_visible(change.path, scope) for change in deleted)
    return gone > 1 and not any(_is_visible(path, scope) for path in listing.tracked)


def _is_visible(path: str, scope: str) -> bool:
    below = path.removeprefix(f"{scope}/") if scope else path
    return (not scope or below != path) and not below.startswith(".")


def _with_room(deleted: Sequence[Entry], listing: IndexListing) -> tuple[Entry, ...]:
    """Those that have not become a folder, or the folder of which has not become a file."""
    files = set(listing.tracked)
    folders = {folder for path in files for folder in _above(path)}
    return tuple(change for change in deleted if change.path not in folders and files.isdisjoint(_above(change.path)))


def _above(path: str) -> tuple[str, ...]:
    return tuple(accumulate(path.split("/")[:-1], lambda folder, name: f"{folder}/{name}"))
