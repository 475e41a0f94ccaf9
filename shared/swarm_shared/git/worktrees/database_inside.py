"""A database inside a git checkout: keeps it out of commits, and warns about the danger."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from swarm_shared.domain.errors import SwarmError
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.running.runner import Git

PARTS = ("", "-wal", "-shm", ".swarm")  # what lies next to the database belongs to it
_NOT_IGNORED = 1


def checkout_around(database: Path) -> Repository | None:
    """The repository in whose checkout the database is; None if it is in none, or git does not answer."""
    try:
        found = Repository.find(database.parent)
    except SwarmError:
        return None  # without git nothing commits it either
    return None if found is None or found.top_level is None else found


def keep_out_of_commits(database: Path) -> None:
    """Let `git add` pass over a database inside a checkout, by the file that is never committed itself.

    Raises:
        SwarmError: Git does not answer.
        OSError: The repository's info/exclude cannot be written.
    """
    found = checkout_around(database)
    if found is None or found.top_level is None:
        return
    git = found.git.at(cwd=found.top_level, git_dir=found.git_dir, work_tree=found.top_level)
    prefix = os.path.join(found.prefix, "")
    missing = [part for part in PARTS if not _is_ignored(git, f"{prefix}{database.name}{part}")]
    lines = [_pattern(f"{prefix}{database.name}{part}") for part in missing]
    if not lines or "\n" in database.name + prefix:
        return
    file = found.common_dir / "info" / "exclude"
    file.parent.mkdir(exist_ok=True)
    before = file.read_bytes() if file.exists() else b""
    gap = b"" if before.endswith(b"\n") or not before else b"\n"
    with file.open("ab") as exclude:
        exclude.write(gap + b"".join(os.fsencode(line) + b"\n" for line in lines))


def danger(database: Path) -> str | None:
    """What may happen to a database inside a checkout, and a safer place for it; None if it is in none."""
    found = checkout_around(database)
    if found is None or found.top_level is None:
        return None
    top = found.top_level
    safer = shlex.quote(str(top.parent / f"{top.name}-{database.name}"))
    return (
        f"{database} is inside the checkout {top}, where `git clean -fdx` would delete it; a safer place: "
        f"amplifier-swarm backup {safer}, then --db {safer}"
    )


def _is_ignored(git: Git, path: str) -> bool:
    # A file that is tracked counts as not ignored without --no-index, whatever the patterns say.
    answer = git.ask("check-ignore", "--quiet", "--no-index", "--", path, ok=(0, _NOT_IGNORED))
    return answer.code == 0


def _pattern(path: str) -> str:
    """A line that means exactly this path. Source: gitignore(5)."""
    return "/" + re.sub(r"([\\*?\[ ])", r"\\\1", path)
