"""Checklists of a finished plan, such as "Definition of Done": conditions of its last task rather than tasks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.accounts import Fate
from swarm_shared.sources.plans.drafts import Drafts
from swarm_shared.sources.plans.plan import Became
from swarm_shared.sources.syntax.markdown import Document, Item

_HEADING = re.compile(
    r"acceptance|criteria|checklist|complete when|done when|definition of done|sign-?off", re.IGNORECASE
)


def checklists(document: Document, split: Callable[[str], tuple[str, str]]) -> Mapping[int, Item]:
    """Unnumbered outermost items below such a heading, by line, in a plan that numbers its tasks.

    Args:
        split: Gives the number of a text, empty if it has none, and the rest.
    """
    numbered = sum(bool(split(item.text)[0]) for item in document.items)
    if 2 * numbered <= len(document.items):
        return {}
    return {
        item.line: item
        for item in document.items
        if item.text and not split(item.text)[0] and any(_HEADING.search(heading) for heading in item.headings)
    }


def use_checklists(drafts: Drafts, items: Iterable[Item], fates: dict[int, Fate]) -> None:
    """Make the items acceptance criteria of the last task that is not done, or of the last one."""
    listed = list(drafts)
    if not listed:
        return
    last = next((draft for draft in reversed(listed) if draft.status is Status.NOT_STARTED), listed[-1])
    for item in items:
        for each in item.walk():
            fates[each.line] = Became.PART, f"acceptance criteria of {last.id}"
            last.criteria.append(each.text)
