"""CSV and TSV: a row is a task; columns are known by their usual names, or by a map."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

from swarm_shared.domain.models import Status
from swarm_shared.sources.drafts import Draft, Drafts
from swarm_shared.sources.fields import task_entry
from swarm_shared.sources.keys import Keys
from swarm_shared.sources.paths import paths_in
from swarm_shared.sources.plan import Options, Place, Plan
from swarm_shared.sources.texts import listed
from swarm_shared.taskfile.problems import shown
from swarm_shared.taskfile.scalars import parse_number
from swarm_shared.taskfile.words import priority_of, status_of

FORMAT = "csv"
MAX_CELL_CHARS = 1 << 20

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "key", "issue key", "issue id", "task id", "number", "#", "nr"),
    "name": (
        *("name", "title", "summary", "task", "task name", "task title", "subject", "issue", "issue title", "item"),
        *("story", "user story", "feature", "requirement", "ticket", "work item"),
    ),
    "description": ("description", "details", "body", "notes", "context"),
    "status": ("status", "state"),
    "priority": ("priority", "prio"),
    "phase": ("phase", "epic", "milestone", "sprint", "project milestone", "section"),
    "type": ("type", "issue type"),
    "dependencies": (
        *("dependencies", "dependency", "depends on", "deps", "blocked by", "predecessors", "after"),
        "inward issue link (blocks)",  # as Jira exports it
    ),
    "acceptance_criteria": (
        *("acceptance criteria", "criteria", "done when", "definition of done", "dod"),
        "custom field (acceptance criteria)",
    ),
    "files": ("files", "paths"),
    "labels": ("labels", "tags", "label"),
    "estimated_hours": ("estimated hours", "hours", "estimate hours", "estimate (h)"),
}
# Fields that several columns may be about: Jira exports a column for each label and each link.
_SHARED = frozenset({"description", "labels", "dependencies", "files", "acceptance_criteria"})
_FIELD_OF = {name: field for field, names in NAMES.items() for name in names}
_SEPARATORS = re.compile(r"[;\n]|,(?![^(]*\))|\|")


def recognizes(place: Place, text: str) -> bool:
    """By the suffix: any text could be a table."""
    return place.suffix in (".csv", ".tsv")


def read(place: Place, text: str, options: Options) -> Plan:
    """A task for each row with a name."""
    drafts = Drafts(FORMAT, place, ticks=False)
    if "\0" in text:
        drafts.errors.add_at(
            text.count("\n", 0, text.index("\0")) + 1, 0, "NUL bytes: this is not text", "export it again"
        )
        return drafts.finish("")
    csv.field_size_limit(MAX_CELL_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    keys = Keys()
    fields: list[str] | None = None
    before = 0
    try:
        for row in reader:
            first, before = before + 1, reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            if fields is None:
                fields = _columns(row, first, options, drafts)
                continue
            _read_row(drafts, keys, fields, row, first)
    except csv.Error as error:
        drafts.errors.add_at(before + 1, 0, f"not CSV: {error}", "check the quotes of this row")
    return drafts.finish("")


def _delimiter(text: str) -> str:
    head = text.lstrip("\r\n").partition("\n")[0]
    return max(",;\t", key=head.count)


def _columns(row: list[str], line: int, options: Options, drafts: Drafts) -> list[str]:
    """The field of each column; empty for one that is left out."""
    wanted = {" ".join(name.casefold().split()): field for name, field in options.columns.items()}
    fields: list[str] = []
    for cell in row:
        plain = " ".join(cell.replace("_", " ").casefold().split())
        field = wanted.get(plain) or wanted.get(cell.strip().casefold()) or _FIELD_OF.get(plain, "")
        if field in fields and field not in _SHARED:
            field = ""
        fields.append(field)
    texts = [number for number, cell in enumerate(row) if cell.strip().casefold() == "description"]
    if "name" not in fields and texts and fields[texts[0]]:
        fields[texts[0]] = "name"  # the only text that there is
    for field, cell in zip(fields, row, strict=True):
        if not field:
            drafts.leave_out(line, f"the column {shown(cell)}", cell)
    if "name" not in fields:
        advice = "call the column with the titles `title`, or map it with csv_columns in swarm.yaml"
        drafts.errors.add_at(line, 0, "no column holds the names of the tasks", advice)
    return fields


def _read_row(drafts: Drafts, keys: Keys, fields: list[str], row: list[str], line: int) -> None:
    cells: dict[str, str] = {}
    for number, cell in enumerate(row):
        field = fields[number] if number < len(fields) else ""
        if number >= len(fields) and cell.strip():
            drafts.leave_out(line, "a cell beyond the last column", cell)
        elif field and cell.strip():
            cells[field] = f"{cells[field]}\n\n{cell.strip()}" if field in cells else cell.strip()
    if not cells.get("name"):
        drafts.leave_out(line, "a row without a name", " | ".join(row))
        return
    own = cells.get("id", "")
    is_new = own and drafts.find(own) is None
    draft = drafts.add(own, cells["name"], key=own if is_new else keys.of("", cells["name"]), line=line)
    task_entry(drafts, line, draft.id, draft.name)
    _fill(drafts, draft, cells)


def _fill(drafts: Drafts, draft: Draft, cells: Mapping[str, str]) -> None:
    draft.description = cells.get("description", "")
    draft.phase = cells.get("phase", "")
    draft.type = cells.get("type", "")
    draft.criteria += listed(cells.get("acceptance_criteria", ""))
    draft.needs += _list(cells.get("dependencies", ""))
    draft.labels += _list(cells.get("labels", ""))
    draft.files += _list(cells.get("files", "")) or list(paths_in(draft.description))
    word = cells.get("status", "")
    status = status_of(word)
    if word and status is None:
        drafts.warn_of_status(draft, word)
    draft.status = status or Status.NOT_STARTED
    if "priority" in cells:
        number = priority_of(cells["priority"])
        if number is None:
            drafts.leave_out(draft.line, f"an unknown priority of {draft.id}", cells["priority"])
        draft.priority = draft.priority if number is None else number
    if "estimated_hours" in cells:
        hours = parse_number(cells["estimated_hours"].replace(",", "."))
        if hours is None or not 0 <= hours <= 100_000:
            drafts.leave_out(draft.line, f"hours of {draft.id} that are not a number", cells["estimated_hours"])
        else:
            draft.hours = hours


def _list(text: str) -> list[str]:
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]
