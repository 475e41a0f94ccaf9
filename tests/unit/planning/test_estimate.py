"""The estimate of a task list: critical path, waiting for files, hours with some workers, sessions, money."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.planning.drawing import as_data, as_mermaid, as_svg
from swarm_shared.planning.estimate import Wait, estimate
from swarm_shared.store.views.estimates.experience import Experience
from swarm_shared.taskfile.globs import overlap


def task(task_id: str, *needs: str, hours: float | None = 1, files: tuple[str, ...] = (), **more: object) -> TaskSpec:
    return TaskSpec(id=task_id, name=f"Do {task_id}", dependencies=needs, estimated_hours=hours, files=files, **more)  # type: ignore[arg-type]


DIAMOND = [task("a"), task("b", "a", hours=3), task("c", "a"), task("d", "b", "c")]


def test_no_number_of_workers_shortens_the_critical_path() -> None:
    found = estimate(DIAMOND, workers=8)
    assert (found.critical_path, found.path_hours, found.hours) == (["a", "b", "d"], 5, 5)


def test_one_worker_needs_the_sum_of_all_hours() -> None:
    found = estimate(DIAMOND, workers=1)
    assert (found.work_hours, found.hours) == (6, 6)


def test_tasks_that_change_the_same_files_wait_for_each_other() -> None:
    tasks = [task("a", files=("src/*.py",), hours=2), task("b", files=("src/b.py",)), task("c", files=("docs/**",))]
    found = estimate(tasks, workers=3)
    assert found.waits == [Wait(task="b", holder="a", pattern="src/b.py", hours=2)]
    assert found.hours == 3


def test_tasks_that_depend_on_each_other_do_not_wait_for_files() -> None:
    assert not estimate([task("a", files=("x",)), task("b", "a", files=("x",))], workers=2).waits


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [("src", "src/a/b.py"), ("src/a/b.py", "./src/"), ("src/*/b.py", "src/a/b.py"), ("src/a", "src/**"), ("**", "x")],
)
def test_patterns_and_folders_overlap_as_they_do_at_a_claim(mine: str, theirs: str) -> None:
    assert overlap(mine, theirs)
    assert len(estimate([task("a", files=(mine,)), task("b", files=(theirs,))], workers=2).waits) == 1
    assert not estimate([task("a", files=(mine,)), task("b", files=("other/y",))], workers=2).waits or mine == "**"


def test_a_worker_takes_another_task_instead_of_waiting() -> None:
    tasks = [task("a", files=("x",), hours=2), task("b", files=("x",), hours=2), task("c", hours=2), task("d", hours=2)]
    assert estimate(tasks, workers=2).hours == 4


def test_urgent_tasks_and_long_chains_go_first() -> None:
    tasks = [task("short"), task("long"), task("tail", "long", hours=5)]
    assert estimate(tasks, workers=1).hours == 7
    assert estimate(tasks, workers=2).hours == 6


def test_completed_tasks_take_no_time() -> None:
    found = estimate([task("a", status=Status.COMPLETED, hours=9), task("b", "a")], workers=1)
    assert (found.tasks, found.open_tasks, found.hours, found.sessions) == (2, 1, 1, 2)


def test_a_task_without_an_estimate_takes_the_average_of_the_others() -> None:
    assert estimate([task("a", hours=4), task("b", hours=None)], workers=1).hours == 8


def test_durations_retries_and_costs_are_taken_from_past_runs() -> None:
    past = Experience(hours=0.5, attempts_per_task=1.5, cost_usd=0.2)
    found = estimate([task("a", hours=None), task("b", hours=None)], workers=1, experience=past)
    assert (found.hours, found.sessions, found.cost_usd) == (1, 6, 0.6)
    assert estimate(DIAMOND, workers=1).cost_usd is None


def test_without_validation_there_is_one_session_per_attempt() -> None:
    assert estimate(DIAMOND, workers=1, validation=False).sessions == 4


@pytest.mark.parametrize("workers", [1, 3])
def test_an_empty_list_takes_no_time(workers: int) -> None:
    found = estimate([], workers=workers)
    assert (found.hours, found.critical_path, found.sessions) == (0, [], 0)


def test_a_dependency_outside_the_list_counts_as_completed() -> None:
    assert estimate([task("b", "elsewhere")], workers=1).hours == 1


HOSTILE = [task('a"]<b>#;\n\x1b'), task("</svg>&", 'a"]<b>#;\n\x1b')]


def test_a_drawing_is_well_formed_whatever_the_names_of_the_tasks() -> None:
    root = ElementTree.fromstring(as_svg(HOSTILE, estimate(HOSTILE, workers=1)))
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "</svg>&" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 1


def test_text_cannot_break_out_of_mermaid_labels() -> None:
    text = as_mermaid(HOSTILE, estimate(HOSTILE, workers=1))
    assert len(text.splitlines()) == 6
    for line in text.splitlines()[1:3]:
        assert re.fullmatch(r'    t\d\["[^"<>\n]*"\]', line)


def test_a_box_is_to_the_right_of_its_dependencies() -> None:
    root = ElementTree.fromstring(as_svg(DIAMOND, estimate(DIAMOND, workers=1)))
    at = [int(each.get("x", "0")) for each in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert at[0] < at[1] == at[2] < at[3]


def test_data_has_every_link_once() -> None:
    data = as_data(DIAMOND, estimate(DIAMOND, workers=1))
    assert data["links"] == [["a", "b"], ["a", "c"], ["b", "d"], ["c", "d"]]
    assert data["critical_path"] == ["a", "b", "d"]
