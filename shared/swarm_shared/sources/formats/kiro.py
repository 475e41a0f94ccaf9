"""Kiro and spec-workflow: `.kiro/specs/*/tasks.md` with two levels, of which the lower one carries the work."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swarm_shared.domain.models import Status
from swarm_shared.sources.formats.checklist import close, split_list
from swarm_shared.sources.plans.accounts import Fate
from swarm_shared.sources.plans.conditions import checklists, use_checklists
from swarm_shared.sources.plans.drafts import Draft, Drafts
from swarm_shared.sources.plans.order import Phase, in_phase, link_phases, one_after_the_other
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.syntax.markdown import Item, Line, dedent, read_markdown
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.ticks.boxes import keyed_numbered, nest_numbered, number_and_text

FORMAT = "kiro"
DOCS = ("requirements.md", "bugfix.md", "design.md")
GENERIC_HEADINGS = frozenset({"tasks", "task list", "implementation plan", "implementation tasks"})

_LEVERAGE = re.compile(r"[ \t]*[-*+]?[ \t]*_(?:Leverage|Requirements|Depends):")
_DEPENDS = re.compile(r"[ \t]*[-*+]?[ \t]*_Depends:_?[ \t]*(.*?)_?[ \t]*")
_NUMBERS = re.compile(r"\d{1,4}(?:\.\d{1,4})*[a-f]?")
_PARALLEL = re.compile(r"\(P\)[ \t]*|(?<![ \t])[ \t]*\(P\)$")  # from the first blank only: linear
_FILE = re.compile(r"[ \t]*[-*+][ \t]+Files?:[ \t]+(\S.*)", re.IGNORECASE)
_REQUIREMENTS = re.compile(r"^[ \t]*[-*+][ \t]+_(?:Requirements|Leverage|Boundary|Depends):", re.MULTILINE)


def recognizes(place: Place, text: str) -> bool:
    """By its place, or by the references to requirements that only Kiro and its relatives write."""
    path = f"/{place.path}"
    if "/.kiro/specs/" in path or "/.spec-workflow/specs/" in path:
        return path.endswith("/tasks.md")
    return place.suffix in ("", ".md") and bool(_REQUIREMENTS.search(text))


def read(place: Place, text: str, options: Options) -> Plan:
    """Sub-tasks, and items without any, as tasks in the order of the list; optional ones are held.

    Sub-tasks marked (P) run in parallel with others of their group. `_Depends: 1.2_` adds to the order.
    """
    document = read_markdown(text, loose=True)
    nest_numbered(document)
    drafts = Drafts(FORMAT, place, ticks=True)
    docs = list(place.beside(*DOCS))
    fates: dict[int, Fate] = {}
    groups: dict[int, Item] = {}
    phases: dict[int, Phase] = {}
    keys = {item.line: key for key, item in keyed_numbered(document.walk())}
    checks = checklists(document, number_and_text)
    for item, group in _work(document.items):
        if item.line in checks:
            continue
        number, text_of_item = number_and_text(item.text)
        name = _PARALLEL.sub("", text_of_item, count=1)
        if not name.strip():
            continue
        draft = drafts.add(number, name, key=keys[item.line], line=item.line)
        fates[item.line] = Became.TASK, draft.id
        draft.phase = _phase(item, group)
        draft.status = _state(item)
        draft.design_docs += docs
        _read_body(draft, item.body)
        phase = phases.setdefault(group.line if group is not None else item.line, Phase(name=draft.phase))
        phase.drafts.append(draft)
        if name != text_of_item:
            phase.parallel.add(draft.id)
        if group is not None:
            groups[group.line] = group
            _use_group(draft, group)
        if item.has_star or (group is not None and group.has_star):
            draft.labels.append("optional")
    for group in groups.values():
        fates[group.line] = Became.PHASE, group.text
    use_checklists(drafts, checks.values(), fates)
    _resolve(drafts, groups, phases)
    _order(drafts, list(phases.values()))
    return close(drafts, document, fates, name=place.folder)


def _resolve(drafts: Drafts, groups: dict[int, Item], phases: dict[int, Phase]) -> None:
    """Replace the number of a group in a dependency by its sub-tasks."""
    parts = {number_and_text(group.text)[0]: phases[line].drafts for line, group in groups.items()}
    for draft in drafts:
        draft.needs = [
            each
            for need in draft.needs
            for each in ([part.id for part in parts[need] if part.id != draft.id] if need in parts else [need])
        ]


def _order(drafts: Drafts, phases: list[Phase]) -> None:
    if not any(phase.parallel for phase in phases):
        one_after_the_other(drafts)
        return
    for phase in phases:
        in_phase(phase)
    link_phases(phases, drafts)


def _work(items: list[Item]) -> Iterator[tuple[Item, Item | None]]:
    """The items without items below, each with the one directly above."""
    waiting: list[tuple[Item, Item | None]] = [(item, None) for item in reversed(items)]
    while waiting:
        item, above = waiting.pop()
        if item.children:
            waiting += [(child, item) for child in reversed(item.children)]
        else:
            yield item, above


def _state(item: Item) -> Status:
    if item.is_done:
        return Status.COMPLETED
    return Status.HELD if item.has_star else Status.NOT_STARTED


def _phase(item: Item, group: Item | None) -> str:
    headings = [heading for heading in item.headings if heading.casefold() not in GENERIC_HEADINGS]
    return " / ".join([*headings, *([group.text] if group is not None else [])])


def _read_body(draft: Draft, body: list[Line]) -> None:
    """Files from `- File: path (modify)` and from paths that are named; the text as it is."""
    draft.description = dedent([line.text for line in body])
    for line in body:
        if depends := _DEPENDS.fullmatch(line.text):
            words = (word.strip() for word in re.split(r"[,;、]", depends[1]))
            draft.needs += [word for word in words if _NUMBERS.fullmatch(word)]
        if found := _FILE.fullmatch(line.text):
            paths = (re.sub(r"[ \t]*\(.*\)$", "", each).strip("`") for each in split_list(found[1]))
            draft.files += [path for path in paths if path and " " not in path]
        elif not _LEVERAGE.match(line.text):
            draft.files += paths_in(line.text)
    draft.files += paths_in(draft.name)


def _use_group(draft: Draft, group: Item) -> None:
    """What is written below the parent itself is said to each of its sub-tasks."""
    body = group.body_text()
    if body:
        draft.description = f"{draft.description}\n\nPart of “{group.text}”:\n{body}".strip("\n")
