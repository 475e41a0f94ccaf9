"""JSON task files are read as JSON, not as the YAML that they resemble."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm_shared.domain.models import TaskSpec
from swarm_shared.taskfile.problems import TaskFileErrors
from swarm_shared.taskfile.reader import read_task_file

TASKS = {
    "tasks": [
        {"id": 1, "title": "Bee \U0001f41d", "files": ["a\\b", "c/d"], "labels": ["\u007f", "tab\there", '"quoted"']},
        {"id": "2", "name": "Zweite: Größe", "dependencies": [1], "estimated_hours": 1.50, "allow_empty": True},
        {"id": "3", "name": "null and true as text", "description": "true", "phase": None, "priority": 2},
    ],
    "owner": {"unknown": [1, 2.5, None, False, "x"]},
}


def read(text: str | bytes, name: str = "t.json") -> list[TaskSpec]:
    return read_task_file(Path(name), text.encode() if isinstance(text, str) else text).tasks


def problems(text: str | bytes, name: str = "t.json") -> list[str]:
    with pytest.raises(TaskFileErrors) as refused:
        read(text, name)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "as it is"])
@pytest.mark.parametrize("indent", [None, 2], ids=["on one line", "indented"])
def test_json_is_read_the_same_however_it_is_spelled(ascii_only: bool, indent: int | None) -> None:
    tasks = read(json.dumps(TASKS, ensure_ascii=ascii_only, indent=indent))
    assert [task.id for task in tasks] == ["1", "2", "3"]
    assert tasks[0].name == "Bee \U0001f41d"
    assert tasks[0].files == ("a\\b", "c/d")
    assert tasks[0].labels == ("\u007f", "tab\there", '"quoted"')
    assert tasks[1].name == "Zweite: Größe"
    assert tasks[1].dependencies == ("1",)
    assert (tasks[1].estimated_hours, tasks[1].allow_empty) == (1.5, True)
    assert (tasks[2].description, tasks[2].phase, tasks[2].priority) == ("true", "", 2)


def test_json_is_recognized_by_its_content_whatever_the_name() -> None:
    assert read(json.dumps(TASKS), "tasks.yaml")[0].name == "Bee \U0001f41d"


def test_a_byte_order_mark_and_escaped_slashes_do_no_harm() -> None:
    assert read(b'\xef\xbb\xbf {"tasks": [{"id": "a", "name": "and\\/or"}]}')[0].name == "and/or"


def test_a_number_as_id_keeps_its_spelling() -> None:
    assert [task.id for task in read('{"tasks": [{"id": 1e3, "name": "a"}, {"id": 2.10, "name": "b"}]}')] == [
        "1e3",
        "2.10",
    ]


@pytest.mark.parametrize("escape", [r"\ud83d", r"\udc1d", r"\udc1d\ud83d", r"\\\ud83d"])
def test_half_a_surrogate_pair_is_reported_with_its_position(escape: str) -> None:
    (problem,) = problems('{"tasks": [\n  {"id": "a", "name": "x ' + escape + '"}]}')
    assert problem.startswith("t.json:2:23: half of a surrogate pair")


def test_an_escaped_backslash_before_a_u_is_not_a_surrogate() -> None:
    assert read(r'{"tasks": [{"id": "a", "name": "C:\\ud83d"}]}')[0].name == r"C:\ud83d"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"tasks": [{"id": 1,\n "name" "x"}]}', "t.json:2:", "not JSON"),
        ('{"tasks": [{"id": 1, "name": "x"}', "t.json:1:34", "not JSON"),
        ('{"tasks": [{"id": 1, "name": "x}]}', "t.json:1:", "not JSON"),
    ],
    ids=["no colon", "cut off", "no closing quote"],
)
def test_broken_json_is_reported_as_broken_json_with_the_position(text: str, place: str, words: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(place)
    assert words in problem


def test_json_with_a_trailing_comma_or_comments_is_read_as_yaml() -> None:
    assert [task.id for task in read('{"tasks": [{"id": "a", "name": "A",},],} # end')] == ["a"]


def test_problems_of_the_content_name_line_and_column() -> None:
    found = problems('{"tasks": [\n  {"id": "a", "name": "A",\n   "priority": "soon"},\n  {"id": "a", "name": "B"}]}')
    assert [problem.split(": ")[0] for problem in found] == ["t.json:3:16", "t.json:4:3"]


def test_the_progress_reaches_the_end_of_a_large_file() -> None:
    text = json.dumps({"tasks": [{"id": str(n), "name": "n" * 100} for n in range(5000)]}).encode()
    steps: list[tuple[int, int]] = []
    read_task_file(Path("t.json"), text, progress=lambda done, total: steps.append((done, total)))
    assert len(steps) > 3
    assert steps == sorted(steps)
    assert {total for _, total in steps} == {len(text)}
