"""Paths of files that a text names."""

from __future__ import annotations

import re

MAX_TEXT_SEARCHED = 4_000
MAX_PATH_CHARS = 1_000

_TICKED = re.compile(r"`([\w.@+\[\]*/-]{1,300})`")
_PATH = re.compile(r"(?<![\w/:.@~\\+-])(?:\./)?[\w.@+-]+(?:/[\w.@+\[\]-]+)+")
_SUFFIX = re.compile(r"[\w\]*-]\.[A-Za-z][A-Za-z0-9]{0,7}$")
_ABSOLUTE = re.compile(r"[/\\~]|[A-Za-z]:[/\\]")


def paths_in(text: str) -> tuple[str, ...]:
    """Relative paths with a suffix: in backticks, or with a slash in them. A sentence's last dot is no suffix."""
    if "/" not in text and "`" not in text:
        return ()
    searched = text[:MAX_TEXT_SEARCHED]
    found = [word for word in _TICKED.findall(searched) if "/" in word or word.count(".") == 1]
    found += _PATH.findall(searched)
    paths = (path.removeprefix("./").rstrip(".") for path in found)
    return tuple(dict.fromkeys(path for path in paths if _SUFFIX.search(path) and is_usable(path)))


def is_usable(path: str) -> bool:
    """Whether a path may be in `files`: relative, and within the project."""
    return 0 < len(path) <= MAX_PATH_CHARS and not _ABSOLUTE.match(path) and ".." not in re.split(r"[/\\]", path)
