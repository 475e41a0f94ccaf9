"""Attempts as blocks on a lane per worker: long ones by themselves, those too short to be seen put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from swarm_shared.models import FailureClass, Outcome
from swarm_shared.store.timeline import Drawn, Ran, Stretch

_NOBODYS_FAULT = frozenset({FailureClass.PROVIDER, FailureClass.SETUP, FailureClass.INTERRUPTED})
# The larger, the rather a person would look at it.
_WEIGHT = {"passed": 0, "interrupted": 1, "stopped": 2, "crashed": 3, "failed": 4}


@cache  # a handful of pairs, asked for thousands of attempts
def _kind(outcome: str | None, failure_class: str | None) -> str:
    if outcome is None:
        return "running"
    if outcome == Outcome.PASSED:
        return "passed"
    if outcome != Outcome.FAILED:
        return "stopped"
    if failure_class in _NOBODYS_FAULT:
        return "interrupted"
    return "failed" if failure_class == FailureClass.QUALITY else "crashed"


def kind_of(ran: Ran) -> str:
    """How an attempt ended, in one of the words that pictures have a pattern for."""
    return _kind(ran.outcome, ran.failure_class)


@dataclass(slots=True, kw_only=True)
class Block:
    """One attempt, or several that ended within the same slot of time; milliseconds since 1970."""

    start: int
    end: int | None
    kinds: dict[str, int]
    shown: Ran  # of several the one that a person would rather look at: the newest of the worst

    def take_in(self, ran: Ran) -> None:
        """Put a further attempt of the slot into the block; they come in the order of their claims."""
        kind = kind_of(ran)
        if _WEIGHT[kind] >= _WEIGHT[kind_of(self.shown)]:
            self.shown = ran
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.end = ran.ended_at

    @property
    def count(self) -> int:
        return sum(self.kinds.values())


def pack(attempts: Sequence[Ran], *, slot_ms: int) -> dict[str, list[Block]]:
    """Blocks by worker, from left to right: at most two in a slot, however many attempts there were."""
    lanes: dict[str, list[Block]] = {}
    gathered: dict[tuple[str, int], Block] = {}
    for ran in attempts:
        lane = lanes.setdefault(ran.worker_id, [])
        if ran.ended_at is None or ran.ended_at - ran.claimed_at >= slot_ms:
            lane.append(Block(start=ran.claimed_at, end=ran.ended_at, kinds={kind_of(ran): 1}, shown=ran))
            continue
        place = (ran.worker_id, ran.ended_at // slot_ms)
        known = gathered.get(place)
        if known is None:
            gathered[place] = Block(start=ran.claimed_at, end=ran.ended_at, kinds={kind_of(ran): 1}, shown=ran)
            lane.append(gathered[place])
        else:
            known.take_in(ran)
    for lane in lanes.values():
        lane.sort(key=lambda block: block.start)
    return lanes


def drawn(
    block: Block, *, since: int, tasks: Mapping[int, Drawn], stretches: Mapping[int, Sequence[Stretch]]
) -> dict[str, Any]:
    """A block as JSON; `start` and `end` in seconds behind `since`, `end` None while it runs."""

    def behind(moment: int | None) -> float | None:
        return None if moment is None else round((moment - since) / 1000, 2)

    ran = block.shown
    task = tasks.get(ran.task)
    shown: dict[str, Any] = {
        "start": behind(block.start),
        "end": behind(block.end),
        "kind": kind_of(ran),
        "task": None if task is None else task.id,
        "number": ran.number,
    }
    if ran.kind == "landing":
        shown["landing"] = True
    if block.count > 1:
        shown |= {"count": block.count, "kinds": block.kinds}
    elif ran.key in stretches:
        shown["parts"] = [[str(s.role), behind(s.started_at), behind(s.ended_at)] for s in stretches[ran.key]]
    return shown
