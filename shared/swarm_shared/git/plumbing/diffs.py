"""What changed between two commits: the files, a short table, and the text up to a limit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from enum import StrEnum

from msgspec import Struct

from swarm_shared.git.plumbing.refs import tree_of
from swarm_shared.git.running.runner import LONG_S, Git, split_items

TEXT_LIMIT_BYTES = 256 * 1024
_LIST_BYTES = 64 * 1024  # room for the list of files before the patch
_STAT_LINES = 100
_ID_BYTES = 16
_NO_MODE = "000000"
# User settings must not affect diffs: no pager colours, no external programs.
_PLAIN = ("--no-ext-diff", "--no-textconv", "--no-color")


class Change(StrEnum):
    """What happened to a file; git's letters."""

    ADDED = "A"
    COPIED = "C"
    DELETED = "D"
    MODIFIED = "M"
    RENAMED = "R"
    TYPE = "T"  # became a link, or a file again


class FileChange(Struct, frozen=True, kw_only=True):
    """One changed file.

    Args:
        path: From the top of the repository; bytes that are no text survive in it.
        old_path: Where it was before, for renamed ones.
        added: Lines; None for binary files, as `deleted`.
        submodule: A commit id of another repository, no content.
    """

    path: str
    change: Change
    old_path: str | None
    added: int | None
    deleted: int | None
    submodule: bool = False


class Entry(Struct, frozen=True, kw_only=True):
    """One path in which two trees differ; modes and ids are zeros on the side that lacks it."""

    old_mode: str
    new_mode: str
    old_sha: str
    letter: str
    path: str

    def line(self, mode: str) -> str:
        """The file on the old side, as a line for ``update-index --index-info``."""
        return f"{mode} {self.old_sha}\t{self.path}"


class Diff(Struct, frozen=True, kw_only=True):
    """All that changed; `text` is a patch, cut behind a line when it was longer than the limit.

    `entries` are its files as git stores them, renames as both of their paths.
    """

    files: tuple[FileChange, ...]
    text: str
    truncated: bool
    entries: tuple[Entry, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that is touched, the old ones of renamed files included."""
        both = (path for file in self.files for path in (file.old_path, file.path) if path is not None)
        return tuple(dict.fromkeys(both))

    def stat(self, *, lines: int = _STAT_LINES) -> str:
        """A table for display and prompts: a line for each file and one with totals."""
        rows = [_row(file) for file in self.files[:lines]]
        if len(self.files) > lines:
            rows.append(f"… and {len(self.files) - lines} more files")
        added = sum(file.added or 0 for file in self.files)
        deleted = sum(file.deleted or 0 for file in self.files)
        rows.append(f"{len(self.files)} files changed, {added} lines added, {deleted} deleted")
        return "\n".join(rows)


# The last comparison: the work of an attempt is compared with its base when it is committed and again when it is looked
# at, and neither tree can have changed.
_LAST: dict[tuple[object, ...], Diff] = {}
_REMEMBERED_FILES = 10_000


def diff(git: Git, base: str, head: str, *, limit_bytes: int = TEXT_LIMIT_BYTES) -> Diff:
    """What changed from one commit to another."""
    return diff_of_trees(git, tree_of(git, base), tree_of(git, head), limit_bytes=limit_bytes)


def diff_of_trees(git: Git, base: str, head: str, *, limit_bytes: int = TEXT_LIMIT_BYTES) -> Diff:
    """What changed from one tree to another; the last comparison is remembered."""
    if base == head:
        return Diff(files=(), text="", truncated=False)
    which = (git.git_dir, base, head, limit_bytes)  # the attributes of a worktree say how its files are shown
    known = _LAST.get(which)
    if known is None:
        known = _compared(git, base, head, limit_bytes)
        _LAST.clear()
        if len(known.files) <= _REMEMBERED_FILES:
            _LAST[which] = known
    return known


def changed_entries(git: Git, base: str, head: str) -> tuple[Entry, ...]:
    """Every path in which one tree differs from another, renames as both of their paths."""
    return diff_of_trees(git, base, head).entries


def _compared(git: Git, base: str, head: str, limit_bytes: int) -> Diff:
    what = ("diff-tree", "-r", "-p", "-M", *_PLAIN)
    answer = git.ask(
        *(*what, "-z", "--raw", "--numstat", base, head), limit_bytes=limit_bytes + _LIST_BYTES, timeout_s=LONG_S
    )
    # With -z an empty item parts the list of files from the patch; no path is empty.
    listed, parted, out = answer.out.partition(b"\0\0")
    if not answer.truncated:
        items = split_items(listed + b"\0" if parted else listed)
    else:
        items = _listed(git, base, head)
        if len(out) < limit_bytes:  # so many files that their list took the room
            out = git.ask(*what, base, head, limit_bytes=limit_bytes, timeout_s=LONG_S).out
    truncated = answer.truncated or len(out) > limit_bytes
    if truncated:
        out = out[:limit_bytes]
        out = out[: out.rfind(b"\n") + 1]
    return Diff(
        files=_files(items), text=out.decode("utf-8", "replace"), truncated=truncated, entries=tuple(_entries(items))
    )


def changed_files(git: Git, base: str, head: str) -> tuple[FileChange, ...]:
    """The changed files alone, renames found, in git's order."""
    return _files(_listed(git, base, head))


def _listed(git: Git, base: str, head: str) -> tuple[str, ...]:
    return git.items("diff-tree", "-r", "-z", "-M", *_PLAIN, "--raw", "--numstat", base, head)


def _entries(items: Iterable[str]) -> Iterator[Entry]:
    raw = iter(items)
    for item in raw:
        if not item.startswith(":"):
            return  # the numbers of lines follow
        old_mode, new_mode, old_sha, new_sha, letter = item[1:].split(" ")
        path = next(raw)
        if letter[0] != Change.RENAMED:
            yield Entry(old_mode=old_mode, new_mode=new_mode, old_sha=old_sha, letter=letter[0], path=path)
            continue
        none = "0" * len(new_sha)
        yield Entry(old_mode=old_mode, new_mode=_NO_MODE, old_sha=old_sha, letter=Change.DELETED, path=path)
        yield Entry(old_mode=_NO_MODE, new_mode=new_mode, old_sha=none, letter=Change.ADDED, path=next(raw))


def _files(items: Iterable[str]) -> tuple[FileChange, ...]:
    raw = iter(items)
    found: list[tuple[str, Change, str | None, bool]] = []
    lines: dict[str, tuple[int | None, int | None]] = {}
    for item in raw:
        if item.startswith(":"):
            old_mode, new_mode, _, _, letter = item[1:].split(" ")
            change = Change(letter[0])
            first = next(raw)
            moved = change in (Change.RENAMED, Change.COPIED)
            path, old_path = (next(raw), first) if moved else (first, None)
            found.append((path, change, old_path, "160000" in (old_mode, new_mode)))
        else:
            added, deleted, path = item.split("\t", 2)
            if not path:  # renamed: old and new path follow
                next(raw)
                path = next(raw)
            lines[path] = (_number(added), _number(deleted))
    return tuple(
        FileChange(
            path=path,
            change=change,
            old_path=old_path,
            added=lines.get(path, (None, None))[0],
            deleted=lines.get(path, (None, None))[1],
            submodule=submodule,
        )
        for path, change, old_path, submodule in found
    )


def change_id(git: Git, base: str, head: str) -> str | None:
    """The same text for the same change, whatever its author and time; None when nothing changed."""
    items = git.items("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", *_PLAIN, base, head)
    if not items:
        return None
    joined = "\0".join(items).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(joined, digest_size=_ID_BYTES).hexdigest()


def changed_paths(git: Git, base: str, head: str) -> frozenset[str]:
    """Every path whose content differs, a rename as both of its paths."""
    return frozenset(git.items("diff-tree", "-r", "-z", "--no-renames", "--name-only", base, head))


def _number(text: str) -> int | None:
    return None if text == "-" else int(text)


def _row(file: FileChange) -> str:
    count = "binary" if file.added is None else f"+{file.added} -{file.deleted}"
    name = file.path if file.old_path is None else f"{file.old_path} → {file.path}"
    return f"{file.change} {name} {count}".encode("utf-8", "replace").decode()
