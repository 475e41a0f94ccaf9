"""The file system that a confined command sees: a list of mounts, in which the deeper path always takes precedence."""

from __future__ import annotations

import csv
import io
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

    def shows(self, path: Path) -> bool:
        """Whether a path is visible: in a place that is read or written, and in no empty one within it."""
        return self._view_of(path) not in (None, View.EMPTY)

    def hides(self, path: Path) -> bool:
        """Whether a path is in an empty place; one that nothing was said about is not."""
        return self._view_of(path) is View.EMPTY

    def _view_of(self, path: Path) -> View | None:
        place = Path(os.path.realpath(path))
        return next((self._views[each] for each in (place, *place.parents) if each in self._views), None)

    def container_words(self, private: tuple[Path, ...]) -> list[str]:
        """The options of a container engine that make them over an image, which has none of these places.

        Args:
            private: Folders that are empty at the start and vanish at the end.
        """
        words: list[str] = []
        for path in private:
            if self._views.get(path, View.EMPTY) is View.EMPTY:
                words += _mount(type="tmpfs", destination=str(path), **{"tmpfs-mode": "1777"})
        for path in sorted(self._views, key=lambda path: len(path.parts)):
            view = self._views[path]
            if view is not View.EMPTY:
                words += _mount(
                    "" if view is View.WRITE else "readonly", type="bind", source=str(path), target=str(path)
                )
            elif path not in private and self.shows(path.parent):
                words += _hidden(path)
        return words

    def below(self, root: Path, private: tuple[Path, ...]) -> tuple[list[tuple[Path, View]], list[Path]]:
        """What to mount over an image from a volume that has only what is below `root`.

        Args:
            private: Folders that are empty at the start and vanish at the end.

        Returns:
            The paths that are read or written, and the folders that are empty.
        """
        shown: list[tuple[Path, View]] = [
            (path, view) for path, view in self._views.items() if view is not View.EMPTY and path.is_relative_to(root)
        ]
        emptied = [path for path in private if self._views.get(path, View.EMPTY) is View.EMPTY]
        emptied += [
            path
            for path, view in self._views.items()
            if view is View.EMPTY
            and path not in private
            and path.is_relative_to(root)
            and self.shows(path.parent)
            and os.path.isdir(path)
        ]
        return shown, emptied

    def words(self) -> list[str]:
        """The options of bwrap that make them, parents before what is in them."""
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


def _hidden(path: Path) -> list[str]:
    if os.path.isdir(path):
        return _mount(type="tmpfs", destination=str(path), **{"tmpfs-mode": "1777"})
    return _mount("readonly", type="bind", source=os.devnull, target=str(path))


def _mount(flag: str = "", **values: str) -> list[str]:
    """The option is one line of comma-separated values, quoted as in a table."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([*map("=".join, values.items()), *filter(None, [flag])])
    return ["--mount", line.getvalue()]
