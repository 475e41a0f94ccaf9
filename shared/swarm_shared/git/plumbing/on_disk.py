"""Reads refs and commits from git's files, without starting a process.

Most questions about a task are about refs that were moved and commits that were made a moment ago: git keeps them in
separate files until they are packed. Anything that is not exactly as git writes it is left to git.
Source: gitrepository-layout(5), and "Object storage format" in git's technical documentation.
"""

from __future__ import annotations

import os
import re
import zlib
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from swarm_shared.git.running.runner import Git

SHA = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")
_Fact = TypeVar("_Fact")
_SYMBOLIC = "ref: "
_HEADER = re.compile(rb"commit (\d+)\0")
_GENERATIONS = 16  # enough for what a few workers land during one task
_KNOWN_LIMIT = 10_000


class Commit(Struct, frozen=True, kw_only=True):
    """A commit's tree and parents, in git's order."""

    tree: str
    parents: tuple[str, ...]


class Ref(Struct, frozen=True, kw_only=True):
    """What a ref points to; `sha` is None if there is no such ref."""

    sha: str | None


# Answers of git that cannot change while we run: commits that a repository has, by its git directory, and pairs of
# a commit and one whose history contains it.
_PRESENT: set[tuple[Path, str]] = set()
_CONTAINED: set[tuple[str, str]] = set()


def ref_on_disk(git: Git, ref: str) -> Ref | None:
    """A full ref name or ``HEAD``, and the commit that it points to; None if git has to be asked.

    A commit that is missing or damaged, as after a power failure, is git's to find, and a packed one the first time.
    """
    common = common_dir(git)
    if common is None or git.git_dir is None or has_reftable(common):
        return None
    said = _line(git.git_dir / ref if ref == "HEAD" else common / ref)
    if said is not None and said.startswith(_SYMBOLIC) and ref == "HEAD":
        ref = said.removeprefix(_SYMBOLIC)
        said = _line(common / ref) if ref.startswith("refs/") else None
    if said is None:
        # Git writes a ref into the packed file before it deletes the single one, so this order misses none.
        said = _packed(common, ref) if ref.startswith("refs/") else ""
    if said is None:
        return Ref(sha=None)
    known = (common, said) in _PRESENT
    return Ref(sha=said) if known or (SHA.fullmatch(said) and _read(common, said) is not None) else None


def note_present(git: Git, sha: str) -> None:
    """Remember that git found a commit to which a ref points."""
    common = common_dir(git)
    if common is not None:
        _remember(_PRESENT, (common, sha))


def note_contained(sha: str, tip: str) -> None:
    """Remember that git found a commit in the history of another."""
    if SHA.fullmatch(tip):
        _remember(_CONTAINED, (sha, tip))


def commit_on_disk(git: Git, sha: str) -> Commit | None:
    """A commit by its id; None if git has to be asked, also where it may see other parents than the commit names."""
    common = common_dir(git)
    if common is None or not SHA.fullmatch(sha) or _is_rewritten(common):
        return None
    return _read(common, sha)


def is_contained_on_disk(git: Git, sha: str, tip: str) -> bool | None:
    """Whether a commit is part of another one's history, by the parents they name; None if git has to be asked."""
    lower, at = commit_on_disk(git, sha), commit_on_disk(git, tip)
    if lower is not None and at is not None and tip in lower.parents:
        return False
    if at is not None and (sha, tip) in _CONTAINED:
        return True
    for _ in range(_GENERATIONS):
        if at is None or not at.parents:
            return None
        if (lower is not None and sha in at.parents) or any((sha, parent) in _CONTAINED for parent in at.parents):
            note_contained(sha, tip)
            return True
        at = commit_on_disk(git, at.parents[0])
    return None


def common_dir(git: Git) -> Path | None:
    """The git directory that all worktrees share; None if git was not given one to work with."""
    if git.git_dir is None:
        return None
    link = _line(git.git_dir / "commondir")
    return git.git_dir if link is None else Path(os.path.normpath(git.git_dir / link))


def has_reftable(common: Path) -> bool:
    """Whether refs and HEADs are kept in another form than single files."""
    return (common / "reftable").exists()


def _read(common: Path, sha: str) -> Commit | None:
    try:
        raw = zlib.decompress((common / "objects" / sha[:2] / sha[2:]).read_bytes())
    except (OSError, zlib.error):
        return None
    header = _HEADER.match(raw)
    if header is None or len(raw) - header.end() != int(header[1]):
        return None
    lines = raw[header.end() :].partition(b"\n\n")[0].decode("ascii", "replace").split("\n")
    if not lines[0].startswith("tree "):
        return None
    parents = tuple(line.removeprefix("parent ") for line in lines if line.startswith("parent "))
    return Commit(tree=lines[0].removeprefix("tree "), parents=parents)


def _remember(known: set[_Fact], fact: _Fact) -> None:
    if len(known) >= _KNOWN_LIMIT:
        known.clear()
    known.add(fact)


def _packed(common: Path, ref: str) -> str | None:
    """What a ref without a file points to; None if there is no such ref, "" if that is unknown."""
    if not (common / "HEAD").is_file():
        return ""
    try:
        packed = (common / "packed-refs").read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return ""
    before, found, _ = packed.partition(b" " + os.fsencode(ref) + b"\n")
    return before.rpartition(b"\n")[2].decode("ascii", "replace") if found else None


def _is_rewritten(common: Path) -> bool:
    """Whether git shows some commits differently from what they are: shallow clones, replacements, grafts."""
    if any((common / name).exists() for name in ("shallow", "info/grafts", "refs/replace")):
        return True
    try:
        return b" refs/replace/" in (common / "packed-refs").read_bytes()
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _line(file: Path) -> str | None:
    """The one line of a file; None without such a file. What is no plain file is read by git alone."""
    try:
        return os.fsdecode(file.read_bytes()).removesuffix("\n")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError:
        return ""
