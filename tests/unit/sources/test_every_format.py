"""Rules for the plans of every tool: recognized, every line accounted for, ticked, and the same after convert."""

from __future__ import annotations

import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from plan_samples import SAMPLES, Sample

from swarm_shared.domain.models import Status
from swarm_shared.sources.joining import leave_out_loose_ends
from swarm_shared.sources.plans.mapping import lines
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.reading import FORMATS, read_plan, recognize
from swarm_shared.sources.ticking import tick
from swarm_shared.taskfile.graph import find_cycles
from swarm_shared.taskfile.reader import read_task_file
from swarm_shared.taskfile.writer import write_task_file

# Formats whose account is by line, and not by value.
BY_LINE = frozenset({"spec-kit", "kiro", "openspec", "checklist"})
HOSTILE = {
    "control characters": "\x00\x1b[31m\x07\x7f\x85\u2028",
    "a very long line": "a/" * 500_000 + "(depends on T001, " * 2,
    "bidirectional text": "\u202etxt.exe\u2066 after",
    "half of a pair": "\\ud83d",
    "backticks": "`" * 10_000,
    "blanks": "depends on" + " " * 100_000 + "x",
    "brackets": "[P] " * 20_000 + "(after: " * 1_000,
    "tabs": "\t" * 20_000,
}
HOSTILE_CPU_S = 1.5  # in proportion to the length of the line it is a tenth of that


def place(path: str) -> Place:
    return Place(file=path or "<standard input>", path=path, on_disk=None, in_project=bool(path))


def read(sample: Sample) -> Plan:
    return read_plan(sample.plan_format, place(sample.path), sample.text.encode("utf-8", "replace"), Options())


def converted(plan: Plan) -> str:
    stream = io.StringIO()
    write_task_file(stream, plan.tasks, exported_at="x", version="1")
    return stream.getvalue()


@pytest.fixture(params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]


@pytest.fixture(params=[name for name, sample in SAMPLES.items() if sample.plan_format in BY_LINE])
def list_of_lines(request: pytest.FixtureRequest) -> Sample:
    return SAMPLES[request.param]


def test_there_is_a_sample_of_every_format() -> None:
    assert {sample.plan_format for sample in SAMPLES.values()} == set(FORMATS)


def test_a_plan_is_recognized_by_its_content_and_place(sample: Sample) -> None:
    assert recognize(place(sample.path), sample.text.encode()) == sample.plan_format


def test_its_items_are_tasks_in_their_order(sample: Sample) -> None:
    assert tuple(task.id for task in read(sample).tasks) == sample.ids


def test_every_line_is_accounted_for_once(list_of_lines: Sample) -> None:
    sample = list_of_lines
    lines = [line for entry in read(sample).entries for line in range(entry.line, entry.last + 1)]
    assert lines == list(range(1, sample.text.rstrip("\n").count("\n") + 2))


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.plan_format == "csv"])
def test_every_line_of_a_table_is_accounted_for(name: str) -> None:
    sample = SAMPLES[name]
    plan = read(sample)
    count = sample.text.count("\n")
    assert {line for entry in plan.entries for line in range(entry.line, entry.last + 1)} == set(range(1, count + 1))
    assert lines(plan.entries).total() == count
    assert lines(plan.entries)[Became.TASK] >= len(plan.tasks)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if '"title":' in sample.text])
def test_every_key_of_a_record_is_used_or_left_out_with_a_reason(name: str) -> None:
    sample = SAMPLES[name]
    text = sample.text.replace('"title":', '"unheard_of": "words of the user", "title":')
    plan = read(Sample(plan_format=sample.plan_format, path=sample.path, text=text, ids=()))
    assert any('the key "unheard_of"' in entry.detail for entry in plan.left_out())


def test_every_task_names_its_item_and_can_be_ticked(sample: Sample) -> None:
    for task in read(sample).tasks:
        assert task.source is not None
        assert task.source.format == sample.plan_format
        assert task.source.path in (sample.path or "-", "https://github.com/acme/shop")
        if task.source.tick:
            ticked = tick(sample.plan_format, sample.text, task.source.key)
            assert ticked is not None
            again = read(Sample(plan_format=sample.plan_format, path=sample.path, text=ticked, ids=()))
            states = {each.source.key: each.status for each in again.tasks if each.source is not None}
            assert states[task.source.key] is Status.COMPLETED


def test_the_converted_plan_reads_as_the_same_tasks(sample: Sample) -> None:
    plan = read(sample)
    leave_out_loose_ends(plan, ())
    found = read_task_file(None, converted(plan).encode()).tasks
    assert [replace(task, line=0) for task in found] == [replace(task, line=0) for task in plan.tasks]


def test_dependencies_have_no_cycle(sample: Sample) -> None:
    assert not find_cycles({task.id: task.dependencies for task in read(sample).tasks})


@pytest.mark.parametrize("plan_format", FORMATS)
@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff", "just words\n", "{}", "[]"])
def test_a_file_without_items_has_no_tasks(plan_format: str, text: str) -> None:
    assert read_plan(plan_format, place("x/tasks.md"), text.encode(), Options()).tasks == []


@pytest.mark.parametrize("plan_format", FORMATS)
@pytest.mark.parametrize("data", [b"- [ ] T001 caf\xe9\n", "- [ ] x".encode("utf-16")])
def test_a_file_that_is_not_utf8_is_an_error_with_its_place(plan_format: str, data: bytes) -> None:
    (problem,) = read_plan(plan_format, place("a.md"), data, Options()).errors
    assert "UTF-" in problem.message


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_gives_tasks_that_are_valid_in_a_task_file(sample: Sample, kind: str) -> None:
    words = [word for task in read(sample).tasks for word in task.name.split() if word.isalpha()]
    word = words[-1] if words else "Shop"
    text = HOSTILE[kind] if sample.plan_format in BY_LINE else json.dumps(HOSTILE[kind])[1:-1]
    hostile = sample.text.replace(word, f"{word} {text}", 1)
    began = time.process_time()
    plan = read(Sample(plan_format=sample.plan_format, path=sample.path, text=hostile, ids=()))
    assert time.process_time() - began < HOSTILE_CPU_S
    leave_out_loose_ends(plan, ())
    if not plan.errors:
        found = read_task_file(None, converted(plan).encode()).tasks
        assert [task.id for task in found] == [task.id for task in plan.tasks]
        assert all(char >= " " or char in "\n\t" for task in found for char in task.name + task.description)


_PIECES = st.sampled_from(
    [
        *("- [ ] T001 One\n", "- [x] T001 [P] [US1] Two (depends on T001)\n", "  - [ ] 1.1 Sub\n", "- [ ]* 2. Star\n"),
        *("## Phase 1: Setup\n", "# A\n", "### User Story 1\n", "\n", "```\n", "<!--\n", "-->\n", "---\n", "text\n"),
        *("    - files: a/b.py\n", "  **Goal**: x\n", "- [ ] \n", "- [ ] (after: one)\n", "\tdeep\n", "1. [X] n\n"),
    ]
)


@given(st.lists(_PIECES | st.text(max_size=10), max_size=25), st.sampled_from(sorted(BY_LINE)))
def test_any_markdown_is_accounted_for_line_by_line_and_converts(pieces: list[str], plan_format: str) -> None:
    text = "".join(pieces)
    plan = read(Sample(plan_format=plan_format, path="a/tasks.md", text=text, ids=()))
    lines = [line for entry in plan.entries for line in range(entry.line, entry.last + 1)]
    count = len(text.encode("utf-8", "replace").decode().split("\n")) - (text.endswith("\n") or not text)
    assert lines == list(range(1, count + 1))
    assert sum(entry.became is Became.TASK for entry in plan.entries) == len(plan.tasks)
    assert len({task.id for task in plan.tasks}) == len(plan.tasks)
    leave_out_loose_ends(plan, ())
    if not find_cycles({task.id: task.dependencies for task in plan.tasks}):
        found = read_task_file(None, converted(plan).encode()).tasks
        assert [replace(task, line=0) for task in found] == [replace(task, line=0) for task in plan.tasks]
