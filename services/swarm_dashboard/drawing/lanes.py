"""Attempts as blocks on a lane per worker: long ones separately, those too short to be visible grouped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.store.views.timeline import Drawn, Ran, Stretch

# Where attempts are too close together to be drawn apart, the heaviest is shown.
_WEIGHT = {"passed": 0, "interrupted": 1, "stopped": 2, "crashed": 3, "failed": 4}


@cache  # a handful of pairs, asked for thousands of attempts
def _kind(outcome: str | None, failure_class: str | None) -> str:
    if outcome is None:
        return "running"
    if outcome == Outcome.PASSED:
        return "passed"
    if outcome != Outcome.FAILED:
        return "stopped"
    if failure_class and not FailureClass(failure_class).blames_task:
        return "interrupted"
    return "failed" if failure_class == FailureClass.QUALITY else "crashed"


def kind_of(ran: Ran) -> str:
    """How an attempt ended, in one of the words that charts have a pattern for."""
    return _kind(ran.outcome, ran.failure_class)


class Block:
    """One attempt, or several that ended within the same slot of time; milliseconds since 1970.

    Of several, `shown` is the most interesting one, the newest of the worst, and `kind` is its kind.
    """

    __slots__ = ("count", "end", "kind", "kinds", "shown", "start")

    def __init__(self, ran: Ran, kind: str) -> None:
        self.start, self.end = ran.claimed_at, ran.ended_at
        self.shown, self.kind = ran, kind
        self.kinds, self.count = {kind: 1}, 1

    def take_in(self, ran: Ran, kind: str) -> None:
        """Put a further attempt of the slot into the block; they come in the order of their claims."""
        if _WEIGHT[kind] >= _WEIGHT[self.kind]:
            self.shown, self.kind = ran, kind
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.count += 1
        self.end = ran.ended_at


def pack(attempts: Sequence[Ran], *, slot_ms: int) -> dict[str, list[Block]]:
    """Blocks by worker, from left to right: at most two in a slot, however many attempts there were."""
    lanes: dict[str, list[Block]] = {}
    gathered: dict[tuple[str, int], Block] = {}
    for ran in attempts:
        _, _, _, _, worker_id, claimed_at, ended_at, outcome, failure_class = ran
        kind = _kind(outcome, failure_class)
        if ended_at is not None and ended_at - claimed_at < slot_ms:
            place = (worker_id, ended_at // slot_ms)
            known = gathered.get(place)
            if known is not None:
                known.take_in(ran, kind)
                continue
            block = gathered[place] = Block(ran, kind)
        else:
            block = Block(ran, kind)
        lane = lanes.get(worker_id)
        if lane is None:
            lane = lanes[worker_id] = []
        lane.append(block)
    for lane in lanes.values():
        lane.sort(key=lambda block: block.start)
    return lanes


def drawn(
    block: Block, *, since: int, tasks: Mapping[int, Drawn], stretches: Mapping[int, Sequence[Stretch]]
) -> dict[str, Any]:
    """A block as JSON; `start` and `end` in seconds behind `since`, `end` None while it runs."""
    ran = block.shown
    task = tasks.get(ran.task)
    shown: dict[str, Any] = {
        "start": _behind(since, block.start),
        "end": _behind(since, block.end),
        "kind": block.kind,
        "task": None if task is None else task.id,
        "number": ran.number,
    }
    if ran.kind == "landing":
        shown["landing"] = True
    if block.count > 1:
        shown["count"], shown["kinds"] = block.count, block.kinds
    elif ran.key in stretches:
        shown["parts"] = [
            [str(s.role), _behind(since, s.started_at), _behind(since, s.ended_at)] for s in stretches[ran.key]
        ]
    return shown


def _behind(since: int, moment: int | None) -> float | None:
    return None if moment is None else (moment - since) // 10 / 100  # rounding would take three times as long
