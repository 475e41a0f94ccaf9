"""All problems of a task file are reported together, each with its position and advice."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from swarm_shared.taskfile import nodes
from swarm_shared.taskfile.problems import MAX_PROBLEMS, Problem, TaskFileErrors
from swarm_shared.taskfile.reader import read_task_file


def problems(text: str | bytes) -> list[Problem]:
    with pytest.raises(TaskFileErrors) as caught:
        read_task_file(Path("t.yaml"), text.encode() if isinstance(text, str) else text)
    for problem in caught.value.problems:
        assert re.fullmatch(r"t\.yaml:\d+(:\d+)?: [^\n]+ → [^\n]+", str(problem)), str(problem)
    assert caught.value.exit_code == 3
    return caught.value.problems


def only_problem(text: str | bytes) -> str:
    (problem,) = problems(text)
    return str(problem)


TASK = "tasks:\n- id: a\n  name: A\n  "


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ('tasks: [{id: a, name: "A]', ":1:", "not YAML.*close the quotes"),
        ("tasks:\n- id: a\n  name: A: B\n", ":3:10:", "not YAML.*quotes"),
        ("tasks:\n\t- id: a\n", ":2:1:", "not YAML.*not tabs"),
        ("tasks:\n- id: a\n  name: A\n - id: b\n", ":4:2:", "not YAML.*indentation"),
        (b"tasks:\n- id: \xff\n", ":2:7:", "byte 0xFF is not UTF-8 → save the file as UTF-8"),
        ("tasks:\n- id: é\x00\n", ":2:8:", "NUL bytes"),
        ("tasks:\n- id: é\x07\n", ":2:8:", r"control character U\+0007"),
        ("tasks: []".encode("utf-16"), ":1:1:", "the file is UTF-16"),
        ("", ":1:1:", "the file is empty"),
        ("# nothing\n", ":1:1:", "the file is empty"),
        ("---\n...\n", ":2:", "not a mapping"),
        ("- id: a\n  name: A\n", ":1:1:", 'not a mapping with the key tasks → put "tasks:"'),
        ("task:\n- id: a\n", ":1:1:", 'the key tasks is missing → rename "task" to tasks'),
        ("a: 1\n", ":1:1:", "the key tasks is missing → put"),
        ("a: 1\ntasks:\n", ":2:1:", "tasks is empty"),
        ("tasks: {id: a, name: A}\n", ":1:1:", "tasks is not a list"),
        ("tasks:\n- a\n", ":2:3:", "a task must be a mapping"),
        ("tasks:\n- name: A\n", ":2:3:", "this task has no id"),
        ("tasks:\n- id: ~\n  name: A\n", ":2:3:", "this task has no id"),
        ("tasks:\n- id: a\n", ":2:3:", "this task has no name"),
        ("tasks:\n- id: a\n  name: ' '\n", ":3:9:", "the name is empty"),
        ("tasks:\n- {id: a, name: A}\n- {id: a, name: B}\n", ":3:3:", r"given twice \(first in line 2\)"),
        (
            TASK + "dependencies:\n  - aa\n- {id: ab1, name: B}\n",
            ":5:5:",
            'no task has the id "aa".*"ab1"|"a"',
        ),
        (TASK + "dependencies: [a]\n", ":4:18:", '"a" depends on itself'),
        (TASK + "files: {a: b}\n", ":4:10:", "files must be text, not a mapping"),
        (TASK + "acceptance_criteria:\n  - Returns 404: not found\n", ":5:5:", "in quotes"),
        (TASK + "colour: x\n  description: [x]\n", ":5:16:", "description must be text, not a list"),
        (TASK + "env: [A=1]\n", ":4:8:", "env must be a mapping"),
        (TASK + "env: {A-B: 1}\n", ":4:9:", '"A-B" cannot name a variable'),
        (TASK + "allow_empty: perhaps\n", ":4:16:", "neither true nor false"),
        (TASK + "priority: whenever\n", ":4:13:", '"whenever" is not a priority'),
        (TASK + "priority: 1000001\n", ":4:13:", "is not a priority"),
        (TASK + "priority: 1.5\n", ":4:13:", "is not a priority"),
        (TASK + "status: completd\n", ":4:11:", 'not a status → did you mean "completed"'),
        (TASK + "status: xyz\n", ":4:11:", "not a status → use not_started"),
        (TASK + "estimated_hours: -1\n", ":4:20:", "not between 0 and 100,000"),
        (TASK + "estimated_hours: 2h\n", ":4:20:", "not a number"),
        (TASK + "estimated_hours: .nan\n", ":4:20:", "not a number"),
        (TASK + "estimated_hours: 1e300\n", ":4:20:", "not between"),
        (TASK + "timeout_minutes: 0\n", ":4:20:", "not between"),
        (TASK + "max_retries: -1\n", ":4:16:", "whole number from 0"),
        ('tasks:\n- id: "a\\tb"\n  name: A\n', ":2:7:", "control character"),
        ('tasks:\n- id: "a\\u2028b"\n  name: A\n', ":2:7:", "control character"),
        ("tasks:\n- id: ' a'\n  name: A\n", ":2:7:", "begins or ends with a blank"),
        ("tasks:\n- id: ''\n  name: A\n", ":2:7:", "the id is empty"),
        (f"tasks:\n- id: {'x' * 201}\n  name: A\n", ":2:7:", "longer than 200"),
        (TASK + "files: [/etc/passwd]\n", ":4:11:", "absolute path"),
        (TASK + "files: ['C:\\x']\n", ":4:11:", "absolute path"),
        (TASK + "files: [~/x]\n", ":4:11:", "absolute path"),
        (TASK + "files: [a, src/../../x]\n", ":4:14:", r"without \.\."),
        (TASK + "name: B\n", ":4:3:", r'key "name" is given twice \(first in line 3\)'),
        (TASK + "title: B\n", ":4:3:", "given under two names"),
        (TASK + "owner: {x: 1, x: 2}\n", ":4:17:", 'key "x" is given twice'),
        ("tasks: []\ntasks: []\n", ":2:1:", r'key "tasks" is given twice \(first in line 1\)'),
        ("tasks: []\n---\ntasks: []\n", ":2:1:", "second document"),
        (TASK + "phase: *nothing\n", ":4:10:", "names no anchor"),
        (TASK + "x: &a [*a]\n", ":4:10:", "contains itself"),
        (TASK + "x: !python/object:os.system {}\n", ":4:6:", "tag .* means nothing here"),
        (TASK + "? [a]\n  : b\n", ":4:5:", "a key must be plain text"),
        (TASK + "<<: text\n", ":4:7:", "<< takes a mapping"),
        (TASK + 'run: "a\\0b"\n', ":4:8:", "NUL"),
    ],
)
@pytest.mark.parametrize("parser", ["libyaml", "python"])
def test_each_kind_of_problem_is_reported_with_its_position(
    text: str | bytes, place: str, said: str, parser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if parser == "python":
        monkeypatch.setattr(nodes, "_LOADER", yaml.SafeLoader)
        monkeypatch.setattr(nodes, "_IS_STRICT", False)
    line = only_problem(text)
    assert re.search(said, line), line
    if parser == "libyaml" or "not YAML" not in line:  # the two place syntax errors differently
        assert line.startswith(f"t.yaml{place}"), line


def test_half_a_character_is_refused_by_both_parsers(monkeypatch: pytest.MonkeyPatch) -> None:
    text = TASK + 'x: "\\ud800"\n'
    assert "not YAML" in only_problem(text)
    monkeypatch.setattr(nodes, "_LOADER", yaml.SafeLoader)
    monkeypatch.setattr(nodes, "_IS_STRICT", False)
    assert "surrogate" in only_problem(text)


def test_all_problems_are_reported_together_in_the_order_of_their_lines() -> None:
    text = """tasks:
- {id: a, name: A, dependencies: [nope], priority: whenever}
- {name: B, status: strange}
- {id: c, estimated_hours: x, files: [/c]}
- {id: a, name: D}
- {id: e, name: E, dependencies: [c, f]}
- {id: f, name: F, dependencies: [e]}
"""
    found = problems(text)
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)
    said = "\n".join(map(str, found))
    for part in ("nope", "whenever", "no id", "strange", "no name", "not a number", "/c", "twice", "e → f → e"):
        assert part in said, said
    assert len(found) == 9


def test_problems_before_a_syntax_error_are_reported_too() -> None:
    found = problems(TASK + "priority: whenever\n  dependencies: [later]\n- id: b\n  name: A: B\n")
    assert [problem.line for problem in found] == [4, 7]


def test_a_dependency_on_a_task_without_a_name_is_not_a_second_problem() -> None:
    assert "no name" in only_problem("tasks: [{id: a}, {id: b, name: B, dependencies: [a]}]")


def test_a_cycle_names_its_tasks_in_order_once() -> None:
    line = only_problem(
        "tasks:\n- {id: a, name: A, dependencies: [b]}\n- {id: b, name: B, dependencies: [c]}\n"
        "- {id: c, name: C, dependencies: [a]}\n- {id: d, name: D, dependencies: [a]}\n"
    )
    assert line.startswith("t.yaml:2:3: these tasks wait for each other: a → b → c → a → ")


def test_a_file_that_is_wrong_everywhere_gives_a_bounded_list() -> None:
    text = "tasks:\n" + "- {id: a, name: A}\n" * (MAX_PROBLEMS + 6)
    with pytest.raises(TaskFileErrors) as caught:
        read_task_file(None, text.encode())
    assert len(caught.value.problems) == MAX_PROBLEMS
    assert caught.value.omitted == 5
    assert caught.value.message.endswith("… and 5 more")


def test_known_ids_are_searched_only_for_problems_that_are_listed() -> None:
    class Known(frozenset[str]):
        searches = 0

        def near(self, task_id: str) -> list[str]:
            self.searches += 1
            return []

    known = Known()
    needed = ", ".join(f"missing-{n}" for n in range(MAX_PROBLEMS + 5))
    with pytest.raises(TaskFileErrors) as caught:
        read_task_file(None, f"tasks:\n- {{id: a, name: A, dependencies: [{needed}]}}\n".encode(), known_ids=known)
    assert caught.value.omitted == 5
    assert known.searches == MAX_PROBLEMS


def test_control_characters_of_the_file_never_reach_a_terminal() -> None:
    assert "\x1b" not in only_problem('tasks:\n- id: "\\e[2J"\n  name: A\n')
