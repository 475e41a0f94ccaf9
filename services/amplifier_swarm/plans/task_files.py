"""Finding and reading the files that commands name, as one list."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from amplifier_swarm.plans.github_issues import fetch_issues, is_address
from swarm_shared.domain.errors import InputError
from swarm_shared.sources.places import plans_in
from swarm_shared.sources.plans.plan import Place
from swarm_shared.sources.reading import place_of, places_of
from swarm_shared.sources.together import How, Progress, Read, read_together
from swarm_shared.taskfile.reader import MAX_FILE_BYTES, STANDARD_INPUT, load_task_file

STANDARD_INPUT_NAME = "-"


def read_all(
    names: Sequence[str],
    *,
    how: How | None = None,
    in_queue: Callable[[], Container[str]] = tuple,
    progress: Progress | None = None,
) -> Read:
    """The tasks of all files; a task may need one of another file.

    Args:
        names: Paths of files, and of folders that are searched for plans; `-` is standard input, and
            `gh:OWNER/REPO?label=…` the issues of a repository on GitHub.
        how, in_queue, progress: As for `read_together`.

    Raises:
        FilesRefused: With every problem of every file.
        InputError: A file cannot be opened, or a folder holds no plan.
    """
    how = how or How()
    return read_together(_contents(names, how.root), how=how, in_queue=in_queue, progress=progress)


def _contents(names: Sequence[str], root: Path) -> Iterator[tuple[Place, bytes]]:
    for name in names:
        if is_address(name):
            yield fetch_issues(name)
        else:
            for place in _places([name], root):
                yield place, _load(place)


def _places(names: Sequence[str], root: Path) -> Iterator[Place]:
    for name in names:
        path = Path(name)
        if name == STANDARD_INPUT_NAME:
            yield Place(file=STANDARD_INPUT, path="")
        elif path.is_dir():
            found = plans_in(path)
            if not found:
                raise InputError(f"{name}: no plan was found in this folder", hint="Choose the file of the plan.")
            for place, expected in zip(places_of(found, root=root), found.values(), strict=True):
                yield replace(place, expected=expected)
        else:
            yield replace(place_of(path, root=root), file=name)


def _load(place: Place) -> bytes:
    if place.on_disk is not None:
        return load_task_file(place.file)
    text = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise InputError("standard input is larger than a task file may be", hint="split it into several files")
    return text
