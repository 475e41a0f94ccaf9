"""A Markdown checklist: items are tasks, headings phases, nested items criteria."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.accounts import Fate, account
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.keys import slug
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.syntax.markdown import Document, Item, dedent, read_markdown
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.ticks.boxes import keyed_checklist, name_and_text
from swarm_shared.taskfile.problems import shown
from swarm_shared.taskfile.scalars import parse_number
from swarm_shared.taskfile.words import priority_of

FORMAT = "checklist"
SUFFIXES = frozenset({"", ".md", ".markdown", ".mdx", ".txt"})

_BOX = re.compile(r"^[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\[[ xX~/-]\]", re.MULTILINE)
_OWN_KEY = re.compile(r"^tasks[ \t]*:", re.MULTILINE)
_AFTER = re.compile(r"\((?:after|depends on|blocked by|needs):?[ \t]+([^()\n]{1,2000})\)", re.IGNORECASE)
_PRIORITY = re.compile(r"(?:^|(?<=\s))!(critical|high|medium|low)\b|\[(P[0-4])\]|\((P[0-4])\)", re.IGNORECASE)
# "High Priority", "Priority 1: Core", "Bugs (P0)"
_HEADED = re.compile(
    r"\b(critical|high|medium|low)[ -]priority\b"
    r"|\bpriority[ :-]+(critical|high|medium|low|p[0-4]|[1-5])\b"
    r"|\((p[0-4])\)",
    re.IGNORECASE,
)
_HOURS = re.compile(r"(?:^|(?<=\s))~(\d{1,4}(?:\.\d{1,2})?) ?h(?:ours?)?\b")
_FIELD = re.compile(r"[ \t]*(?:[-*+][ \t]+)?(?:\*\*|_)?([A-Za-z][A-Za-z _-]{1,24}?)(?:\*\*|_)?:(?:\*\*|_)?[ \t]+(\S.*)")
_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(["file", "files", "modifies"], "files"),
    **dict.fromkeys(["depends", "depends on", "dependencies", "after", "blocked by", "deps", "needs"], "needs"),
    **dict.fromkeys(["hours", "estimate", "estimated hours"], "hours"),
    **dict.fromkeys(["docs", "design docs", "see"], "design_docs"),
    "priority": "priority",
    "labels": "labels",
    "tags": "labels",
}


def recognizes(place: Place, text: str) -> bool:
    """A Markdown file with at least one box that is not one of our task files."""
    return place.suffix in SUFFIXES and bool(_BOX.search(text)) and not _OWN_KEY.search(text)


def read(place: Place, text: str, options: Options) -> Plan:
    """All items of the first level as tasks. No order is implied."""
    document = read_markdown(text)
    drafts = Drafts(FORMAT, place, ticks=True)
    fates: dict[int, Fate] = {}
    keys = {item.line: key for key, item in keyed_checklist(document.walk())}
    for item in document.items:
        draft = begin(drafts, item, keys[item.line], phase=" / ".join(item.headings), fates=fates)
        if draft is not None:
            draft.priority = _priority_of_headings(item) or draft.priority
            read_inline(draft, item)
            draft.description = read_fields(draft, item)
            draft.criteria += criteria_below(item, fates, draft)
            draft.files += paths_in(item.text)
    resolve(drafts)
    stem = Path(place.path).stem
    return close(drafts, document, fates, name=place.folder if stem.casefold() == "tasks" else slug(stem))


def begin(drafts: Drafts, item: Item, key: str, *, phase: str, fates: dict[int, Fate]) -> Draft | None:
    """A draft for an item with its id and state; None for one without text."""
    name, text = name_and_text(item.text)
    if not text.strip():
        return None
    draft = drafts.add(name or slug(_without_short_forms(text)), text, key=key, line=item.line)
    draft.phase = phase
    draft.status = state_of(item)
    fates[item.line] = Became.TASK, draft.id
    return draft


def state_of(item: Item) -> Status:
    """What the box says; a struck-out text is cancelled."""
    if item.is_done:
        return Status.COMPLETED
    is_struck = item.text.startswith("~~") and item.text.rstrip().endswith("~~")
    return Status.CANCELLED if item.mark == "-" or is_struck else Status.NOT_STARTED


def read_inline(draft: Draft, item: Item) -> None:
    """Remove our short forms from the name, and apply them."""
    text = draft.name
    for found in _AFTER.findall(text):
        draft.needs += split_list(found)
    text = _AFTER.sub("", text)
    if priority := _PRIORITY.search(text):
        draft.priority = priority_of(next(filter(None, priority.groups()))) or draft.priority
        text = _PRIORITY.sub("", text, count=1)
    if hours := _HOURS.search(text):
        draft.hours = float(hours[1])
        text = _HOURS.sub("", text, count=1)
    draft.name = text.strip().removeprefix("~~").removesuffix("~~").strip() or draft.name


def _priority_of_headings(item: Item) -> int | None:
    """The priority that the nearest heading states."""
    found = (_HEADED.search(heading) for heading in reversed(item.headings))
    return next((priority_of(next(filter(None, each.groups()))) for each in found if each), None)


def _without_short_forms(text: str) -> str:
    for pattern in (_AFTER, _PRIORITY, _HOURS):
        text = pattern.sub("", text)
    return text


def read_fields(draft: Draft, item: Item) -> str:
    """Take lines such as `files: a.py, b.py` out of the text below an item; the rest is the description."""
    rest = []
    for line in item.body:
        found = _FIELD.fullmatch(line.text)
        if found is None or not _fill(draft, _FIELDS.get(" ".join(found[1].lower().split()), ""), found[2].strip()):
            rest.append(line.text)
    return dedent(rest)


def criteria_below(item: Item, fates: dict[int, Fate], draft: Draft) -> list[str]:
    """The nested items as texts, with what is written below them."""
    found = []
    for below in list(item.walk())[1:]:
        if below.text:
            body = below.body_text()
            found.append(f"{below.text}\n{body}" if body else below.text)
            fates[below.line] = Became.PART, f"acceptance criteria of {draft.id}"
    return found


def resolve(drafts: Drafts) -> None:
    """Replace references of dependencies, ids or names, by ids; unresolved ones are kept as they are."""
    by_name: dict[str, str] = {}
    for draft in drafts:
        by_name.setdefault(slug(draft.name), draft.id)
        by_name.setdefault(draft.id.casefold(), draft.id)
    for draft in drafts:
        draft.needs = [by_name.get(need.casefold()) or by_name.get(slug(need)) or need for need in draft.needs]


def close(
    drafts: Drafts, document: Document, fates: dict[int, Fate], *, name: str, lines: Mapping[int, Fate] | None = None
) -> Plan:
    """The plan with the account of its lines."""
    if document.unclosed_fence:
        hidden = sum(line.has_box for line in document.lines[document.unclosed_fence - 1 :])
        what = f"the code fence that starts here is never closed; it hides {hidden} checklist lines"
        drafts.warn(document.unclosed_fence, what, "close it with a line of the same characters")
    plan = drafts.finish(name)
    plan.entries = account(document, fates, lines or {}, drafts.place.file) + plan.entries
    return plan


def split_list(text: str) -> list[str]:
    """`a, b and c` as a list."""
    parts = re.split(r",|;|\band\b|&", text)
    return [part.strip().strip("`#").strip() for part in parts if part.strip().strip("`#").strip()]


def _fill(draft: Draft, field: str, value: str) -> bool:
    """Whether the value was one that the field may have."""
    if field == "priority":
        number = priority_of(value)
        draft.priority = draft.priority if number is None else number
        return number is not None
    if field == "hours":
        hours = parse_number(value.lower().removesuffix("hours").removesuffix("h"))
        draft.hours = hours if hours is not None and 0 <= hours <= 100_000 else draft.hours
        return draft.hours == hours and hours is not None
    if not field:
        return False
    values = split_list(value)
    if field == "files":
        values = [re.sub(r"\s*\(.*\)$", "", each).strip("`") for each in values]
        if any(" " in each for each in values):
            return False  # a sentence
    getattr(draft, field).extend(values)
    return True


__all__ = ["FORMAT", "begin", "close", "read", "recognizes", "resolve", "shown"]
