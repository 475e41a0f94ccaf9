"""How attempts ended, counted per minute: bars whose parts show the outcome for the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from swarm_dashboard.drawing.lanes import kind_of
from swarm_shared.domain.clock import iso
from swarm_shared.domain.models import Outcome, Status
from swarm_shared.store.views.timeline import Drawn, Ran

_TRIED_AGAIN = ("failed", "crashed")
_ENDS = {str(Status.FAILED): "failed", str(Status.HELD): "held"}


def unsettled(attempts: Sequence[Ran]) -> set[int]:
    """Tasks whose current status is needed, to distinguish retried failures from final ones."""
    return {ran.task for ran in attempts if ran.outcome == Outcome.FAILED and kind_of(ran) in _TRIED_AGAIN}


def bars(
    attempts: Sequence[Ran], *, since: int, until: int, slot_ms: int, tasks: Mapping[int, Drawn]
) -> list[dict[str, Any]]:
    """One bar per slot, the last one unfinished. Landings are not counted: their work has already been counted as
    passed.

    Returns:
        Dictionaries with `at`, where the slot begins, and a number for each kind that occurred: passed, retried,
        failed, held, interrupted or stopped.
    """
    first = since // slot_ms
    counts: list[dict[str, int]] = [{} for _ in range(until // slot_ms - first + 1)]
    for ran in attempts:
        if ran.kind == "landing" or ran.ended_at is None:
            continue
        place = ran.ended_at // slot_ms - first
        if 0 <= place < len(counts):
            word = "passed" if ran.outcome == Outcome.PASSED else _outcome(ran, tasks.get(ran.task))
            counts[place][word] = counts[place].get(word, 0) + 1
    return [{"at": iso((first + place) * slot_ms), **found} for place, found in enumerate(counts)]


def _outcome(ran: Ran, task: Drawn | None) -> str:
    kind = kind_of(ran)
    if kind not in _TRIED_AGAIN:
        return kind
    if task is not None and task.attempt_count == ran.number:
        return _ENDS.get(task.status, "retried")
    return "retried"
