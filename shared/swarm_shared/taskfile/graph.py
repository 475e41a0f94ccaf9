"""Dependencies as a graph of ids: its cycles, an order, and who can reach whom."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

MAX_IDS_SHOWN = 12

Graph = Mapping[str, Sequence[str]]
Name = TypeVar("Name", str, int)


def find_cycles(graph: Graph) -> list[list[str]]:
    """One short cycle of each knot of ids that wait for each other, as `[a, b, a]`, in the graph's order.

    Ids that are no key of the graph and dependencies of a task on itself are left out. Linear in tasks and
    dependencies, and without recursion: a chain may be as long as the file.
    """
    if _is_in_order(graph):
        return []
    knot_of = _knots(graph)
    members: dict[int, list[str]] = {}
    for name in graph:
        members.setdefault(knot_of[name], []).append(name)
    return [_shortest_cycle(graph, names[0], knot_of) for names in members.values() if len(names) > 1]


def cycle_text(cycle: Sequence[str]) -> str:
    """A cycle as text: `a → b → a`, the middle of a long one left out."""
    if len(cycle) <= MAX_IDS_SHOWN:
        return " → ".join(cycle)
    kept = MAX_IDS_SHOWN - 2
    return " → ".join([*cycle[:kept], f"… {len(cycle) - kept - 2} more …", *cycle[-2:]])


def _is_in_order(graph: Graph) -> bool:
    """Whether every id comes after all that it waits for, as in most files: such a graph has no cycle."""
    seen: set[str] = set()
    for name, needs in graph.items():
        if any(needed not in seen and needed in graph for needed in needs):
            return False
        seen.add(name)
    return True


def _knots(graph: Graph) -> dict[str, int]:
    """The number of the strongly connected component of each id.

    Source: Tarjan, “Depth-first search and linear graph algorithms”, 1972, with an explicit stack.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    knot_of: dict[str, int] = {}
    open_names: list[str] = []
    for root in graph:
        if root in index:
            continue
        path: list[tuple[str, Iterator[str]]] = []
        entering: str | None = root
        while entering is not None or path:
            if entering is not None:
                index[entering] = low[entering] = len(index)
                open_names.append(entering)
                path.append((entering, iter(graph[entering])))
                entering = None
            name, remaining = path[-1]
            for needed in remaining:
                if needed not in graph:
                    continue
                if needed not in index:
                    entering = needed
                    break
                if needed not in knot_of:
                    low[name] = min(low[name], index[needed])
            if entering is not None:
                continue
            path.pop()
            if path:
                above = path[-1][0]
                low[above] = min(low[above], low[name])
            if low[name] == index[name]:
                while True:
                    member = open_names.pop()
                    knot_of[member] = index[name]
                    if member == name:
                        break
    return knot_of


def _shortest_cycle(graph: Graph, start: str, knot_of: Mapping[str, int]) -> list[str]:
    reached_from: dict[str, str] = {}
    queue = deque([start])
    while queue:
        name = queue.popleft()
        for needed in graph[name]:
            if needed not in graph or knot_of[needed] != knot_of[start] or needed in reached_from:
                continue
            if needed == name:
                continue
            reached_from[needed] = name
            if needed == start:
                queue.clear()
                break
            queue.append(needed)
    cycle = [start]
    name = reached_from[start]
    while name != start:
        cycle.append(name)
        name = reached_from[name]
    return [start, *reversed(cycle[1:]), start]


def levels(graph: Mapping[Name, Sequence[Name]]) -> dict[Name, int]:
    """How long the longest chain of dependencies below each id is; what can be reached lies strictly lower.

    Ids that are no key of the graph do not count; those in or above a cycle have no level.
    """
    waiting_for = {name: sum(1 for needed in needs if needed in graph) for name, needs in graph.items()}
    dependents: dict[Name, list[Name]] = {}
    for name, needs in graph.items():
        for needed in needs:
            if needed in graph:
                dependents.setdefault(needed, []).append(name)
    ready = deque(name for name, count in waiting_for.items() if not count)
    level = dict.fromkeys(ready, 0)
    while ready:
        name = ready.popleft()
        for dependent in dependents.get(name, ()):
            level[dependent] = max(level.get(dependent, 0), level[name] + 1)
            waiting_for[dependent] -= 1
            if not waiting_for[dependent]:
                ready.append(dependent)
    return {name: height for name, height in level.items() if not waiting_for[name]}
