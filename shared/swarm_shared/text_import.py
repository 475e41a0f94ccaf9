"""Importing the tasks of one text, such as one that was pasted into the browser: the report, then the request."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct, field

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError, InputError, StateError, SwarmError
from swarm_shared.sources.plans.mapping import lines
from swarm_shared.sources.plans.plan import Became, Entry, Options, Place, Plan
from swarm_shared.sources.reading import FORMATS
from swarm_shared.sources.together import OWN_FORMAT, FilesRefused, How, Read, read_together
from swarm_shared.store.importing.import_plan import Planning
from swarm_shared.store.importing.imports import Answers
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.requests.definitions import known_ids
from swarm_shared.taskfile.problems import Problem

MAX_BYTES = 400 * 1024  # so that it fits into a request, however it is escaped
MAX_NAME_CHARS = 300
PASTED = "pasted text"
KNOWN_FORMATS = (OWN_FORMAT, *FORMATS)
MAX_TASKS = 500
MAX_LINES = 500  # entries, warnings, problems and reasons that are listed, of each
_EXPIRED = "the reaper that began it ended before it was done; nothing was changed; try again"


class Text(Struct, frozen=True, kw_only=True):
    """A text to import.

    Args:
        name: Of its file, or its path in the project; by it some formats are recognized. Empty for pasted text.
        plan_format: The name of a format; None to recognize it.
        tag: The tag of a task-master file.
        columns: As `csv_columns` of the settings.
    """

    text: str
    name: str = ""
    plan_format: str | None = None
    tag: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse what cannot be imported here, whatever it says.

        Raises:
            InputError: It is empty or too large, or its name or format is none.
        """
        size = len(self.text.encode())
        if size > MAX_BYTES:
            raise InputError(
                f"this text has {size // 1024:,} KiB; up to {MAX_BYTES // 1024} KiB can be imported in the browser",
                hint="import the file in a terminal: amplifier-swarm import-tasks FILE",
            )
        if not self.text.strip():
            raise InputError("there is nothing to import", hint="paste a text, or choose a file")
        path = PurePosixPath(self.name)
        if len(self.name) > MAX_NAME_CHARS or not self.name.isprintable():
            raise InputError("this cannot be the name of a file", hint=f"at most {MAX_NAME_CHARS} characters")
        if path.is_absolute() or ".." in path.parts:
            raise InputError("name the file, or its path in the project", hint="such as specs/001/tasks.md")
        if self.plan_format is not None and self.plan_format not in KNOWN_FORMATS:
            raise InputError("unknown format", hint=f"one of: {', '.join(KNOWN_FORMATS)}")

    def argument(self) -> dict[str, Any]:
        """What the request stores next to the text."""
        given = {"name": self.name, "format": self.plan_format, "tag": self.tag, "columns": dict(self.columns)}
        return {key: value for key, value in given.items() if value}


def read_text(given: Text, database: TaskDatabase) -> Read:
    """The tasks of a text.

    Raises:
        FilesRefused: With every problem of it.
    """
    place = Place(file=given.name or PASTED, path=given.name)
    how = How(plan_format=given.plan_format, options=Options(tag=given.tag, columns=given.columns))
    return read_together([(place, given.text.encode())], how=how, in_queue=lambda: known_ids(database.connection))


def report(database: TaskDatabase, given: Text) -> dict[str, Any]:
    """What importing the text would do, in the shape of JSON; lists are bounded, and counts are complete. Only reads.

    Raises:
        InputError: As `Text.check`.
    """
    given.check()
    try:
        read = read_text(given, database)
    except FilesRefused as refused:
        return _shown(given, problems=[_problem(each) for each in refused.problems], omitted=refused.omitted)
    try:
        plan = Planning(database.connection, database.clock).plan(read.tasks, clear=False)
    except InputError as refused:
        problem = {"line": 0, "message": refused.message, "advice": refused.hint or ""}
        return _shown(given, read, problems=[problem])
    counts = {
        "total": len(read.tasks),
        "imported": plan.imported,
        "updated": plan.updated,
        "unchanged": plan.unchanged,
        "skipped": len(plan.reasons),
    }
    return _shown(given, read, counts=counts, reasons=plan.reasons)


def carry_out_import(database: TaskDatabase, row: ControlRow, *, by: str, late: bool = False) -> None:
    """Carry out a request to import, and store its outcome with the last task; nothing if it has one already.

    Args:
        late: The request has expired since it was begun: what was done is reported, and nothing is done now.
    """
    if late:
        with database.imports.alone(wait=True):  # completes an import that died while its tasks became visible
            database.control.answer(row.id, "expired", _EXPIRED, by=by)
        return
    text = database.control.text(row.id)
    if text is None:
        return  # it has an outcome
    given = Text(
        text=text,
        name=str(row.argument.get("name") or ""),
        plan_format=row.argument.get("format"),
        tag=row.argument.get("tag"),
        columns=row.argument.get("columns") or {},
    )
    try:
        given.check()
        read = read_text(given, database)
        answers = Answers(control=row.id, by=by)
        database.imports.carry_out(read.tasks, source=given.name or PASTED, actor=row.actor, answers=answers)
    except DatabaseError:
        raise  # nothing could be stored either
    except (FilesRefused, InputError, StateError) as refusal:
        database.control.answer(row.id, "refused", _first_line(refusal), by=by)


def _shown(
    given: Text,
    read: Read | None = None,
    *,
    counts: Mapping[str, int] | None = None,
    reasons: list[str] | None = None,
    problems: list[dict[str, Any]] | None = None,
    omitted: int = 0,
) -> dict[str, Any]:
    plans: list[Plan] = [] if read is None else read.plans
    tasks = [] if read is None else read.tasks
    warnings = [] if read is None else read.warnings
    entries = sorted((entry for plan in plans for entry in plan.entries), key=lambda entry: entry.line)
    left_out = [entry for entry in entries if entry.became is Became.LEFT_OUT]
    return {
        "name": given.name or PASTED,
        "format": plans[0].format if plans else None if read is None else OWN_FORMAT,
        "counts": counts,
        "tasks": [
            {
                "id": task.id,
                "name": task.name,
                "status": str(task.status),
                "line": task.line,
                "phase": task.phase,
                "needs": list(task.dependencies),
            }
            for task in tasks[:MAX_TASKS]
        ],
        "task_count": len(tasks),
        "lines": {str(became): count for became, count in lines(entries).items()},
        "left_out": [_entry(entry) for entry in left_out[:MAX_LINES]],
        "left_out_count": len(left_out),
        "warnings": [_problem(each) for each in warnings[:MAX_LINES]],
        "warning_count": len(warnings),
        "reasons": (reasons or [])[:MAX_LINES],
        "problems": (problems or [])[:MAX_LINES],
        "problem_count": len(problems or []) + omitted,
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {"lines": entry.lines, "why": entry.detail, "text": entry.text}


def _problem(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "message": problem.message, "advice": problem.advice}


def _first_line(refusal: SwarmError) -> str:
    if isinstance(refusal, FilesRefused) and refusal.problems:
        first = refusal.problems[0]
        more = len(refusal.problems) + refusal.omitted - 1
        place = f"line {first.line}: " if first.line else ""
        return f"{place}{first.message}" + (f" (and {more} more problem{'s' if more > 1 else ''})" if more else "")
    return refusal.message
