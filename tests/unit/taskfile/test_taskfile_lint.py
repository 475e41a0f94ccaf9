"""Warnings about lists that could run, but not as intended; and the graph and globs behind them."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.taskfile.globs import overlap
from swarm_shared.taskfile.graph import cycle_text, find_cycles, levels
from swarm_shared.taskfile.lint import MAX_PER_KIND, lint


def task(task_id: str, *, needs: str = "", files: str = "", **fields: Any) -> TaskSpec:
    values = {"acceptance_criteria": ("x",), "files": tuple(files.split()) or (f"{task_id}.py",)} | fields
    return TaskSpec(id=task_id, name=task_id, dependencies=tuple(needs.split()), line=int(task_id, 36), **values)  # type: ignore[arg-type]


def messages(*tasks: TaskSpec) -> list[str]:
    return [str(warning) for warning in lint(tasks, file="t.yaml")]


def test_a_good_list_has_no_warnings() -> None:
    assert messages(task("a"), task("b", needs="a"), task("c", needs="b")) == []


def test_missing_criteria_missing_files_and_large_tasks_are_reported() -> None:
    (criteria,) = messages(task("a", acceptance_criteria=()))
    (files,) = messages(TaskSpec(id="a", name="A", acceptance_criteria=("x",), line=3))
    (hours,) = messages(task("a", estimated_hours=8.5))
    assert criteria.startswith('t.yaml:10: task "a" has no acceptance_criteria → ')
    assert files.startswith('t.yaml:3: task "a" names no files → ')
    assert hours.startswith('t.yaml:10: task "a" is estimated at 8.5 hours → split it')
    assert messages(task("a", estimated_hours=8.0)) == []


def test_a_command_task_needs_no_criteria() -> None:
    assert messages(task("a", acceptance_criteria=(), run="make docs")) == []


def test_settled_tasks_are_left_alone() -> None:
    assert messages(task("a", status=Status.COMPLETED, acceptance_criteria=()), task("b", files="a.py")) == []


def test_an_implied_dependency_is_reported_with_the_one_that_implies_it() -> None:
    (warning,) = messages(task("a"), task("b", needs="a"), task("c", needs="b"), task("d", needs="a c"))
    assert 'task "d" needs "a", as "c" does already' in warning
    assert messages(task("a"), task("b", needs="a"), task("c", needs="a"), task("d", needs="b c")) == []


def test_overlapping_files_without_a_dependency_path_are_reported_once_per_pair() -> None:
    (warning,) = messages(task("a", files="x.py y.py"), task("b", files="x.py y.py"))
    assert 'tasks "a" and "b" may both change "x.py"' in warning
    (warning,) = messages(task("a", files="src/**"), task("b", files="src/deep/x.py"))
    assert '"src/**" and "src/deep/x.py"' in warning


def test_overlapping_files_with_a_dependency_path_are_fine() -> None:
    assert messages(task("a", files="x"), task("b", needs="a"), task("c", needs="b", files="x")) == []
    assert messages(task("c", needs="b", files="x"), task("b", needs="a"), task("a", files="x/y")) == []


def test_dependencies_on_tasks_outside_the_list_do_not_matter() -> None:
    assert messages(task("a", needs="old"), task("b", needs="a old2")) == []


def test_each_kind_is_listed_up_to_a_limit_and_then_counted() -> None:
    tasks = [TaskSpec(id=f"t{n}", name="T", files=(f"{n}",), line=n + 1) for n in range(MAX_PER_KIND + 20)]
    warnings = lint([*tasks, task("a", estimated_hours=9.0)], file="t.yaml")
    assert len(warnings) == MAX_PER_KIND + 2
    assert any("9 hours" in warning.message for warning in warnings)
    assert "20 more warnings" in warnings[-1].message


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("src/a.py", "src/a.py", True),
        ("src/a.py", "./src//a.py", True),
        ("src/a.py", "src/b.py", False),
        ("src", "src/a.py", True),
        ("src/", "src/a.py", True),
        ("src", "src2/a.py", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/a.js", False),
        ("src/*.py", "src/deep/a.py", False),
        ("src/**/*.py", "src/deep/er/a.py", True),
        ("src/**/*.py", "src/a.py", True),
        ("**/*.py", "**/*.js", False),
        ("**/a*", "src/*b", True),
        ("a*c", "ab*", True),
        ("a*c", "b*", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("[ab]x", "cx", True),  # a set counts as any character
        ("[ab]x", "cy", False),
        ("*", "anything/below", True),
        ("**", "x", True),
        ("*.py", "x.py/y", False),  # a wildcard with letters names files, not folders
        ("src/*", "src/deep/x", True),
        ("src/**/*.py", "src", True),
        ("src/a*", "src/abc/**", True),
        ("a/**/z", "a/b", True),
        ("", "x", True),
        ("a[b", "a[b", True),
        ("a[b", "axb", False),
    ],
)
def test_patterns_overlap_when_a_path_is_covered_by_both(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def as_regex(pattern: str) -> re.Pattern[str]:
    """The same meaning computed differently: a regular expression over paths with a slash at their end."""
    regex = ""
    for part in pattern.split("/"):
        one = "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in part)
        regex += "(?:[^/]+/)*" if part == "**" else f"(?=[^/]){one}/"
    last = pattern.split("/")[-1]
    may_be_folder = not last.strip("*") or not set(last) & set("*?")
    return re.compile(regex if may_be_folder else regex + r"\Z")


PARTS = ["a", "b", "ab", "*", "?", "a*", "*b", "**"]
NAMES = ["a", "b", "ab", "ba"]
PATHS = ["/".join(parts) + "/" for n in (1, 2, 3) for parts in itertools.product(NAMES, repeat=n)]
PATTERNS = st.lists(st.sampled_from(PARTS), min_size=1, max_size=3)
GRAPHS = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefgh"), max_size=3))


@given(PATTERNS, PATTERNS)
def test_no_shared_path_is_ever_missed(one: list[str], other: list[str]) -> None:
    first, second = as_regex("/".join(one)), as_regex("/".join(other))
    if any(first.match(path) and second.match(path) for path in PATHS):
        assert overlap("/".join(one), "/".join(other))


def test_huge_patterns_count_as_overlapping() -> None:
    assert overlap("x" * 1000, "*y" * 1000)


def test_cycles_are_found_once_per_component_and_self_dependencies_left_to_the_reader() -> None:
    graph = {"a": ["b"], "b": ["c", "b"], "c": ["a", "b"], "d": ["a"], "e": ["f"], "f": ["e"], "g": ["gone"]}
    assert find_cycles(graph) == [["a", "b", "c", "a"], ["e", "f", "e"]]


def test_a_cycle_in_a_very_long_chain_needs_no_recursion() -> None:
    graph = {str(n): [str(n + 1)] for n in range(20_000)}
    assert find_cycles(graph | {"20000": []}) == []
    (cycle,) = find_cycles(graph | {"20000": ["19999"]})
    assert cycle == ["19999", "20000", "19999"]


@given(GRAPHS)
def test_cycles_are_real_and_without_one_an_order_exists(graph: dict[str, list[str]]) -> None:
    cycles = find_cycles(graph)
    for cycle in cycles:
        assert cycle[0] == cycle[-1]
        assert all(needed in graph[name] for name, needed in itertools.pairwise(cycle))
    without_self = {name: [needed for needed in needs if needed != name] for name, needs in graph.items()}
    assert (len(levels(without_self)) == len(graph)) is not bool(cycles)


def test_a_long_cycle_is_shown_without_its_middle() -> None:
    assert cycle_text(["a", "b", "a"]) == "a → b → a"
    text = cycle_text([*map(str, range(100)), "0"])
    assert text.startswith("0 → 1 → ")
    assert text.endswith(" → 99 → 0")
    assert "… 89 more …" in text
