"""CSV and TSV: a row is a task; columns are known by their usual names, or by a map."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.fields import account
from swarm_shared.sources.plans.keys import Keys
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.syntax.texts import listed
from swarm_shared.taskfile.problems import shown
from swarm_shared.taskfile.scalars import parse_number
from swarm_shared.taskfile.words import priority_of, status_elsewhere

FORMAT = "csv"
MAX_CELL_CHARS = 1 << 20

NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("issue key", "key", "id", "task id", "card id", "issue id", "number", "#", "nr"),
    "name": (
        *(
            "name",
            "title",
            "summary",
            "task",
            "task name",
            "task title",
            "card name",
            "subject",
            "issue",
            "issue title",
        ),
        *("item", "story", "user story", "feature", "requirement", "ticket", "work item", "content"),
    ),
    "description": (
        *("description", "details", "body", "notes", "context", "task content", "card description"),
        "task description",
    ),
    "status": ("status", "state", "task status"),
    "category": ("status category",),  # of Jira: what the words of its status mean
    "column": ("list name", "section/column", "column", "list", "bucket"),  # of a board
    "ended": ("completed at", "completed", "due complete", "closed at (utc)", "done", "completed date"),
    "archived": ("archived",),
    "priority": ("priority", "prio"),
    "phase": ("phase", "epic", "milestone", "sprint", "project milestone", "section"),
    "type": ("type", "issue type", "work item type", "tracker"),
    "dependencies": (
        *("dependencies", "dependency", "depends on", "deps", "blocked by", "predecessors", "after"),
        "inward issue link (blocks)",  # as Jira exports it
        "blocked by (dependencies)",  # as Asana does
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
_RANK = {name: number for names in NAMES.values() for number, name in enumerate(names)}
_YES = re.compile(r"true|yes|y|x|✓|✔|✅|done|1|.*\d[-/.]\w{1,9}[-/.]\d.*", re.IGNORECASE | re.DOTALL)  # or a date
_NO = frozenset({"", "false", "no", "n", "0", "-"})
_NO_PRIORITY = frozenset({"no priority", "none", "no", "-"})
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
                account(drafts, first, before, Became.NOTHING, "")
            elif fields is None:
                account(drafts, first, before, Became.PART, "the names of the columns")
                fields = _columns(row, first, options, drafts)
            else:
                _read_row(drafts, keys, fields, row, first, before)
    except csv.Error as error:
        drafts.errors.add_at(before + 1, 0, f"not CSV: {error}", "check the quotes of this row")
    _name_needs(drafts)
    return drafts.finish("")


def _name_needs(drafts: Drafts) -> None:
    """Dependencies may be the names of other rows: replace these by ids."""
    by_name = {draft.name.casefold(): draft.id for draft in reversed(list(drafts))}
    for draft in drafts:
        draft.needs = [need if drafts.find(need) else by_name.get(need.casefold(), need) for need in draft.needs]


def _delimiter(text: str) -> str:
    head = text.lstrip("\r\n").partition("\n")[0]
    return max(",;\t", key=head.count)


def _columns(row: list[str], line: int, options: Options, drafts: Drafts) -> list[str]:
    """The field of each column; empty for one that is left out."""
    wanted = {" ".join(name.casefold().split()): field for name, field in options.columns.items()}
    names = [" ".join(cell.replace("_", " ").casefold().split()) for cell in row]
    fields = [
        wanted.get(plain) or wanted.get(cell.strip().casefold()) or _FIELD_OF.get(plain, "")
        for plain, cell in zip(names, row, strict=True)
    ]
    # Of several columns for one field, the one that you mapped, or else the best name: `Issue key` before `Issue id`.
    for field in {each for each in fields if each and each not in _SHARED}:
        places = [number for number, each in enumerate(fields) if each == field]
        places.sort(key=lambda number: (names[number] not in wanted, _RANK.get(names[number], 0)))
        for number in places[1:]:
            fields[number] = ""
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


def _read_row(drafts: Drafts, keys: Keys, fields: list[str], row: list[str], line: int, last: int) -> None:
    cells: dict[str, str] = {}
    for number, cell in enumerate(row):
        field = fields[number] if number < len(fields) else ""
        if number >= len(fields) and cell.strip():
            drafts.leave_out(line, "a cell beyond the last column", cell)
        elif field and cell.strip():
            cells[field] = f"{cells[field]}\n\n{cell.strip()}" if field in cells else cell.strip()
    if not cells.get("name"):
        drafts.leave_out(line, "a row without a name", " | ".join(row), last=last)
        return
    if _YES.fullmatch(cells.get("archived", "")) and not {"status", "category"} & cells.keys():
        drafts.leave_out(line, "archived", cells["name"], last=last)
        return
    own = cells.get("id", "")
    is_new = own and drafts.find(own) is None
    draft = drafts.add(own, cells["name"], key=own if is_new else keys.of("", cells["name"]), line=line)
    account(drafts, line, last, Became.TASK, draft.id, draft.name)
    _fill(drafts, draft, cells)


def _fill(drafts: Drafts, draft: Draft, cells: Mapping[str, str]) -> None:
    draft.description = cells.get("description", "")
    draft.phase = cells.get("phase", "")
    draft.type = cells.get("type", "")
    draft.criteria += listed(cells.get("acceptance_criteria", ""))
    draft.needs += _list(cells.get("dependencies", ""))
    draft.phase = draft.phase or cells.get("column", "")
    draft.labels += _list(cells.get("labels", ""))
    draft.files += _list(cells.get("files", "")) or list(paths_in(draft.description))
    draft.status = _status(drafts, draft, cells)
    if cells.get("priority", "none").casefold() not in _NO_PRIORITY:
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


def _status(drafts: Drafts, draft: Draft, cells: Mapping[str, str]) -> Status:
    """The status by its word, or else its category, the date of completion, and the column of a board."""
    word = cells.get("status", "")
    status = status_elsewhere(word) if word else None
    if status is None and "category" in cells:
        status = status_elsewhere(cells["category"])
    if status is None and word:
        drafts.warn_of_status(draft, word)
    if status is not None or word:
        return status or Status.NOT_STARTED
    ended = cells.get("ended", "")
    if _YES.fullmatch(ended):
        return Status.COMPLETED
    if ended.casefold() not in _NO:
        drafts.leave_out(draft.line, f"a completion of {draft.id} that is no date, yes or no", ended)
    return status_elsewhere(cells.get("column", "")) or Status.NOT_STARTED


def _list(text: str) -> list[str]:
    return [part.strip() for part in _SEPARATORS.split(text) if part.strip()]
