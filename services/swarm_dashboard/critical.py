"""The longest way through what is left: no number of workers makes it shorter."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from swarm_dashboard.layers import Link, in_order
from swarm_shared.models import Status
from swarm_shared.store.graph import GraphTask

HOUR_S = 3600.0


class Way(Struct, frozen=True, kw_only=True):
    """Places of the tasks on it, first to last, and the seconds it takes at least."""

    places: list[int]
    seconds: float


def left_s(task: GraphTask, *, usual_s: float, now: int) -> float:
    """Seconds that a task will still take: its estimate, or what passes usually take, less what has gone by."""
    if task.status is Status.COMPLETED or task.status is Status.CANCELLED:
        return 0.0
    whole = usual_s if task.estimated_hours is None else task.estimated_hours * HOUR_S
    if task.status in (Status.APPROVED, Status.LANDING):
        return 0.0
    if task.status in (Status.CLAIMED, Status.IN_PROGRESS) and task.claimed_at is not None:
        return max(0.0, whole - (now - task.claimed_at) / 1000)
    return whole


def critical_way(tasks: Sequence[GraphTask], links: Sequence[Link], *, usual_s: float, now: int) -> Way:
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
