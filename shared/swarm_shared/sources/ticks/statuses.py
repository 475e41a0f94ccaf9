"""Marks items of JSON and YAML plans as done, and finds them by their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from swarm_shared.sources.syntax.documents import Object, add_first, is_scalar, read_document, set_value
from swarm_shared.sources.ticks.stories import done_marks, keyed_stories, stories_of
from swarm_shared.taskfile.problems import ProblemList
from swarm_shared.taskfile.words import status_of

BOM = "\ufeff"
# Text may follow the last line at once, as the tool's own reader allows it.
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(.*?)^(?:---(?!-)|\.\.\.[ \t]*\r?$)", re.DOTALL | re.MULTILINE)
_ENDED = frozenset({"completed", "cancelled"})


def tick_ralph(text: str, key: str) -> str | None:
    """Mark a story as done: `passes: true`, or the status that the file uses for it."""
    bom, body = _without_bom(text)
    stories = stories_of(read_document(body, ProblemList(""), is_json=True))
    story = dict(keyed_stories(stories)).get(key)
    if story is None:
        return None
    return bom + _set_all(body, [(story, name, word) for name, word in done_marks(story, stories)])


def tags_of(document: Object) -> Iterator[tuple[str, Object]]:
    """The tags of a task-master file with what holds their tasks; the older layout has one without a name."""
    if isinstance(document.value("tasks"), list):
        yield "", document
        return
    for name in document:
        holder = document.value(name)
        if isinstance(holder, Object) and isinstance(holder.value("tasks"), list):
            yield name, holder


def tick_task_master(text: str, key: str) -> str | None:
    """Set the status of a task or sub-task to `done`, and that of its parent once all its sub-tasks have ended."""
    bom, body = _without_bom(text)
    document = _read(body, is_json=True)
    if document is None:
        return None
    found = _task_master_item(document, key)
    if found is None:
        return None
    item, parent = found
    targets = [item]
    if parent is not None and all(sub.node is item.node or _has_ended(sub) for sub in parent.objects("subtasks")):
        targets.append(parent)
    still_open = [target for target in targets if status_of(target.text("status")) != "completed"]
    return bom + _set_all(body, [(target, "status", '"done"') for target in still_open])


def tick_bmad(text: str, key: str) -> str | None:
    """Set the status of a story in `sprint-status.yaml` to `done`."""
    bom, body = _without_bom(text)
    document = _read(body, is_json=False)
    states = None if document is None else document.value("development_status")
    if not isinstance(states, Object) or not is_scalar(states, key):
        return None
    if status_of(states.text(key)) == "completed":
        return text
    return bom + set_value(body, states, key, "done", is_json=False)


def front_matter(text: str) -> tuple[str, int] | None:
    """The YAML at the beginning of a Markdown file, and where it begins; None when there is none."""
    found = _FRONT_MATTER.match(text)
    return (found[1], found.start(1)) if found else None


def tick_backlog(text: str, key: str) -> str | None:
    """Set the status in the front matter of a task of Backlog.md to `Done`."""
    bom, body = _without_bom(text)
    matter = front_matter(body)
    fields = None if matter is None else _read(matter[0], is_json=False)
    if matter is None or fields is None or fields.text("id").casefold() != key.casefold():
        return None
    if not is_scalar(fields, "status"):
        return None
    if status_of(fields.text("status")) == "completed":
        return text
    changed = set_value(matter[0], fields, "status", "Done", is_json=False)
    return bom + body[: matter[1]] + changed + body[matter[1] + len(matter[0]) :]


def _task_master_item(document: Object, key: str) -> tuple[Object, Object | None] | None:
    for tag, holder in tags_of(document):
        if not key.startswith(f"{tag}/"):
            continue
        number = key.removeprefix(f"{tag}/")
        for task in holder.objects("tasks"):
            own = task.text("id")
            if own == number:
                return task, None
            if not number.startswith(f"{own}."):
                continue
            for sub in task.objects("subtasks"):
                if sub_number(own, sub) == number:
                    return sub, task
    return None


def sub_number(parent: str, sub: Object) -> str:
    """The number of a sub-task in the whole tag: its id may be local (`2`) or complete (`1.2`)."""
    own = sub.text("id")
    return own if own.startswith(f"{parent}.") else f"{parent}.{own}"


def _has_ended(item: Object) -> bool:
    return status_of(item.text("status")) in _ENDED


def _set_all(text: str, marks: Iterable[tuple[Object, str, str]]) -> str:
    """The text with each mark (object, key, JSON value) set; the last first, so that the places of the others stay."""
    for owner, key, word in sorted(marks, key=lambda mark: _place(mark[0], mark[1]), reverse=True):
        text = _set_json(text, owner, key, word)
    return text


def _set_json(text: str, owner: Object, key: str, word: str) -> str:
    if is_scalar(owner, key):
        return set_value(text, owner, key, word, is_json=True)
    return add_first(text, owner, f'"{key}": {word}') if key not in owner else text


def _place(owner: Object, key: str) -> tuple[int, int]:
    """The place of a value; of its object where the key is missing, since it is added there."""
    mark = (owner.node.entries[key][1] if key in owner else owner.node).start_mark
    return (mark.line, mark.column) if mark else (0, 0)


def _read(text: str, *, is_json: bool) -> Object | None:
    found = read_document(text, ProblemList(""), is_json=is_json)
    return found if isinstance(found, Object) else None


def _without_bom(text: str) -> tuple[str, str]:
    return (BOM, text[1:]) if text.startswith(BOM) else ("", text)
