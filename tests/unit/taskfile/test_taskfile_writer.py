"""Written files are read back exactly, whatever the texts contain."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.taskfile import nodes
from swarm_shared.taskfile.definition import definition, spec_from_definition
from swarm_shared.taskfile.reader import read_task_file
from swarm_shared.taskfile.writer import write_task_file

AT = "2026-01-02T03:04:05.000Z"


def written(specs: Sequence[TaskSpec]) -> str:
    stream = io.StringIO()
    write_task_file(stream, specs, exported_at=AT, version="1.2")
    return stream.getvalue()


def read(text: str) -> list[TaskSpec]:
    return [replace(task, line=0) for task in read_task_file(None, text.encode()).tasks]


def test_an_export_looks_as_a_user_would_write_it() -> None:
    specs = [
        TaskSpec(
            id="2.10",
            name="Search",
            description="Two lines:\n\n  - of text 🐝\n",
            phase="API",
            priority=1,
            estimated_hours=2.0,
            acceptance_criteria=("GET /x: 404", "- dashed", "two\nlines"),
            files=("src/*.py",),
            dependencies=("1", "no"),
            max_retries=0,
            allow_empty=False,
            env={"PORT": "8080"},
            extra={"owner": "Ann", "ratio": 1.5, "tags": [], "more": {"x": None, "deep": True}},
        ),
        TaskSpec(id="1", name="Ünï 😀 ✅", status=Status.HELD, priority=7),
        TaskSpec(id="no", name="no"),
    ]
    assert (
        written(specs)
        == """\
version: '1.2'
exported_at: '2026-01-02T03:04:05.000Z'
tasks:
- id: '2.10'
  name: Search
  description: |
    Two lines:

      - of text 🐝
  phase: API
  status: not_started
  priority: critical
  estimated_hours: 2
  acceptance_criteria:
  - 'GET /x: 404'
  - '- dashed'
  - |-
    two
    lines
  files:
  - src/*.py
  dependencies:
  - '1'
  - 'no'
  max_retries: 0
  allow_empty: false
  env:
    PORT: '8080'
  owner: Ann
  ratio: 1.5
  tags: []
  more:
    x: null
    deep: true
- id: '1'
  name: Ünï 😀 ✅
  status: held
  priority: 7
- id: 'no'
  name: 'no'
  status: not_started
  priority: medium
summary:
  total: 3
  not_started: 2
  held: 1
"""
    )
    assert read(written(specs)) == specs


def test_an_export_means_the_same_to_any_reader_of_yaml() -> None:
    original = (
        "tasks:\n- id: a\n  name: A\n  due: 2024-05-01\n  at: 2024-05-01 10:00:00\n  ratio: 1.10\n"
        "  mask: 0x1F\n  notify: yes\n  time: '2024-05-01'\n  none: ~\n  big: 12345678901234567890123\n  time2: 12:30\n"
        "  inf: -.inf\n  1: one\n  list: [1.0, 1e3, 007, '007', '']\n"
    )
    before = yaml.safe_load(original)["tasks"][0]
    specs = read_task_file(None, original.encode()).tasks
    stored = [spec_from_definition(json.loads(json.dumps(definition(spec)))) for spec in specs]
    once = written(stored)
    assert written(read(once)) == once
    after = yaml.safe_load(once)["tasks"][0]
    before["1"] = before.pop(1)
    for key, value in before.items():
        assert after[key] == value, key


ODD = [
    "trailing blanks  \nnext",
    " leading",
    "\ttab\tin it",
    "a\tb",
    "carriage\rreturn\r\nand break",
    "\n",
    "\n\nfirst lines empty",
    "last lines empty\n\n\n",
    "a\n \nb",
    "a\n\tb",
    "- dash",
    "? key",
    ": colon",
    "# comment",
    "a #not comment",
    "a: b",
    "'single' \"double\"",
    "back\\slash \\n",
    "&anchor *alias !tag %dir @at `tick`",
    "---\n...\n",
    "...",
    "---",
    "<<",
    "=",
    "~",
    "null",
    "{a: b}",
    "[a]",
    "😀 \U0010fffd",
    "\x85 \u2028 \u2029 \ufeff \xa0 \u200d",
    "a\x85b\nc",
    "\x01\x07\x1b\x7f\x9f",
    "\ufffe\uffff",
    "x" * 5000 + " " + "y" * 5000,
    "0o17",
    "1_000",
    "1e3",
    "190:20:30",
    "2024-05-01",
    ".inf",
    "+.5",
    "Yes",
]


@pytest.mark.parametrize("text", ODD, ids=ascii)
@pytest.mark.parametrize("parser", ["libyaml", "python"])
def test_odd_texts_are_read_back_exactly(text: str, parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if parser == "python":
        monkeypatch.setattr(nodes, "_LOADER", yaml.SafeLoader)
    fields: dict[str, Any] = {"description": text, "run": text, "env": {"X": text}}
    if text.strip():
        fields |= {"name": text, "acceptance_criteria": (text, "- x"), "labels": (text,)}
    spec = TaskSpec(**({"id": "a", "name": "A", "extra": {"e": [text, {"k": text}], "f": text}} | fields))
    once = written([spec])
    assert read(once) == [spec]
    assert written(read(once)) == once
    for loader in (yaml.SafeLoader, yaml.CSafeLoader):
        assert yaml.load(once, loader)["tasks"][0]["f"] == text


@pytest.mark.parametrize("text", ["", *ODD], ids=ascii)
def test_odd_keys_are_read_back_exactly(text: str) -> None:
    spec = TaskSpec(id="a", name="A", extra={text: 1, "x": {text: {text: text}}, "y": {text: [[text], [], {}]}})
    assert read(written([spec])) == [spec]


@pytest.mark.parametrize("text", ["y", "N", "1e3", "0o17", "+1", "2.", "08", "1_0", "no", "2024-05-01", "12:30:45"])
def test_text_that_any_version_of_yaml_would_read_as_another_type_is_quoted(text: str) -> None:
    assert f"- id: '{text}'\n  name: '{text}'\n" in written([TaskSpec(id=text, name=text)])


def test_an_export_of_an_empty_queue_imports_again() -> None:
    assert read(written([])) == []


def test_text_that_resembles_the_stored_form_cannot_break_an_export() -> None:
    spec = TaskSpec(id="a", name="A", extra={"x": {"$plain": "a: b\n- c"}, "y": {"$plain": 1, "z": 2}})
    assert spec_from_definition(json.loads(json.dumps(definition(spec)))) == spec


def test_a_definition_contains_only_what_was_given() -> None:
    assert definition(TaskSpec(id="a", name="A", line=7)) == {"id": "a", "name": "A"}
    spec = TaskSpec(id="a", name="A", status=Status.HELD, files=("x",), extra={"k": 1})
    stored = {"id": "a", "name": "A", "status": "held", "files": ["x"], "extra": {"k": 1}}
    assert definition(spec) == stored
    assert type(definition(spec)["status"]) is str


def test_an_export_needs_no_more_memory_for_more_tasks() -> None:
    class Sink(io.StringIO):
        def write(self, text: str) -> int:
            return len(text)

    def specs(count: int) -> Iterator[TaskSpec]:
        for number in range(count):
            yield TaskSpec(id=f"t{number}", name="Task", description="x" * 200)

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert write_task_file(Sink(), specs(count), exported_at=AT, version="1") == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(5000) < peak(50) + 200_000


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(ODD)
LINES = st.lists(st.text(st.sampled_from(" \tab-:#\n'\"\\é😀"), max_size=8), max_size=5).map("\n".join)
WITHOUT_NUL = (TEXT | LINES).map(lambda text: text.replace("\0", ""))
FULL = WITHOUT_NUL.filter(lambda text: bool(text.strip()))
IDS = (st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)) | st.sampled_from(
    [
        "2.10",
        "007",
        "1e3",
        "no",
        "null",
        "~x",
        "- a",
        "a b",
        "a: b",
        "é😀",
        "#",
        "[",
        "=",
        "<<",
        "'",
        '"',
        "x" * 200,
    ]
)
PATHS = st.lists(st.sampled_from(["src", "*", "**", "a.py", "[ab]?", "ü x"]), min_size=1, max_size=4).map("/".join)
# As a file can contain them: other spellings of numbers stay text.
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: "e" not in repr(number))
SCALARS = st.none() | st.booleans() | st.integers(-(10**17), 10**17) | FLOATS | TEXT
EXTRA_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
ENV_NAMES = st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,5}\Z")
SETTLED = [Status.NOT_STARTED, Status.COMPLETED, Status.FAILED, Status.HELD, Status.CANCELLED]
UNKNOWN = TEXT.filter(lambda key: key not in {"title", "depends_on", *TaskSpec.__struct_fields__})


@st.composite
def task_lists(draw: st.DrawFn) -> list[TaskSpec]:
    def some(entries: st.SearchStrategy[str]) -> tuple[str, ...]:
        return tuple(draw(st.lists(entries, max_size=3)))

    specs: list[TaskSpec] = []
    for task_id in draw(st.lists(IDS, max_size=4, unique=True)):
        earlier = st.sampled_from([spec.id for spec in specs] or ["-"])
        text = WITHOUT_NUL.map(lambda text: text or None)
        specs.append(
            TaskSpec(
                id=task_id,
                name=draw(FULL),
                description=draw(WITHOUT_NUL),
                phase=draw(WITHOUT_NUL),
                type=draw(WITHOUT_NUL),
                status=draw(st.sampled_from(SETTLED)),
                priority=draw(st.integers(-1_000_000, 1_000_000) | st.integers(0, 5)),
                estimated_hours=draw(st.none() | st.floats(0, 100_000).map(abs)),
                acceptance_criteria=some(FULL),
                files=some(PATHS),
                design_docs=some(FULL),
                dependencies=tuple(draw(st.lists(earlier, max_size=min(3, len(specs)), unique=True))),
                checks=some(FULL),
                run=draw(st.none() | text),
                verify=draw(st.none() | text),
                max_retries=draw(st.none() | st.integers(0, 1000)),
                timeout_minutes=draw(st.none() | st.floats(0.01, 100_000)),
                builder_agent=draw(st.none() | text),
                allow_empty=draw(st.none() | st.booleans()),
                labels=some(FULL),
                env=draw(st.dictionaries(st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,5}\Z"), WITHOUT_NUL, max_size=2)),
                extra=draw(st.dictionaries(UNKNOWN, EXTRA_VALUES, max_size=3)),
            )
        )
    return specs


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example([TaskSpec(id="a", name="A", estimated_hours=5e-324, extra={"x": -0.0, "y": 1e15})])
@given(task_lists())
def test_any_list_of_tasks_survives_file_and_database(specs: list[TaskSpec]) -> None:
    once = written(specs)
    back = read(once)
    assert back == specs
    stored = [spec_from_definition(json.loads(json.dumps(definition(spec)))) for spec in back]
    assert stored == specs
    assert written(stored) == once


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200) | st.text(st.sampled_from("tasks:id-nme &*[]{}<>|!\"'\n\t#?%@`,0"), max_size=80))
def test_any_bytes_are_read_or_refused_but_never_crash(content: bytes | str) -> None:
    text = content.encode() if isinstance(content, str) else content
    for prefix in (b"", b"tasks:\n- id: a\n  name: A\n  x: "):
        try:
            read_task_file(None, prefix + text)
        except InputError:
            pass


def test_random_damage_to_an_export_never_crashes_the_reader() -> None:
    source = random.Random(7)
    good = written([TaskSpec(id=f"t{n}", name="T", description="a\nb", files=("x",)) for n in range(5)]).encode()
    for _ in range(300):
        damaged = bytearray(good)
        for _ in range(3):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            read_task_file(None, bytes(damaged))
        except InputError:
            pass
