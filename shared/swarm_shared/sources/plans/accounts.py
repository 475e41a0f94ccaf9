"""Accounts for every line of a Markdown plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from swarm_shared.sources.plans.plan import Became, Entry, merged
from swarm_shared.sources.syntax.markdown import Document, Item, Line, Role

Fate = tuple[Became, str]

_OUTSIDE = {
    Role.FRONT_MATTER: "front matter",
    Role.COMMENT: "a comment",
    Role.FENCE: "a code fence",
    Role.TEXT: "text outside any task",
}
_FENCED = {
    Role.FRONT_MATTER: "a checklist line in front matter",
    Role.COMMENT: "a checklist line in a comment",
    Role.FENCE: "a checklist line in a code fence",
    Role.TEXT: "a line that only looks like a checklist item",
}


def account(document: Document, items: Mapping[int, Fate], lines: Mapping[int, Fate], file: str) -> list[Entry]:
    """One entry for each run of lines that became the same.

    Args:
        items: What each item became, by its line; what is missing was left out.
        lines: What other lines became, where it is not what their role says.
    """
    used = {heading for item in document.walk() if item.line in items for heading in item.headings} | {document.title}
    return merged(file, _fates(document, items, lines, used))


def _fates(
    document: Document, items: Mapping[int, Fate], lines: Mapping[int, Fate], used: set[str]
) -> Iterator[tuple[int, Became, str, str]]:
    for line in document.lines:
        became, detail = lines.get(line.number) or _fate(line, items, used)
        yield line.number, became, detail, "" if became is Became.NOTHING else line.text


def _fate(line: Line, items: Mapping[int, Fate], used: set[str]) -> Fate:
    if line.role in (Role.BLANK, Role.RULE):
        return Became.NOTHING, ""
    if line.role is Role.HEADING:
        return (Became.PHASE, line.heading) if line.heading in used else (Became.LEFT_OUT, "a heading without tasks")
    if line.owner is not None:
        return _fate_of_item(line, line.owner, items)
    return Became.LEFT_OUT, (_FENCED if line.has_box else _OUTSIDE)[line.role]


def _fate_of_item(line: Line, item: Item, items: Mapping[int, Fate]) -> Fate:
    fate = items.get(item.line)
    if fate is None:
        return Became.LEFT_OUT, "an item without text"
    if line.role is Role.ITEM or fate[0] is Became.LEFT_OUT:
        return fate
    return Became.PART, fate[1]
