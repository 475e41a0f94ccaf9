"""The critical path through the open tasks: no number of workers makes it shorter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from swarm_shared.domain.models import Status

HOUR_S = 3600.0
Link = tuple[int, int]  # places of a needed task and of one that needs it


class Estimated(Protocol):
    """What of a task its remaining time is estimated from; `claimed_at` in wall ms, of the attempt that runs."""

    @property
    def status(self) -> Status: ...
    @property
    def estimated_hours(self) -> float | None: ...
    @property
    def claimed_at(self) -> int | None: ...


class Way(Struct, frozen=True, kw_only=True):
    """Places of the tasks on it, first to last, and the seconds it takes at least."""

    places: list[int]
    seconds: float


def left_s(task: Estimated, *, usual_s: float, now: int) -> float:
    """Seconds that a task will still take: its estimate, or what passes usually take, less what has gone by."""
    if task.status is Status.COMPLETED or task.status is Status.CANCELLED:
        return 0.0
    whole = usual_s if task.estimated_hours is None else task.estimated_hours * HOUR_S
    if task.status in (Status.APPROVED, Status.LANDING):
        return 0.0
    if task.status in (Status.CLAIMED, Status.IN_PROGRESS) and task.claimed_at is not None:
        return max(0.0, whole - max(0, now - task.claimed_at) / 1000)  # the clock may have been set back
    return whole


def in_order(count: int, links: Sequence[Link]) -> list[int]:
    """Places so that every link leads forward; links must not close a circle."""
    open_links = [0] * count
    behind: list[list[int]] = [[] for _ in range(count)]
    for a, b in links:
        behind[a].append(b)
        open_links[b] += 1
    order = [place for place in range(count) if not open_links[place]]
    for place in order:  # grows while it is walked
        for following in behind[place]:
            open_links[following] -= 1
            if not open_links[following]:
                order.append(following)
    return order


def critical_way(tasks: Sequence[Estimated], links: Sequence[Link], *, usual_s: float, now: int) -> Way:
    """The way through unfinished tasks that takes longest; empty when nothing is left."""
    cost = [left_s(task, usual_s=usual_s, now=now) for task in tasks]
    is_open = [task.status not in (Status.COMPLETED, Status.CANCELLED) for task in tasks]
    kept = [(a, b) for a, b in links if is_open[a] and is_open[b]]
    before: list[list[int]] = [[] for _ in tasks]
    for a, b in kept:
        before[b].append(a)
    until = [0.0] * len(tasks)
    length = [0] * len(tasks)  # of ways that take equally long the one with more tasks
    came_from: list[int | None] = [None] * len(tasks)
    for place in in_order(len(tasks), kept):
        best = max(before[place], key=lambda a: (until[a], length[a]), default=None)
        came_from[place] = best
        until[place] = cost[place] + (0.0 if best is None else until[best])
        length[place] = 1 + (0 if best is None else length[best])
    last = max((p for p in range(len(tasks)) if is_open[p]), key=lambda p: (until[p], length[p]), default=None)
    seconds = 0.0 if last is None else until[last]
    places: list[int] = []
    while last is not None:
        places.append(last)
        last = came_from[last]
    return Way(places=places[::-1], seconds=round(seconds, 1))
