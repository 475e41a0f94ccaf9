"""spec-kit: `specs/*/tasks.md` with `- [ ] T012 [P] [US1] text` in phases."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct, field

from swarm_shared.domain.models import Status
from swarm_shared.sources.formats.checklist import close, criteria_below, state_of
from swarm_shared.sources.plans.accounts import Fate
from swarm_shared.sources.plans.conditions import checklists, use_checklists
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.order import Phase, in_phase, link, link_phases
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.syntax.markdown import Document, Item, Line, Role, read_markdown
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.ticks.boxes import keyed_spec_kit, spec_kit_id_and_text
from swarm_shared.taskfile.words import priority_of

FORMAT = "spec-kit"
DOCS = ("plan.md", "spec.md", "research.md", "data-model.md", "quickstart.md", "contracts")

_ITEM = re.compile(r"^[ \t]*[-*+][ \t]+\[[ xX~/-]\][ \t]+(?:\*\*)?T\d{3,6}[a-z]?\b", re.MULTILINE)
_ANY_ITEM = re.compile(r"^[ \t]*[-*+][ \t]+\[[ xX~/-]\]", re.MULTILINE)
_MARK = re.compile(r"[ \t]*\[(P|US\d{1,4}|[A-Z]{1,8}\d{0,4})\]")
_NEEDS = re.compile(
    r"\b(?:depends on|after|blocked by|requires)[: \t]+((?:T\d{1,6}[a-z]?\b|and\b|to\b|[,&\u2013\- \t]){1,300})",
    re.IGNORECASE,
)
_RANGE = re.compile(r"(T\d{1,6}[a-z]?)(?:[ \t]*(?:[\u2013-]|\bto\b)[ \t]*(T\d{1,6}))?", re.IGNORECASE)
_PRIORITY = re.compile(r"(?:Priority:[ \t]*|\()(P[0-4])\b", re.IGNORECASE)
# `- **User Story 2 (P2)**: Depends on US1`, as the last sections of the template say it.
_STORY_NEEDS = re.compile(
    r"[-*]?[ \t]*\*\*(?:User Story|US)[ \t]?(\d{1,4})\b[^*:]*(?:\*\*[^:*]{0,80}:|:\*\*)"
    r"[ \t]*(?:Depends on|Requires|Can start after|Starts after|After)\b(.*)",
    re.IGNORECASE,
)
_ASIDE = re.compile(r"\([^()]*\)")
_CLAUSE_END = re.compile(r"[.;\u2014\u2013]|[ \t]-[ \t]|\b(?:but|not|independent)\b", re.IGNORECASE)
_STORIES = re.compile(
    r"\b(?:User Stor(?:y|ies)|US)[ \t]?(\d{1,4}(?:[ \t]*(?:,|&|/|\band\b)[ \t]*\d{1,4}\b)*)", re.IGNORECASE
)
_STORY = re.compile(r"\bUser Story[ \t]+(\d{1,4})\b", re.IGNORECASE)
_NOTE = re.compile(r"\*\*(Goal|Purpose|Independent Test)(?:\*\*[ \t]*:|:\*\*)[ \t]*(.*)")
MAX_RANGE = 500


def recognizes(place: Place, text: str) -> bool:
    """A Markdown file most of whose items have an id such as T012."""
    if place.suffix not in ("", ".md", ".markdown"):
        return False
    return 2 * len(_ITEM.findall(text)) > len(_ANY_ITEM.findall(text))


class _Reading(Struct, kw_only=True, eq=False):
    document: Document
    drafts: Drafts
    fates: dict[int, Fate] = field(default_factory=dict)
    lines: dict[int, Fate] = field(default_factory=dict)


def read(place: Place, text: str, options: Options) -> Plan:
    """All items as tasks.

    Tasks of a phase run in order, those with [P] in parallel. Setup and foundational phases come before the
    user stories, which wait for these only; the last phases wait for all stories.
    """
    document = read_markdown(text)
    reading = _Reading(document=document, drafts=Drafts(FORMAT, place, ticks=True))
    docs = list(place.beside(*DOCS))
    phases: dict[str, Phase] = {}
    keys = {item.line: key for key, item in keyed_spec_kit(document.walk())}
    checks = checklists(document, spec_kit_id_and_text)
    for item in _tasks(document):
        if item.line in checks:
            continue
        heading = item.headings[0] if item.headings else ""
        phase = phases.setdefault(heading, Phase(name=heading, kind=_kind(heading)))
        draft = _task(reading, keys[item.line], item)
        if draft is not None:
            draft.design_docs += docs
            _join(phase, draft, item)
    use_checklists(reading.drafts, checks.values(), reading.fates)
    _use_notes(reading, phases)
    for phase in phases.values():
        in_phase(phase)
    _link_stories(reading, phases)
    link_phases(list(phases.values()), reading.drafts)
    return close(reading.drafts, document, reading.fates, name=place.folder, lines=reading.lines)


def _tasks(document: Document) -> Iterator[Item]:
    """Items of the first level, and nested ones that have an id."""
    outermost = {item.line for item in document.items}
    for item in document.walk():
        if item.line in outermost or spec_kit_id_and_text(item.text)[0]:
            yield item


def _task(reading: _Reading, key: str, item: Item) -> Draft | None:
    own, text = spec_kit_id_and_text(item.text)
    marks, name = _marks(text)
    if not name:
        return None
    draft = reading.drafts.add(own, name, key=key, line=item.line)
    reading.fates[item.line] = Became.TASK, draft.id
    draft.phase = " / ".join(item.headings)
    draft.status = state_of(item)
    draft.labels += [mark for mark in marks if mark.startswith("US")]
    draft.files += paths_in(name)
    draft.needs += _needs(name)
    draft.description = item.body_text()
    nested = [below for below in item.children if not spec_kit_id_and_text(below.text)[0]]
    for below in nested:
        draft.criteria += [below.text, *criteria_below(below, reading.fates, draft)] if below.text else []
        reading.fates[below.line] = Became.PART, f"acceptance criteria of {draft.id}"
    if item.headings and (priority := _PRIORITY.search(item.headings[0])):
        draft.priority = priority_of(priority[1]) or draft.priority
    return draft


def _marks(text: str) -> tuple[list[str], str]:
    """The marks such as [P] before a text, and the rest."""
    marks = []
    while found := _MARK.match(text):
        marks.append(found[1])
        text = text[found.end() :]
    return marks, text.strip()


def _join(phase: Phase, draft: Draft, item: Item) -> None:
    marks, _ = _marks(spec_kit_id_and_text(item.text)[1])
    phase.drafts.append(draft)
    if "P" in marks:
        phase.parallel.add(draft.id)
    if phase.kind == "other" and any(mark.startswith("US") for mark in marks):
        phase.kind = "story"


def _needs(text: str) -> list[str]:
    """The ids behind `depends on`, also of a range such as T010-T014."""
    found = []
    for listed in _NEEDS.findall(text):
        for first, last in _RANGE.findall(listed):
            found.append(first)
            if last and first[1:].isdigit():
                numbers = range(int(first[1:]) + 1, min(int(last[1:]), int(first[1:]) + MAX_RANGE) + 1)
                found += [f"T{number:0{len(first) - 1}d}" for number in numbers]
    return found


def _kind(heading: str) -> str:
    plain = heading.casefold()
    if "user story" in plain:
        return "story"
    if "foundation" in plain or "prerequisite" in plain or "setup" in plain:
        return "before"
    return "after" if "polish" in plain or "cross-cutting" in plain or "final" in plain else "other"


def _use_notes(reading: _Reading, phases: dict[str, Phase]) -> None:
    """Give a phase's goal to its tasks, and how to verify it to its last one."""
    heading = ""
    lines = reading.document.lines
    for at, line in enumerate(lines):
        if line.role is Role.HEADING and line.heading in phases:
            heading = line.heading
        found = _NOTE.match(line.text.strip()) if line.role is Role.TEXT else None
        phase = phases.get(heading)
        if found is None or phase is None or not phase.drafts:
            continue
        further = _paragraph(lines, at + 1)
        what, text = found[1], " ".join([found[2], *(each.text.strip() for each in further)]).strip()
        if what in ("Goal", "Purpose"):
            fate = Became.PART, f"description of the tasks of {heading}"
            for draft in phase.drafts:
                draft.description = f"{draft.description}\n\n{what} of {heading}: {text}".strip("\n")
        else:
            last = _last_open(phase.drafts)
            fate = Became.PART, f"acceptance criteria of {last.id}"
            last.criteria.append(f"{what}: {text}")
        reading.lines |= {each.number: fate for each in (line, *further)}


def _paragraph(lines: list[Line], start: int) -> list[Line]:
    """The lines of text from one on that continue its paragraph: up to a blank line, or a line that starts again."""
    found = []
    for line in lines[start:]:
        if line.role is not Role.TEXT or line.text.lstrip().startswith(("**", "- ", "* ", "> ")):
            break
        found.append(line)
    return found


def _link_stories(reading: _Reading, phases: dict[str, Phase]) -> None:
    """Let stories wait for the earlier ones that the section about dependencies names."""
    stories: dict[str, Phase] = {}
    for heading, phase in phases.items():
        if found := _STORY.search(heading):
            stories.setdefault(found[1], phase)
    order = list(phases.values())
    for line in reading.document.lines:
        found = _STORY_NEEDS.match(line.text.strip()) if line.role is Role.TEXT else None
        story = stories.get(found[1]) if found else None
        if found is None or story is None or not story.drafts:
            continue
        clause = _CLAUSE_END.split(_ASIDE.sub("", found[2]), maxsplit=1)[0]
        named = [number for listed in _STORIES.findall(clause) for number in re.findall(r"\d+", listed)]
        earlier = [stories[number] for number in named if number in stories]
        for phase in earlier:
            if order.index(phase) < order.index(story):
                link(phase, story)
                reading.lines[line.number] = Became.PART, f"dependencies of the tasks of {story.name}"


def _last_open(drafts: Iterable[Draft]) -> Draft:
    listed = list(drafts)
    return next((draft for draft in reversed(listed) if draft.status is Status.NOT_STARTED), listed[-1])
