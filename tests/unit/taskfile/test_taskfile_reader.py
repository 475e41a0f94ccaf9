"""The specs contain what the task file says, by its literal spelling."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import yaml

from swarm_shared.domain.errors import InputError
from swarm_shared.domain.models import Source, Status, TaskSpec
from swarm_shared.taskfile import nodes
from swarm_shared.taskfile.problems import TaskFileErrors
from swarm_shared.taskfile.reader import TaskFile, load_task_file, read_task_file
from swarm_shared.taskfile.writer import write_task_file

EXAMPLES = Path(__file__).parents[3] / "examples"


def read(text: str | bytes) -> TaskFile:
    return read_task_file(Path("tasks.yaml"), text.encode() if isinstance(text, str) else text)


def only_task(body: str) -> TaskSpec:
    (task,) = read(f"tasks:\n- id: a\n  name: A\n  {body}\n").tasks
    return task


@pytest.fixture(params=["libyaml", "python"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test with this fixture runs with both parsers of PyYAML."""
    if request.param == "python":
        monkeypatch.setattr(nodes, "_LOADER", yaml.SafeLoader)
        monkeypatch.setattr(nodes, "_IS_STRICT", False)
    return str(request.param)


def test_every_key_fills_its_field(parser: str) -> None:
    text = """
    tasks:
    - id: 1.1
      name: A task
      description: |
        Two
        lines
      phase: Phase 1
      type: setup
      status: completed
      priority: High
      estimated_hours: 1.5
      acceptance_criteria: [one, two]
      files: [src/a.py, 'tests/**']
      design_docs: docs/a.md
      dependencies: []
      checks: make test
      run: make build
      verify: make check
      max_retries: 0
      timeout_minutes: 45
      builder_agent: foundation:modular-builder
      validator_agent: recipes:result-validator
      agent_cli: amplifier
      allow_empty: yes
      labels: [x]
      env: {PORT: 8080, DEBUG: no, EMPTY: }
    """
    assert read(text).tasks == [
        TaskSpec(
            id="1.1",
            name="A task",
            description="Two\nlines\n",
            phase="Phase 1",
            type="setup",
            status=Status.COMPLETED,
            priority=2,
            estimated_hours=1.5,
            acceptance_criteria=("one", "two"),
            files=("src/a.py", "tests/**"),
            design_docs=("docs/a.md",),
            checks=("make test",),
            run="make build",
            verify="make check",
            max_retries=0,
            timeout_minutes=45.0,
            builder_agent="foundation:modular-builder",
            validator_agent="recipes:result-validator",
            agent_cli="amplifier",
            allow_empty=True,
            labels=("x",),
            env={"PORT": "8080", "DEBUG": "no", "EMPTY": ""},
            line=3,
        )
    ]


@pytest.mark.parametrize("spelling", ["2.10", "007", "1e3", "no", "0x1F", "1_000", "12:30", "2024-05-01", "true"])
def test_ids_names_and_dependencies_are_taken_as_spelled(parser: str, spelling: str) -> None:
    text = f"""
    tasks:
    - {{id: {spelling}, name: {spelling}}}
    - {{id: b, name: B, depends_on: [{spelling}]}}
    - {{id: c, name: C, dependencies: {spelling}}}
    """
    first, second, third = read(text).tasks
    assert (first.id, first.name) == (spelling, spelling)
    assert second.dependencies == third.dependencies == (spelling,)


def test_a_mapping_with_other_keys_next_to_tasks_is_read(parser: str) -> None:
    file = read("version: 1\nsummary: {total: 1}\ntasks:\n- id: a\n  title: A\nexported_at: 2024-05-01\n")
    assert [task.name for task in file.tasks] == ["A"]
    assert file.other_keys == {"version": 1, "summary": {"total": 1}, "exported_at": "2024-05-01"}
    assert file.warnings == []


def test_a_json_file_is_a_task_file_too() -> None:
    assert read('{"tasks": [\n\t{"id": "a", "name": "A\\u00e9", "files": []}\n]}').tasks[0].name == "Aé"


def test_null_values_count_as_missing(parser: str) -> None:
    assert only_task("description: ~\n  files: null\n  priority:\n  env: Null") == TaskSpec(id="a", name="A", line=2)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("not-started", Status.NOT_STARTED),
        ("in_progress", Status.NOT_STARTED),
        ("In-Progress", Status.NOT_STARTED),
        ("claimed", Status.NOT_STARTED),
        ("approved", Status.NOT_STARTED),
        ("landing", Status.NOT_STARTED),
        ("waiting", Status.NOT_STARTED),
        ("waiting-files", Status.NOT_STARTED),
        ("blocked", Status.NOT_STARTED),
        ("scheduled", Status.NOT_STARTED),
        ("completed", Status.COMPLETED),
        ("FAILED", Status.FAILED),
        ("held", Status.HELD),
        ("cancelled", Status.CANCELLED),
    ],
)
def test_only_final_statuses_are_kept(word: str, status: Status) -> None:
    assert only_task(f"status: {word}").status is status


@pytest.mark.parametrize(("text", "number"), [("CRITICAL", 1), ("medium", 3), ("7", 7), ("-5", -5), ('"2"', 2)])
def test_priorities_are_names_or_numbers(text: str, number: int) -> None:
    assert only_task(f"priority: {text}").priority == number


def test_criteria_written_as_a_dashed_text_are_split() -> None:
    body = "acceptance_criteria: |\n    - one\n    - two\n      continues\n    * three\n"
    assert only_task(body).acceptance_criteria == ("one", "two\ncontinues", "three")


def test_a_list_entry_that_begins_with_a_dash_is_unchanged() -> None:
    assert only_task("acceptance_criteria: ['- one']").acceptance_criteria == ("- one",)


def test_a_single_text_is_one_criterion_and_empty_entries_are_dropped() -> None:
    assert only_task("acceptance_criteria: It works").acceptance_criteria == ("It works",)
    assert only_task("acceptance_criteria: [one, , '', ~, two]".replace(", ,", ",")).acceptance_criteria == (
        "one",
        "two",
    )


def test_repeated_dependencies_count_once() -> None:
    _, task = read("tasks: [{id: a, name: A}, {id: b, name: B, dependencies: [a, a]}]").tasks
    assert task.dependencies == ("a",)


def test_dependencies_may_name_tasks_of_the_queue_and_later_tasks() -> None:
    text = b"tasks: [{id: a, name: A, dependencies: [b, old]}, {id: b, name: B}]"
    assert read_task_file(None, text, known_ids={"old"}).tasks[0].dependencies == ("b", "old")


def test_unknown_keys_are_kept_with_one_warning_each() -> None:
    text = """
    tasks:
    - {id: a, name: A, estimate: 3, owner: {name: Ann, since: 2024-05-01, tags: [x, 1.10, 2, yes, ~]}}
    - {id: b, name: B, estimate: 4}
    """
    file = read(text)
    owner = {"name": "Ann", "since": "2024-05-01", "tags": ["x", "1.10", 2, "yes", None]}
    assert file.tasks[0].extra == {"estimate": 3, "owner": owner}
    assert [(warning.line, "estimated_hours" in warning.advice) for warning in file.warnings] == [
        (3, True),
        (3, False),
    ]


def test_aliases_and_merge_keys_are_resolved(parser: str) -> None:
    text = """
    defaults: &defaults {priority: high, labels: &labels [x], phase: P}
    more: &more {type: docs, phase: Q}
    tasks:
    - {id: a, name: A, <<: *defaults, phase: Own}
    - {id: b, name: B, <<: [*defaults, *more], checks: *labels}
    - {id: c, name: C, "<<": 1}
    """
    first, second, third = read(text).tasks
    assert (first.priority, first.labels, first.phase) == (2, ("x",), "Own")
    assert (second.priority, second.phase, second.type, second.checks) == (2, "P", "docs", ("x",))
    assert third.extra == {"<<": 1}


def test_an_empty_list_is_a_task_file(parser: str) -> None:
    assert read("tasks: []").tasks == []


def test_a_byte_order_mark_and_windows_line_ends_are_fine(parser: str) -> None:
    file = read("\ufefftasks:\r\n- id: a\r\n  name: A\r\n  description: |\r\n    x\r\n    y\r\n")
    assert (file.tasks[0].id, file.tasks[0].description, file.tasks[0].line) == ("a", "x\ny\n", 2)


def test_progress_ends_at_the_size_of_the_file() -> None:
    text = b"tasks:\n" + b"".join(b"- {id: t%d, name: T}\n" % number for number in range(5000))
    seen: list[tuple[int, int]] = []
    read_task_file(None, text, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (len(text), len(text))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_valid_task_files(path: Path) -> None:
    file = read_task_file(path, load_task_file(path))
    assert file.tasks
    assert file.warnings == []


def test_a_missing_file_and_a_folder_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_task_file(tmp_path / "tasks.yaml")
    with pytest.raises(InputError, match="folder"):
        load_task_file(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        load_task_file(Path("a\0b"))


def test_a_file_beyond_the_limit_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarm_shared.taskfile.reader.MAX_FILE_BYTES", 100)
    path = tmp_path / "tasks.yaml"
    path.write_bytes(b" " * 101)
    with pytest.raises(InputError, match="larger than"):
        load_task_file(path)


def test_the_source_of_a_task_is_read_back_as_it_was_written() -> None:
    task = only_task("source: {format: kiro, path: .kiro/specs/a/tasks.md, key: 2.10, tick: true}")
    assert task.source == Source(format="kiro", path=".kiro/specs/a/tasks.md", key="2.10", tick=True)
    stream = io.StringIO()
    write_task_file(stream, [task], exported_at="x", version="1")
    assert read_task_file(None, stream.getvalue().encode()).tasks[0].source == task.source


def test_anything_else_under_source_is_an_ordinary_key() -> None:
    assert only_task("source: JIRA-12").extra == {"source": "JIRA-12"}


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.md", ""])
def test_a_source_that_would_be_written_to_must_be_in_the_project(path: str) -> None:
    with pytest.raises(TaskFileErrors):
        only_task(f'source: {{format: kiro, path: "{path}", key: a, tick: true}}')
