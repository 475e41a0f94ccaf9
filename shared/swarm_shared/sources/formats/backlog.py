"""Backlog.md: `backlog/tasks/*.md`, each a task with front matter and sections."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan, merged
from swarm_shared.sources.syntax.documents import Object, read_document
from swarm_shared.sources.syntax.markdown import split_lines
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.syntax.texts import Section, joined, listed, sections
from swarm_shared.sources.ticks.statuses import front_matter
from swarm_shared.taskfile.problems import ProblemList, shown
from swarm_shared.taskfile.words import priority_of

FORMAT = "backlog.md"
MAX_CONFIG_BYTES = 1 << 20

_ID = re.compile(r"^id:[ \t]*['\"]?[A-Za-z][A-Za-z0-9]*-\d+(?:\.\d+)*['\"]?[ \t]*$", re.MULTILINE)
_TITLE = re.compile(r"^title:", re.MULTILINE)
_FIELDS = {
    "id": "id",
    "title": "name",
    "status": "status",
    "labels": "labels",
    "dependencies": "dependencies",
    "priority": "priority",
    "milestone": "phase",
    "parent_task_id": "phase",
    "type": "type",
    "references": "description",
    "documentation": "design docs",
    "modified_files": "files",
    "description": "description",
}


def recognizes(place: Place, text: str) -> bool:
    """A Markdown file whose front matter has an id such as BACK-12 and a title."""
    matter = front_matter(text) if place.suffix in ("", ".md") else None
    return matter is not None and bool(_ID.search(matter[0])) and bool(_TITLE.search(matter[0]))


def read(place: Place, text: str, options: Options) -> Plan:
    """The one task of a file."""
    done_words = _done_words(place)
    drafts = Drafts(FORMAT, place, ticks="done" in done_words)
    matter = front_matter(text)
    problems = ProblemList(place.file)
    fields = None if matter is None else read_document(matter[0], problems, is_json=False)
    for each in problems:  # the front matter begins in line 2
        drafts.errors.add_at(each.line + 1, each.column, each.message, each.advice)
    if not isinstance(fields, Object) or not fields.text("id") or not fields.text("title"):
        if text.strip() and not len(drafts.errors):
            drafts.leave_out(1, "a file without the id and title of a task", text.strip().split("\n")[0])
        return drafts.finish("")
    first = fields.line_of("title") + 1  # the front matter begins in line 2
    draft = drafts.add(fields.text("id"), fields.text("title"), key=fields.text("id"), line=first)
    _read_fields(draft, fields, drafts, done_words)
    lines = split_lines(text)
    end = text[: matter[1] + len(matter[0])].count("\n") + 1 if matter else 0
    if (rest := lines[end - 1].lstrip("-.")).strip():
        end -= 1
        lines[end] = rest
    parts = sections(lines[end:], first=end + 1)
    references = "\n".join(f"- {each}" for each in fields.texts("references"))
    _read_sections(draft, parts, references)
    plan = drafts.finish("")
    plan.entries += merged(place.file, _fates(lines, end, fields, draft))
    return plan


def _read_fields(draft: Draft, fields: Object, drafts: Drafts, done_words: Sequence[str]) -> None:
    word = fields.text("status")
    is_done = word.casefold().strip() == done_words[-1]
    draft.status = Status.COMPLETED if is_done else drafts.status(draft, word)
    draft.priority = priority_of(fields.text("priority")) or draft.priority
    draft.phase = fields.text("milestone") or fields.text("parent_task_id")
    draft.type = fields.text("type")
    draft.labels += fields.texts("labels")
    draft.needs += fields.texts("dependencies")
    draft.design_docs += fields.texts("documentation")
    draft.files += fields.texts("modified_files")
    draft.description = fields.text("description")


def _read_sections(draft: Draft, parts: list[Section], references: str) -> None:
    """Acceptance criteria and the definition of done as criteria, everything else as the description."""
    texts = [("", draft.description), ("References", references)]
    for part in parts:
        title = part.title.casefold()
        if title.startswith(("acceptance criteria", "definition of done")):
            draft.criteria += listed(part.text)
        elif title == "description" or not title:
            texts.append(("", part.text))
        else:
            texts.append((part.title, part.text))
    described = [text for title, text in texts if not title]
    draft.description = joined(*[("", text) for text in described], *[each for each in texts if each[0]])
    draft.files += [path for text in described for path in paths_in(text)]


def _fates(lines: list[str], end: int, fields: Object, draft: Draft) -> Iterator[tuple[int, Became, str, str]]:
    """What each line became: keys of the front matter with the lines below them, then the sections."""
    starts = {fields.line_of(key) + 1: key for key in fields}
    key = ""
    for number, line in enumerate(lines, 1):
        if not line or line.isspace() or (number <= end and line.strip() in ("---", "...")):
            yield number, Became.NOTHING, "", ""
        elif number > end:
            yield number, Became.PART, draft.id, line
        else:
            key = starts.get(number, key)
            if key == "title" and number in starts:
                yield number, Became.TASK, draft.id, line
            elif key in _FIELDS:
                yield number, Became.PART, f"{_FIELDS[key]} of {draft.id}", line
            else:
                yield number, Became.LEFT_OUT, f"the key {shown(key)}", line


def _done_words(place: Place) -> Sequence[str]:
    """The statuses of the project in lower case, the last of which means done."""
    if place.on_disk is not None:
        backlog = os.path.dirname(os.path.dirname(place.on_disk))
        for name in ("config.yml", "config.yaml"):
            path = os.path.join(backlog, name)
            try:
                state = os.stat(path)
            except OSError:
                continue
            if words := _configured(path, state.st_mtime_ns, state.st_size):
                return words
    return ("to do", "in progress", "done")


@lru_cache(maxsize=4)
def _configured(path: str, mtime_ns: int, size: int) -> tuple[str, ...]:
    """The statuses in a configuration, which is the same for all files of a backlog; read again when it changes."""
    try:
        text = Path(path).read_text(encoding="utf-8") if size <= MAX_CONFIG_BYTES else ""
    except (OSError, UnicodeDecodeError):
        return ()
    config = read_document(text, ProblemList(""), is_json=False)
    words = config.texts("statuses") if isinstance(config, Object) else []
    return tuple(word.casefold().strip() for word in words)
