"""OpenSpec: `openspec/changes/*/tasks.md` with numbered groups and items."""

from __future__ import annotations

import re

from swarm_shared.sources.formats.checklist import close, criteria_below, state_of
from swarm_shared.sources.plans.accounts import Fate
from swarm_shared.sources.plans.conditions import checklists, use_checklists
from swarm_shared.sources.plans.drafts import Drafts
from swarm_shared.sources.plans.order import one_after_the_other
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.syntax.markdown import read_markdown
from swarm_shared.sources.syntax.paths import paths_in
from swarm_shared.sources.ticks.boxes import keyed_numbered, number_and_text

FORMAT = "openspec"
DOCS = ("proposal.md", "design.md", "specs")

_GROUP = re.compile(r"^## \d{1,3}\. \S", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]*[-*] \[[ xX]\] \d{1,3}\.\d{1,3} \S", re.MULTILINE)


def recognizes(place: Place, text: str) -> bool:
    """By its place, or by numbered headings with items of two numbers."""
    path = f"/{place.path}"
    if "/openspec/changes/" in path:
        return path.endswith("/tasks.md")
    return place.suffix in ("", ".md") and bool(_GROUP.search(text)) and bool(_ITEM.search(text))


def read(place: Place, text: str, options: Options) -> Plan:
    """All items of the first level as tasks, one after the other as the tool carries them out.

    Numbers are unique within a change only: the ids begin with its name.
    """
    document = read_markdown(text)
    drafts = Drafts(FORMAT, place, ticks=True)
    docs = list(place.beside(*DOCS))
    change = place.folder if place.folder not in ("changes", "") else ""
    fates: dict[int, Fate] = {}
    keys = {item.line: key for key, item in keyed_numbered(document.walk())}
    checks = checklists(document, number_and_text)
    for item in document.items:
        if item.line in checks:
            continue
        number, name = number_and_text(item.text)
        if not name.strip():
            continue
        wanted = ".".join(part for part in (change, number) if part) if number else ""
        draft = drafts.add(wanted, name, key=keys[item.line], line=item.line)
        fates[item.line] = Became.TASK, draft.id
        draft.phase = " / ".join(item.headings)
        draft.status = state_of(item)
        draft.description = item.body_text()
        draft.criteria += criteria_below(item, fates, draft)
        draft.files += paths_in(name)
        draft.design_docs += docs
    use_checklists(drafts, checks.values(), fates)
    one_after_the_other(drafts)
    return close(drafts, document, fates, name="")
