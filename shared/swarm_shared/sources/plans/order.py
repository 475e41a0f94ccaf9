"""Orders that plans imply: sequential, parallel within a phase, phase after phase."""

from __future__ import annotations

from collections.abc import Container, Iterable

from msgspec import Struct, field

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.drafts import Draft, Drafts

MAX_LINKS = 400  # between two groups of tasks; more pass through one task of each

_ENDED = frozenset({Status.CANCELLED, Status.HELD})


class Phase(Struct, kw_only=True, eq=False):
    """The tasks below one heading; `kind` is before, story, after or other."""

    name: str
    kind: str = "other"
    drafts: list[Draft] = field(default_factory=list)
    parallel: set[str] = field(default_factory=set)  # ids of those that may run in parallel


def one_after_the_other(drafts: Iterable[Draft], *, stated: Container[str] = frozenset()) -> None:
    """Each waits for the one before; those that are held or cancelled hold up none.

    Args:
        stated: Ids of those whose dependencies the plan states: they wait for nothing else.
    """
    listed = list(drafts)
    before: Draft | None = None
    for draft in listed:
        if draft.status is Status.CANCELLED:
            continue
        if before is not None and draft.id not in stated:
            draft.needs.append(before.id)
        if draft.status not in _ENDED:
            before = draft
    _wait_through_completed([draft for draft in listed if draft.id not in stated])


def in_phase(phase: Phase) -> None:
    """In order, except for those that may run in parallel: they wait for the last one that may not."""
    barrier: list[Draft] = []
    beside: list[Draft] = []
    for draft in phase.drafts:
        if draft.status is Status.CANCELLED:
            continue
        if draft.status is Status.HELD:
            draft.needs += [each.id for each in beside or barrier]
            continue
        if draft.id in phase.parallel:
            draft.needs += [each.id for each in barrier]
            beside.append(draft)
            continue
        draft.needs += [each.id for each in beside or barrier]
        barrier, beside = [draft], []


def link_phases(phases: list[Phase], drafts: Drafts) -> None:
    """Stories wait for what comes before them and for nothing else; what comes after waits for all of them."""
    live = [phase for phase in phases if _open(phase)]
    has_stories = any(phase.kind == "story" for phase in live)
    before: list[Phase] = []
    stories: list[Phase] = []
    for phase in live:
        if has_stories and phase.kind == "story":
            for earlier in before[-1:]:
                link(earlier, phase)
            stories.append(phase)
            continue
        for earlier in stories or before[-1:]:
            link(earlier, phase)
        before, stories = [phase], []
    _wait_through_completed([draft for phase in phases for draft in phase.drafts])


def _wait_through_completed(drafts: list[Draft]) -> None:
    """Let what waits for a completed task also wait for what that one would have waited for.

    Items are ticked out of order: a task whose predecessor is done must not start before an open one further up.
    """
    waits: dict[str, dict[str, None]] = {}  # of completed tasks: the open ones that they would wait for
    completed = {draft.id for draft in drafts if draft.status is Status.COMPLETED}
    for draft in drafts:
        further = {each: None for need in draft.needs for each in waits.get(need, ())}
        if draft.id in completed:
            waits[draft.id] = {need: None for need in draft.needs if need not in completed} | further
        else:
            draft.needs += [each for each in further if each not in draft.needs]


def _open(phase: Phase) -> list[Draft]:
    return [draft for draft in phase.drafts if draft.status not in _ENDED]


def link(first: Phase, second: Phase) -> None:
    """Let the second phase wait for the first one: what begins it for what ends the other."""
    ids_first = {draft.id for draft in first.drafts}
    ids_second = {draft.id for draft in second.drafts}
    needed = {need for draft in _open(first) for need in draft.needs}
    ends = [draft for draft in _open(first) if draft.id not in needed]
    heads = [draft for draft in _open(second) if not ids_second.intersection(draft.needs)]
    if not ends or not heads or ids_first & ids_second:
        return
    if len(ends) * len(heads) > MAX_LINKS:
        last, head = ends[-1], heads[0]
        last.needs += [draft.id for draft in ends[:-1]]
        head.needs.append(last.id)
        for draft in heads[1:]:
            draft.needs.append(head.id)
        return
    held = [draft for draft in second.drafts if draft.status is Status.HELD]
    for head in heads + [draft for draft in held if not ids_second.intersection(draft.needs)]:
        head.needs += [draft.id for draft in ends]
