"""Conflict markers that a task added to text files and did not remove."""

from __future__ import annotations

import re

from msgspec import Struct

from swarm_shared.git.plumbing.diffs import Diff
from swarm_shared.git.running.runner import LONG_S, Git

MAX_FOUND = 50
_BOTH_ENDS = r"^(<<<<<<<|>>>>>>>)([[:space:]]|$)"
_FILE_LIMIT_BYTES = 4 * 1024 * 1024
_HUNK = re.compile(rb"@@ -\S+ \+(\d+)")


class Marker(Struct, frozen=True, kw_only=True):
    """Where a conflict begins: path from the top of the repository, line from 1."""

    path: str
    line: int


def conflict_markers(git: Git, base: str, head: str) -> tuple[Marker, ...]:
    """Conflicts that one commit has and the other had not, at most `MAX_FOUND`.

    Only added lines count, and only where both ends were added: a file about merging may show one, and a row of
    ``=======`` is a heading in many texts. Binary files are not looked at.
    """
    suspects = git.items(
        *("diff-tree", "-r", "-z", "--no-renames", "--name-only", "--diff-filter=d", "--no-textconv"),
        *("-G", _BOTH_ENDS, base, head),
    )
    found: list[Marker] = []
    for path in suspects:
        answer = git.ask(
            *("diff-tree", "-r", "-p", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color"),
            *(base, head, "--", f":(top,literal){path}"),
            limit_bytes=_FILE_LIMIT_BYTES,
            timeout_s=LONG_S,
        )
        found += (Marker(path=path, line=line) for line in _begun_and_ended(answer.out))
        if len(found) >= MAX_FOUND:
            break
    return tuple(found[:MAX_FOUND])


def may_have_markers(change: Diff) -> bool:
    """Whether `conflict_markers` can find any in a change; asks no git process.

    Of a renamed file the text of a change shows less than all its lines.
    """
    whole = not change.truncated and all(file.old_path is None for file in change.files)
    return not whole or "\n+<<<<<<<" in change.text


def _begun_and_ended(patch: bytes) -> list[int]:
    """The lines where added conflicts begin whose end was added too."""
    begun: list[int] = []
    open_at: int | None = None
    number = 0
    in_hunk = False
    for line in patch.split(b"\n"):
        hunk = _HUNK.match(line)
        if hunk:
            number, in_hunk = int(hunk[1]), True
        elif in_hunk and line.startswith(b"+"):
            if _is_end(line[1:], b"<<<<<<<"):
                open_at = number
            elif _is_end(line[1:], b">>>>>>>") and open_at is not None:
                begun.append(open_at)
                open_at = None
            number += 1
    return begun


def _is_end(line: bytes, sign: bytes) -> bool:
    rest = line.removeprefix(sign).rstrip(b"\r")
    return line.startswith(sign) and (not rest or rest.startswith(b" "))
