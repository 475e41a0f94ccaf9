"""Entries of an index that name the commit of another repository, which is in the worktree: submodules, and
repositories that an agent has added.

Commands that compare such an entry with the files run `git status` in that repository, which obeys its settings: a
filter there, of an agent's choice, would run a program with the user's permissions. So such entries are excluded from
those commands, or the commands are not used at all.

Source: gitformat-index(5).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

from swarm_shared.git.running.runner import Git

# The mode, in four bytes; and the extension that leads to a second file with further entries.
_MODE, _SPLIT = b"\0\0\xe0\0", b"link"
_ENTRY = re.compile(rb"(?:\A|\0)160000 [^\t]+\t([^\0]+)")


def gitlinks(git: Git, index: Path) -> tuple[str, ...]:
    """Their paths. An index without any, as most are, costs no git process.

    Args:
        git: With that index.
    """
    try:
        data = index.read_bytes()
    except OSError:
        return ()
    if _MODE not in data and _SPLIT not in data:
        return ()
    listed = git.ask("ls-files", "--cached", "--stage", "-z").out
    return tuple(dict.fromkeys(os.fsdecode(path) for path in _ENTRY.findall(listed)))


def without(links: Collection[str]) -> bytes:
    """The pathspecs of everything but those, each with a NUL behind it."""
    return b"".join(
        os.fsencode(spec) + b"\0" for spec in (":(top)", *(f":(top,exclude,literal){path}" for path in links))
    )
