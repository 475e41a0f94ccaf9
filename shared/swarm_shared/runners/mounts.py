"""The file system that a confined command sees: a list of mounts, in which the deeper path always takes precedence."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path


class View(StrEnum):
    """How a path is seen."""

    READ = "read"
    WRITE = "write"
    EMPTY = "empty"  # a private folder that vanishes, or for a file an empty one


class Mounts:
    """Views by path, starting from the whole file system read-only."""

    def __init__(self) -> None:
        self._views: dict[Path, View] = {}

    def add(self, view: View, *paths: Path) -> None:
        """State how these paths are seen, if they exist; the last statement about a path counts.

        Links are followed: a mount belongs to the place itself.
        """
        for path in paths:
            place = Path(os.path.realpath(path))
            if os.path.exists(place):
                self._views[place] = view

    def writable_above(self, path: Path) -> Path | None:
        """A writable place that holds `path`, or is it."""
        place = Path(os.path.realpath(path))
        return next((each for each in (place, *place.parents) if self._views.get(each) is View.WRITE), None)

    def words(self) -> list[str]:
        """The options of bwrap that make them, parents before what lies in them."""
        words: list[str] = []
        for path in sorted(self._views, key=lambda path: len(path.parts)):
            words += _option(self._views[path], str(path), folder=os.path.isdir(path))
        return words


def _option(view: View, path: str, *, folder: bool) -> list[str]:
    match view:
        case View.READ:
            return ["--ro-bind", path, path]
        case View.WRITE:
            return ["--bind", path, path]
        case View.EMPTY:
            return ["--tmpfs", path] if folder else ["--ro-bind", "/dev/null", path]
