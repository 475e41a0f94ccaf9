"""Every file is refused quickly and with little memory, and no content drives up the cost of checking."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest

from swarm_shared.domain.models import TaskSpec
from swarm_shared.program.nearest import Suggester
from swarm_shared.taskfile.lint import lint
from swarm_shared.taskfile.nodes import MAX_TEXT_CHARS
from swarm_shared.taskfile.problems import TaskFileErrors
from swarm_shared.taskfile.reader import TaskFile, read_task_file

CPU_LIMIT_S = 1.0
MEMORY_LIMIT_BYTES = 64 << 20
SIZE = 5_000_000


def read(text: str | bytes) -> TaskFile:
    return read_task_file(Path("t.yaml"), text.encode() if isinstance(text, str) else text)


def laughs(levels: int, width: int = 10) -> str:
    lines = ["l0: &l0 [lol]"]
    for level in range(1, levels):
        lines.append(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * width)}]")
    return "\n".join(lines) + "\n"


MERGES = "m0: &m0 {" + ", ".join(f"k{n}: v" for n in range(500)) + "}\n"

BOMBS = {
    "aliases of aliases": laughs(20) + "tasks: []\n",
    "aliases in a task": laughs(9) + "tasks:\n- {id: a, name: A, x: *l8}\n",
    "a long chain of aliases": "a0: &a0 []\n"
    + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 5000))
    + "tasks:\n- {id: a, name: A, x: *a4999}\n",
    "merges": MERGES + "tasks:\n- {id: a, name: A, x: [" + "{<<: *m0}, " * 5000 + "]}\n",
    "a large text by alias": f"x: &x {'y' * 500_000}\ntasks:\n" + "- {id: a, name: A, run: *x}\n" * 50,
    "lists in lists": "[" * SIZE,
    "mappings in mappings": "{" * SIZE,
    "lists by dashes": "- " * SIZE,
    "keys in keys": "? " * SIZE,
    "nested below tasks": "tasks:\n- id: a\n  name: A\n  x: " + "[" * SIZE,
    "a text without end": 'tasks: "' + "x" * 4 * SIZE,
    "a block without end": "tasks: |\n" + "  xxxxxxxx\n" * (4 * SIZE // 10),
    "a comment without end": "#" * 4 * SIZE,
    "empty lines without end": "\n" * 4 * SIZE,
    "a text beyond the limit": f"tasks:\n- id: a\n  name: {'x' * (MAX_TEXT_CHARS + 1)}\n",
    "anchors": "&a " * SIZE,
    "directives": "%" * SIZE,
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_a_bomb_is_refused_within_a_second(text: str) -> None:
    content = text.encode()
    began = time.process_time()
    with pytest.raises(TaskFileErrors) as caught:
        read(content)
    assert time.process_time() - began < CPU_LIMIT_S
    assert len(caught.value.message) < 100_000


@pytest.mark.parametrize("name", [name for name in BOMBS if "without end" in name])
def test_endless_input_is_not_read_to_its_end(name: str) -> None:
    with pytest.raises(TaskFileErrors, match=r"^t\.yaml:\d+: one value or comment from about here on takes more than"):
        read(BOMBS[name])


@pytest.mark.parametrize("name", [name for name in BOMBS if "alias" in name or name == "merges"])
def test_an_alias_bomb_stays_small_in_memory(name: str) -> None:
    content = BOMBS[name].encode()
    tracemalloc.start()
    try:
        with pytest.raises(TaskFileErrors):
            read(content)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_LIMIT_BYTES


def test_a_criteria_list_shared_by_all_tasks_is_not_a_bomb() -> None:
    line = "- {{id: t{0}, name: Task {0} of many, acceptance_criteria: *std}}\n"
    tasks = "".join(line.format(number) for number in range(20_000))
    file = read("std: &std [It is tested, It is documented]\ntasks:\n" + tasks)
    assert {task.acceptance_criteria for task in file.tasks} == {("It is tested", "It is documented")}


def test_a_long_chain_of_dependencies_in_reverse_order_is_read() -> None:
    tasks = "".join(f"- {{id: t{n}, name: T, dependencies: t{n + 1}}}\n" for n in range(20_000))
    assert len(read(f"tasks:\n{tasks}- {{id: t20000, name: T}}\n").tasks) == 20_001


def test_a_cycle_through_every_task_is_found_and_abbreviated() -> None:
    tasks = "".join(f"- {{id: t{n}, name: T, dependencies: t{(n + 1) % 20_000}}}\n" for n in range(20_000))
    with pytest.raises(TaskFileErrors) as caught:
        read(f"tasks:\n{tasks}")
    (problem,) = caught.value.problems
    assert "t0 → t1 → " in problem.message
    assert problem.message.endswith("→ t19999 → t0")
    assert len(problem.message) < 300


def test_thousands_of_unknown_dependencies_do_not_cost_millions_of_comparisons() -> None:
    # Long ids of few letters are the worst case for comparing texts.
    line = f"- {{{{id: {'ab' * 80}{{0}}, name: T, dependencies: [{'ba' * 80}{{0}}, {'ab' * 80}x{{0}}]}}}}\n"
    tasks = "".join(line.format(number) for number in range(5000))
    began = time.process_time()
    with pytest.raises(TaskFileErrors) as caught:
        read(f"tasks:\n{tasks}")
    assert time.process_time() - began < 5 * CPU_LIMIT_S
    assert caught.value.omitted == 9_000


def test_a_suggestion_is_found_among_very_many_ids() -> None:
    suggester = Suggester({f"2.{n}.{part}": None for n in range(20_000) for part in "abc"})
    assert suggester.nearest("2.1234.d") in {"2.1234.a", "2.1234.b", "2.1234.c"}
    assert suggester.nearest("x2.777.a") == "2.777.a"
    assert suggester.nearest("quite something else") is None


def test_a_huge_dependency_is_compared_with_nothing() -> None:
    suggester = Suggester([f"{number:03}" + "ab" * 50_000 for number in range(400)])
    began = time.process_time()
    assert suggester.nearest("ab" * 50_000) is None
    assert time.process_time() - began < CPU_LIMIT_S


def test_a_suggester_with_too_many_requests_suggests_nothing() -> None:
    suggester = Suggester(["ab" * 100 + str(number) for number in range(100)])
    asked = "ab" * 100 + "x"
    assert suggester.nearest(asked) is not None
    assert suggester.nearest(asked) is None


def test_a_list_of_very_many_entries_with_problems_stays_linear() -> None:
    began = time.process_time()
    with pytest.raises(TaskFileErrors):
        read("tasks:\n- id: a\n  name: A\n  files:\n" + "  - /x\n" * 40_000)
    assert time.process_time() - began < 2 * CPU_LIMIT_S


@pytest.mark.parametrize("pattern", ["**/*{}*", "**/n{}-*"], ids=["all overlap", "none overlap"])
def test_lint_ends_even_if_every_pattern_must_be_compared_with_every_other(pattern: str) -> None:
    tasks = [TaskSpec(id=f"t{n}", name="T", files=(pattern.format(n),), line=n + 1) for n in range(3000)]
    began = time.process_time()
    warnings = lint(tasks, file="t.yaml")
    assert time.process_time() - began < 10 * CPU_LIMIT_S
    assert any("search for overlapping files ended" in warning.message for warning in warnings)
    assert any("more warnings" in warning.message for warning in warnings)


def test_lint_ends_even_if_everything_depends_on_everything_before() -> None:
    ids = [f"t{n}" for n in range(2000)]
    tasks = [TaskSpec(id=name, name="T", dependencies=tuple(ids[:number])) for number, name in enumerate(ids)]
    began = time.process_time()
    warnings = lint(tasks, file="t.yaml")
    assert time.process_time() - began < 10 * CPU_LIMIT_S
    assert any("search for implied dependencies ended" in warning.message for warning in warnings)
