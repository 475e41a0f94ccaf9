"""The layout of a graph's boxes: in layers from left to right, so that links point forward and rarely cross.

The layout is computed here and not in the page: it can be tested without a browser, is computed once for all pages, and
never blocks a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

from swarm_shared.store.views.estimates.critical_path import Link, in_order

SWEEPS = 6
MAX_BENDS = 3_000  # up to this number, links over several layers get a place in each layer
BEND_ROOM = 0.45  # of a box's room
LEAST_WIDTH = 6  # columns of the block of boxes that have no links


class Layout(Struct, frozen=True, kw_only=True):
    """Places in units of one box: columns are whole numbers, rows are not. `bends`: rows of a link, layer by layer."""

    column: list[int]
    row: list[float]
    bends: dict[Link, list[float]]


def lay_out(count: int, links: Sequence[Link]) -> Layout:
    """Place `count` boxes, linked as (before, behind); boxes without a link are placed in a block below the others."""
    forward = _without_cycles(count, links)
    linked = {end for link in forward for end in link}
    layer = _layers(count, forward)
    # Boxes first, then the bends of long links, each with its own place in its layer.
    places = layer[:]
    chains: dict[Link, list[int]] = {}
    bends_wanted = sum(layer[b] - layer[a] - 1 for a, b in forward)
    for a, b in forward:
        chain = []
        if bends_wanted <= MAX_BENDS:
            chain = list(range(len(places), len(places) + layer[b] - layer[a] - 1))
            places += range(layer[a] + 1, layer[b])
        chains[a, b] = chain
    before: list[list[int]] = [[] for _ in places]
    behind: list[list[int]] = [[] for _ in places]
    for (a, b), chain in chains.items():
        whole = [a, *chain, b]
        for left, right in pairwise(whole):
            behind[left].append(right)
            before[right].append(left)
    columns: list[list[int]] = [[] for _ in range(max(places, default=0) + 1)]
    for place, where in enumerate(places):
        if place >= count or place in linked:
            columns[where].append(place)
    rows = _rows(columns, before, behind, count, len(places))
    _below(rows, layer, [box for box in range(count) if box not in linked], width=max(len(columns), LEAST_WIDTH))
    return Layout(
        column=layer[:count],
        row=[round(row, 3) for row in rows[:count]],
        bends={link: [round(rows[place], 3) for place in chain] for link, chain in chains.items() if chain},
    )


def _without_cycles(count: int, links: Sequence[Link]) -> list[Link]:
    """The links without those that would close a cycle: tasks have no cycles, phases may."""
    behind: list[list[int]] = [[] for _ in range(count)]
    for a, b in links:
        behind[a].append(b)
    kept: list[Link] = []
    state = [0] * count  # 0 not seen, 1 on the way, 2 done
    for root in range(count):
        if state[root]:
            continue
        state[root] = 1
        way = [(root, iter(behind[root]))]
        while way:
            box, rest = way[-1]
            for following in rest:
                if state[following] == 1:
                    continue
                kept.append((box, following))
                if state[following] == 0:
                    state[following] = 1
                    way.append((following, iter(behind[following])))
                    break
            else:
                state[box] = 2
                way.pop()
    return list(dict.fromkeys(kept))


def _layers(count: int, links: Sequence[Link]) -> list[int]:
    """The length of the longest path to each box; a box without predecessors goes right before what needs it."""
    before: list[list[int]] = [[] for _ in range(count)]
    behind: list[list[int]] = [[] for _ in range(count)]
    for a, b in links:
        before[b].append(a)
        behind[a].append(b)
    layer = [0] * count
    for box in in_order(count, links):
        layer[box] = max((layer[a] + 1 for a in before[box]), default=0)
    for box in range(count):
        if not before[box] and behind[box]:
            layer[box] = min(layer[b] for b in behind[box]) - 1
    return layer


def _rows(
    columns: list[list[int]], before: list[list[int]], behind: list[list[int]], boxes: int, places: int
) -> list[float]:
    """Order each column by the middle of its neighbours, to and fro; then move all as near to them as there is room."""
    rank = [0.0] * places
    for column in columns:
        for place, box in enumerate(column):
            rank[box] = place
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        neighbours = before if forth else behind
        for column in columns if forth else reversed(columns):
            middle = {box: _mean([rank[n] for n in neighbours[box]], rank[box]) for box in column}
            column.sort(key=lambda box, middle=middle: middle[box])  # type: ignore[misc]  # bound at once
            for place, box in enumerate(column):
                rank[box] = place
    row = rank
    for sweep in range(SWEEPS):
        forth = sweep % 2 == 0
        neighbours = before if forth else behind
        for column in columns if forth else reversed(columns):
            wanted = [_mean([row[n] for n in neighbours[box]], row[box]) for box in column]
            room = [1.0 if box < boxes else BEND_ROOM for box in column]
            for box, where in zip(column, _apart(wanted, room), strict=True):
                row[box] = where
    top = min((row[box] for column in columns for box in column), default=0.0)
    return [where - top for where in row]


def _apart(wanted: list[float], room: list[float]) -> list[float]:
    """Places as near as possible to the wanted ones (least squares), in the same order and with room for each.

    Source: isotonic regression by pooling adjacent violators, after the room before each place is taken off.
    """
    offsets, used = [], 0.0
    for index, size in enumerate(room):
        used += (size + room[index - 1]) / 2 if index else 0.0
        offsets.append(used)
    pools: list[tuple[float, int]] = []  # mean and number of members
    for want, offset in zip(wanted, offsets, strict=True):
        mean, members = want - offset, 1
        while pools and pools[-1][0] >= mean:
            other, others = pools.pop()
            mean, members = (mean * members + other * others) / (members + others), members + others
        pools.append((mean, members))
    flat = [mean for mean, members in pools for _ in range(members)]
    return [base + offset for base, offset in zip(flat, offsets, strict=True)]


def _below(rows: list[float], layer: list[int], loose: list[int], *, width: int) -> None:
    """Put boxes without links into a block under the others."""
    if not loose:
        return
    linked = [rows[box] for box in range(len(layer)) if box not in set(loose)]
    top = max(linked) + 2 if linked else 0
    for place, box in enumerate(loose):
        layer[box] = place % width
        rows[box] = top + place // width


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise
