"""Which changed paths a task's `files:` cover."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

_ANY_PARTS = "**"
_WILD = "*?["
_END = r"\Z"  # or \z: what fnmatch puts behind every pattern


def outside(paths: Iterable[str], patterns: Sequence[str], *, prefix: str = "") -> tuple[str, ...]:
    """The paths that none of the patterns covers.

    The rules are those of the dispatch: `*`, `?` and `[…]` stay within a part, `**` spans parts; a pattern whose
    last part has no wildcard, or nothing but stars, may mean a folder and covers everything below.

    Args:
        paths: As git gives them, from the top of the repository.
        patterns: From the project root, as in the task file.
        prefix: Where the project root is in the repository.
    """
    compiled = [_compiled(pattern, prefix) for pattern in patterns]
    return tuple(path for path in paths if not any(one.fullmatch(path) for one in compiled))


@lru_cache(maxsize=1024)
def _compiled(pattern: str, prefix: str) -> re.Pattern[str]:
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    text = re.escape(prefix) + "/" if prefix else ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == _ANY_PARTS:
            text += r".*" if last else r"(?:[^/]+/)*"
        else:
            text += _one_part(part) + ("" if last else "/")
    if not parts:
        text += ".*"
    elif parts[-1] != _ANY_PARTS and (not _is_wild(parts[-1]) or not parts[-1].strip("*")):
        text += r"(?:/.*)?"
    return re.compile(text, re.DOTALL)


def _is_wild(part: str) -> bool:
    return any(sign in part for sign in _WILD)


def _one_part(part: str) -> str:
    """A regular expression for one part of a path, which no wildcard may leave."""
    text, at = "", 0
    while at < len(part):
        sign = part[at]
        end = part.find("]", at + 2) if sign == "[" else -1
        if sign == "*":
            text += r"[^/]*"
        elif sign == "?":
            text += r"[^/]"
        elif end > 0:
            # The standard library knows how a set is written; only the slash is ours to keep out.
            text += r"(?!/)(?:" + fnmatch.translate(part[at : end + 1])[: -len(_END)] + ")"
            at = end
        else:
            text += re.escape(sign)
        at += 1
    return text
