"""Reads several texts as one list: our task files and plans of other tools, reporting all problems together."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec import field as struct_field

from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import TaskSpec
from swarm_shared.sources.formats.checklist import FORMAT as CHECKLIST
from swarm_shared.sources.joining import JOINED, join, leave_out_loose_ends, note_empty, open_circles
from swarm_shared.sources.places import format_at
from swarm_shared.sources.plans.plan import Options, Place, Plan
from swarm_shared.sources.reading import MARKDOWN, read_plan, recognize
from swarm_shared.taskfile.graph import cycle_text, find_cycles
from swarm_shared.taskfile.problems import MAX_PROBLEMS, Problem, TaskFileErrors, shown
from swarm_shared.taskfile.reader import read_task_file

OWN_FORMAT = "yaml"
_NO_CONTENT = b" \t\r\n[]{}"  # what a list or an object without anything in it consists of
Progress = Callable[[int, int], None]


class FilesRefused(InputError):
    """Files that cannot be imported together, with all problems, file by file."""

    def __init__(self, problems: Sequence[Problem], *, omitted: int = 0) -> None:
        self.problems = tuple(problems)
        self.omitted = omitted
        lines = [str(problem) for problem in problems]
        lines += [f"… and {omitted} more"] if omitted else []
        count = len(problems) + omitted
        lines.append(f"error: {count} problem{'s' if count > 1 else ''}")
        super().__init__("\n".join(lines))


class How(Struct, frozen=True, kw_only=True):
    """How files are to be read.

    `plan_format` is the name of a format, `yaml` for our own, None to recognize each file. `root` is the
    project root, which the paths of sources are relative to.
    """

    plan_format: str | None = None
    options: Options = Options()
    root: Path = struct_field(default_factory=Path.cwd)


@dataclass(slots=True, kw_only=True)
class Known:
    """Ids that dependencies may name besides those of the file itself; notes which were looked up.

    `in_queue` is called when the first one is looked up: most files need nothing from outside.
    """

    in_queue: Callable[[], Container[str]]
    elsewhere: set[str] = field(default_factory=set)
    accept_any: bool = False  # while the other files are not read yet
    missing: set[str] = field(default_factory=set)
    _queue: Container[str] | None = None

    def __contains__(self, task_id: object) -> bool:
        if task_id in self.elsewhere:
            return True
        if self._queue is None:
            self._queue = self.in_queue()
        if task_id in self._queue:
            return True
        self.missing.add(str(task_id))
        return self.accept_any


class Read(Struct, frozen=True, kw_only=True):
    """The tasks of all files in order, with warnings, and the plans of other tools among them."""

    tasks: list[TaskSpec]
    by_file: dict[str, list[TaskSpec]]
    warnings: list[Problem]
    plans: list[Plan] = []  # msgspec copies it


@dataclass(slots=True)
class _File:
    """One of our task files, or a complete plan of another tool."""

    name: str
    path: Path | None = None
    text: bytes = b""
    plan: Plan | None = None
    tasks: list[TaskSpec] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    omitted: int = 0
    missing: set[str] = field(default_factory=set)

    def read(self, known: Known, progress: Progress | None = None) -> None:
        if self.plan is not None:
            self.tasks, self.problems = self.plan.tasks, list(self.plan.errors)
            return
        known.missing = set()
        try:
            found = read_task_file(self.path, self.text, known_ids=known, progress=progress)
            self.tasks, self.warnings, self.problems = found.tasks, found.warnings, []
        except TaskFileErrors as errors:
            self.problems, self.omitted = errors.problems, errors.omitted
        self.missing = set(known.missing)


def read_together(
    contents: Iterable[tuple[Place, bytes]],
    *,
    how: How | None = None,
    in_queue: Callable[[], Container[str]] = tuple,
    progress: Progress | None = None,
) -> Read:
    """The tasks of all texts; a task may need one of another text.

    Args:
        contents: Each with the place where it was found.
        how: How to read them; recognized by default.
        in_queue: Gives the ids of tasks that are in the queue already.
        progress: Called with the bytes read and their total while reading.

    Raises:
        FilesRefused: With every problem of every file.
    """
    files = _files(contents, how or How())
    known = Known(in_queue=in_queue, accept_any=len(files) > 1)
    total, done = sum(len(file.text) for file in files), 0
    for file in files:
        file.read(known, partial(_step, progress, done, total) if progress else None)
        done += len(file.text)
    _leave_out_loose_ends(files, known)
    _note_empty(files)
    if len(files) > 1:
        _read_again_what_misses(files, known)
        _find_duplicates(files)
    if len(files) > 1 or any(file.plan for file in files):
        _find_circles(files)
    problems = [problem for file in files for problem in file.problems]
    if problems:
        raise FilesRefused(problems, omitted=sum(file.omitted for file in files))
    return Read(
        tasks=[task for file in files for task in file.tasks],
        by_file={file.name: file.tasks for file in files},
        warnings=[warning for file in files for warning in file.warnings],
        plans=[file.plan for file in files if file.plan is not None],
    )


def _step(progress: Progress, before: int, total: int, done: int, _: int) -> None:
    progress(before + done, total)


def _files(contents: Iterable[tuple[Place, bytes]], how: How) -> list[_File]:
    """Our task files in their order, then the plans of other tools."""
    files: list[_File] = []
    plans: list[Plan] = []
    for place, data in contents:
        plan_format = how.plan_format or _recognized(place, data)
        if not plan_format or plan_format == OWN_FORMAT:
            files.append(_File(place.file, place.on_disk, data))
        else:
            plans.append(read_plan(plan_format, place, data, how.options))
    return files + [_File(plan.place.file, plan=plan) for plan in join(plans)]


def _recognized(place: Place, data: bytes) -> str:
    """The format by content, else by the place where the file was found; empty for one of our task files."""
    found = recognize(place, data)
    if not data.strip(_NO_CONTENT):
        found = found if found not in (None, CHECKLIST) else format_at(place.path) or found
    if found is None or (found == CHECKLIST and place.expected in JOINED):
        found = place.expected or found
    # A Markdown file without items is no task file either.
    return found or (CHECKLIST if place.suffix in MARKDOWN else "")


def _leave_out_loose_ends(files: Sequence[_File], known: Known) -> None:
    """Dependencies of other tools' plans that nothing satisfies; also the warnings of these plans."""
    ids = {task.id for file in files for task in file.tasks}
    ids |= known.elsewhere
    real = Known(in_queue=known.in_queue, elsewhere=ids)
    for file in files:
        if file.plan is not None:
            open_circles(file.plan)
            leave_out_loose_ends(file.plan, real)
            file.tasks, file.warnings = file.plan.tasks, file.plan.warnings


def _note_empty(files: Sequence[_File]) -> None:
    """Warn of plans without tasks; refuse a Markdown file that was named and holds none."""
    for file in files:
        if file.plan is None:
            continue
        note_empty(file.plan)
        if not file.tasks and file.plan.place.suffix in MARKDOWN and not file.plan.place.expected:
            file.problems += file.plan.warnings
            file.plan.warnings.clear()


def _read_again_what_misses(files: Sequence[_File], known: Known) -> None:
    """Now that all ids are known, let the reader say where an unknown one is and which is nearest."""
    broken = [file for file in files if file.problems]
    known.elsewhere = {task.id for file in files for task in file.tasks}
    known.accept_any = False
    for file in files:
        # The ids of a broken file are not known: what others need from it would be guesswork.
        others_are_good = not broken or broken == [file]
        if others_are_good and any(needed not in known for needed in file.missing):
            file.read(known)


def _find_duplicates(files: Sequence[_File]) -> None:
    first: dict[str, tuple[_File, int]] = {}
    for file in files:
        for task in file.tasks:
            where = first.setdefault(task.id, (file, task.line))
            if where[0] is not file:
                message = f"the id {shown(task.id)} is given twice (first in {where[0].name}:{where[1]})"
                _note(file, task.line, message, "change one of the two ids")


def _find_circles(files: Sequence[_File]) -> None:
    if any(file.problems for file in files):
        return
    home = {task.id: (file, task.line) for file in files for task in file.tasks}
    for circle in find_cycles({task.id: task.dependencies for file in files for task in file.tasks}):
        file, line = home[circle[0]]
        _note(file, line, f"these tasks wait for each other: {cycle_text(circle)}", "remove one of these dependencies")


def _note(file: _File, line: int, message: str, advice: str) -> None:
    if len(file.problems) >= MAX_PROBLEMS:
        file.omitted += 1
        return
    file.problems.append(Problem(file=file.name, line=line, column=0, message=message, advice=advice))
