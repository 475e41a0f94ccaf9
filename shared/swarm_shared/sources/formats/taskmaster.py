"""task-master: `.taskmaster/tasks/tasks.json` with tags, tasks and sub-tasks."""

from __future__ import annotations

import re

from msgspec import Struct, field

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.fields import KeyAccount, phase_entry, task_entry
from swarm_shared.sources.plans.plan import Options, Place, Plan
from swarm_shared.sources.syntax.documents import Object, read_document
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.syntax.texts import joined, listed
from swarm_shared.sources.ticks.statuses import sub_number, tags_of
from swarm_shared.taskfile.problems import shown
from swarm_shared.taskfile.words import priority_of, status_elsewhere

FORMAT = "task-master"
DEFAULT_TAG = "master"
USED = (
    *("id", "title", "description", "details", "testStrategy", "acceptanceCriteria", "status", "priority"),
    *("dependencies", "subtasks"),
)

_TITLE = re.compile(r'"title"[ \t]*:')
_TAGGED = re.compile(r'\A\s*\{\s*"[^"\n]{0,200}"\s*:\s*\{\s*"(?:tasks|metadata)"\s*:')
_OLDER = re.compile(r'\A\s*\{\s*"(?:tasks|meta|metadata|version|project)"\s*:')
_OWN = re.compile(r'"(?:testStrategy|subtasks)"[ \t]*:')


def recognizes(place: Place, text: str) -> bool:
    """An object of tags; the older layout only if it has keys that our task files do not have."""
    if _TAGGED.match(text):
        return True
    return bool(_OLDER.match(text) and _TITLE.search(text) and _OWN.search(text))


class _Reading(Struct, kw_only=True, eq=False):
    drafts: Drafts
    tag: str
    keys: KeyAccount = field(default_factory=lambda: KeyAccount(USED))
    groups: dict[str, list[Draft]] = field(default_factory=dict)  # the sub-tasks that replace a parent


def read(place: Place, text: str, options: Options) -> Plan:
    """The tasks of one tag. A parent with open sub-tasks is their phase; what depends on it depends on them."""
    drafts = Drafts(FORMAT, place, ticks=True)
    document = read_document(text, drafts.errors, is_json=True)
    tags = dict(tags_of(document)) if isinstance(document, Object) else {}
    tag = _choose(tags, options, drafts)
    if tag is None:
        return drafts.finish("")
    reading = _Reading(drafts=drafts, tag=tag)
    for task in tags[tag].objects("tasks"):
        _read_task(reading, task)
    _resolve(reading)
    drafts.entries.sort(key=lambda entry: entry.line)
    reading.keys.report(drafts)
    for other in tags:
        if other != tag:
            held = len(tags[other].objects("tasks"))
            count = f"{held} task{'' if held == 1 else 's'}"
            drafts.leave_out(tags[other].line, f"the tag {shown(other)} with {count}: --tag chooses one")
    return drafts.finish(tag)


def _choose(tags: dict[str, Object], options: Options, drafts: Drafts) -> str | None:
    if not tags:
        return None
    if options.tag is None and (len(tags) == 1 or DEFAULT_TAG in tags):
        return DEFAULT_TAG if DEFAULT_TAG in tags else next(iter(tags))
    if options.tag in tags:
        return options.tag
    known = ", ".join(shown(tag) for tag in list(tags)[:20])
    wrong = "the file has several tags" if options.tag is None else f"the file has no tag {shown(options.tag)}"
    drafts.errors.add_at(1, 0, wrong, f"choose one with --tag: {known}")
    return None


def _read_task(reading: _Reading, task: Object) -> None:
    number = task.text("id")
    if not task.text("title").strip():
        reading.drafts.leave_out(task.line, "a task without a title", number)
        return
    reading.keys.see(task)
    status = _status(task)
    subs = task.objects("subtasks")
    parts = [_read_sub(reading, sub, task, status) for sub in subs if sub.text("title").strip()]
    drafts = [part for part in parts if part is not None]
    is_group = any(part.status in (Status.NOT_STARTED, Status.HELD) for part in drafts) or (
        drafts and status is not Status.NOT_STARTED
    )
    if is_group:
        phase_entry(reading.drafts, task.line, task.text("title"))
        reading.groups[number] = drafts
        last = [part for part in drafts if part.status is Status.NOT_STARTED][-1:] or drafts[-1:]
        for part in last:
            part.criteria += listed(task.text("testStrategy"))
        return
    draft = _draft(reading, task, number, status)
    draft.needs += [f"={part.id}" for part in drafts]


def _read_sub(reading: _Reading, sub: Object, task: Object, status: Status) -> Draft | None:
    reading.keys.see(sub)
    number = sub_number(task.text("id"), sub)
    own = _status(sub)
    draft = _draft(reading, sub, number, status if status in (Status.COMPLETED, Status.CANCELLED) else own)
    draft.phase = task.text("title")
    about = joined(("", task.text("description")), ("", task.text("details")))
    draft.description = joined(("", draft.description), (f"Part of “{task.text('title')}”", about))
    draft.priority = priority_of(sub.text("priority") or task.text("priority")) or draft.priority
    draft.needs += [f"^{need}" for need in task.texts("dependencies")]
    return draft


def _draft(reading: _Reading, item: Object, number: str, status: Status) -> Draft:
    draft = reading.drafts.add(number, item.text("title"), key=f"{reading.tag}/{number}", line=item.line)
    task_entry(reading.drafts, item.line, draft.id, item.text("title"))
    draft.status = status
    if (word := item.text("status")) and status_elsewhere(word) is None:
        reading.drafts.warn_of_status(draft, word)
    draft.priority = priority_of(item.text("priority")) or draft.priority
    draft.description = joined(("", item.text("description")), ("Details", item.text("details")))
    draft.criteria += listed(item.text("acceptanceCriteria")) + listed(item.text("testStrategy"))
    draft.files += paths_in(draft.description)
    draft.needs += item.texts("dependencies")
    return draft


def _status(item: Object) -> Status:
    return status_elsewhere(item.text("status")) or Status.NOT_STARTED


def _resolve(reading: _Reading) -> None:
    """Numbers as ids: a parent is its sub-tasks; in a sub-task a bare number is an earlier sibling, else a task.

    The tool writes both the same way. A later sibling is meant only if no task has the number.
    """
    for draft in reading.drafts:
        parent = draft.key.partition("/")[2].rpartition(".")[0]
        found: list[str] = []
        for need in draft.needs:
            if need.startswith("="):
                found.append(need[1:])
                continue
            plain = need.removeprefix("^")
            sibling = reading.drafts.find(f"{parent}.{plain}") if parent and not need.startswith("^") else None
            is_task = plain != parent and (plain in reading.groups or reading.drafts.find(plain) is not None)
            if sibling is not None and sibling is not draft and (sibling.line < draft.line or not is_task):
                found.append(sibling.id)
            elif plain in reading.groups:
                if plain != parent:
                    found += _ends(reading.groups[plain])
            else:
                found.append(plain)
        draft.needs = found


def _ends(drafts: list[Draft]) -> list[str]:
    """Those of a group's tasks that count as its end: all that are not cancelled."""
    return [draft.id for draft in drafts if draft.status is not Status.CANCELLED]
