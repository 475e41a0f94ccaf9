"""The graph: links run forward, boxes do not overlap, the critical path is found, and omissions are reported."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from dashboard_harness import DashboardHarness
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm_dashboard.drawing.layers import BEND_ROOM, Link, lay_out
from swarm_dashboard.routes import dependency_graph as graph_route
from swarm_shared.domain.models import TaskSpec


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    return DashboardHarness(tmp_path)


def shown(harness: DashboardHarness, query: str = "") -> dict[str, Any]:
    harness.clock.pass_s(2)  # after the cached response has expired
    answer = harness.get(f"/api/graph{query}")
    assert answer.status_code == 200, answer.get_json()
    found: dict[str, Any] = answer.get_json()
    return found


def ids(graph: dict[str, Any]) -> set[str]:
    return {box["id"] for box in graph["boxes"]}


def chain(*names: str, **more: Any) -> list[TaskSpec]:
    first, *_ = names
    return [TaskSpec(id=first, name=first, **more)] + [
        TaskSpec(id=name, name=name, dependencies=(before,), **more) for before, name in pairwise(names)
    ]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[Link]]:
    count = draw(st.integers(1, 30))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda pair: pair[0] < pair[1])
    return count, draw(st.lists(pairs, max_size=60)) if count > 1 else []


@settings(deadline=None, max_examples=60)
@given(graphs())
def test_links_run_forward_and_no_two_boxes_share_a_place(graph: tuple[int, list[Link]]) -> None:
    count, links = graph
    layout = lay_out(count, links)
    for a, b in links:
        assert layout.column[a] < layout.column[b]
        if (a, b) in layout.bends:
            assert len(layout.bends[a, b]) == layout.column[b] - layout.column[a] - 1
    for column in set(layout.column):
        rows = sorted(layout.row[box] for box in range(count) if layout.column[box] == column)
        assert all(below - above > 0.99 for above, below in pairwise(rows))
    assert min(layout.row) >= 0


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 12).flatmap(lambda n: st.tuples(st.just(n), st.permutations(range(n)))))
def test_a_cycle_of_phases_is_laid_out_nevertheless(drawn: tuple[int, list[int]]) -> None:
    count, order = drawn
    layout = lay_out(count, [(a, b) for a, b in pairwise([*order, order[0]])])
    assert len(set(zip(layout.column, layout.row, strict=True))) == count


def test_two_chains_side_by_side_do_not_cross() -> None:
    layout = lay_out(6, [(0, 3), (1, 2), (3, 4), (2, 5)])
    upper, lower = ([0, 3, 4], [1, 2, 5]) if layout.row[0] < layout.row[1] else ([1, 2, 5], [0, 3, 4])
    assert all(layout.row[a] < layout.row[b] for a, b in zip(upper, lower, strict=True))
    assert len({layout.row[box] for box in upper}) == 1  # straight, if nothing is in the way


def test_a_long_link_goes_around_the_boxes_on_its_way() -> None:
    layout = lay_out(4, [(0, 1), (1, 2), (2, 3), (0, 3)])
    passed = [layout.row[1], layout.row[2]]
    apart = [abs(bend - row) for bend, row in zip(layout.bends[0, 3], passed, strict=True)]
    assert min(apart) >= (1 + BEND_ROOM) / 2 - 0.01


def test_few_tasks_are_all_shown_with_their_links(harness: DashboardHarness) -> None:
    harness.add(*chain("1", "2", "3"), "alone")
    graph = shown(harness)
    assert (graph["view"], graph["total"], graph["cut"]) == ("all", 4, False)
    place = {box["id"]: n for n, box in enumerate(graph["boxes"])}
    assert {(a, b) for a, b, _ in graph["links"]} == {(place["1"], place["2"]), (place["2"], place["3"])}
    assert [graph["boxes"][place[i]]["column"] for i in ("1", "2", "3")] == [0, 1, 2]


def test_around_a_task_only_nearby_links_are_shown(harness: DashboardHarness) -> None:
    harness.add(*chain(*"abcdefg"))
    assert ids(shown(harness, "?task=d&depth=1")) == set("cde")
    graph = shown(harness, "?task=d&depth=2")
    assert ids(graph) == set("bcdef")
    more = {box["id"]: (box["needs_more"], box["frees_more"]) for box in graph["boxes"]}
    assert more["b"] == (True, False)
    assert more["f"] == (False, True)
    assert more["d"] == (False, False)
    assert harness.get("/api/graph?task=nothing").status_code == 404


def test_a_large_queue_is_shown_as_phases(harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_route, "MAX_BOXES", 5)
    harness.add(
        *(TaskSpec(id=f"a{n}", name="a", phase="design") for n in range(4)),
        *(TaskSpec(id=f"b{n}", name="b", phase="build", dependencies=(f"a{n}",)) for n in range(4)),
    )
    graph = shown(harness)
    assert graph["view"] == "phases"
    assert {box["phase"]: box["tasks"] for box in graph["boxes"]} == {"design": 4, "build": 4}
    [(before, behind, _)] = graph["links"]
    assert (graph["boxes"][before]["phase"], graph["boxes"][behind]["phase"]) == ("design", "build")
    of_phase = shown(harness, "?phase=build")
    assert (ids(of_phase), of_phase["cut"]) == ({"b0", "b1", "b2", "b3"}, False)
    assert all(box["needs_more"] for box in of_phase["boxes"])


def test_a_large_queue_without_phases_is_shown_around_running_tasks(
    harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_route, "MAX_BOXES", 4)
    harness.add(*chain(*(f"t{n}" for n in range(9))))
    harness.start()
    graph = shown(harness)
    assert (graph["view"], graph["total"]) == ("work", 9)
    assert ids(graph) == {"t0", "t1", "t2"}
    assert shown(harness, "?view=all")["cut"]


def test_the_critical_path_is_the_longest_by_remaining_time(harness: DashboardHarness) -> None:
    harness.add(
        TaskSpec(id="1", name="root", estimated_hours=1),
        TaskSpec(id="2", name="short", estimated_hours=1, dependencies=("1",)),
        TaskSpec(id="3", name="long", estimated_hours=5, dependencies=("1",)),
        TaskSpec(id="4", name="end", estimated_hours=2, dependencies=("2", "3")),
    )
    graph = shown(harness)
    way = [graph["boxes"][place]["id"] for place in graph["critical"]["places"]]
    assert way == ["1", "3", "4"]
    assert graph["critical"]["seconds"] == 8 * 3600
    claim = harness.start()
    harness.clock.pass_s(1800)
    assert shown(harness)["critical"]["seconds"] == pytest.approx(7.5 * 3600, abs=5)
    harness.settle(claim)
    graph = shown(harness)
    assert [graph["boxes"][place]["id"] for place in graph["critical"]["places"]] == ["3", "4"]


def test_a_task_with_many_dependents_does_not_exceed_the_cap(
    harness: DashboardHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_route, "MAX_BOXES", 10)
    harness.add("hub", *(TaskSpec(id=f"w{n}", name="waits", dependencies=("hub",)) for n in range(50)))
    graph = shown(harness, "?task=hub")
    assert len(graph["boxes"]) == 10
    assert graph["cut"]
    assert "hub" in ids(graph)
