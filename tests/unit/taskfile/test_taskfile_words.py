"""Common words of other tools are understood, and no advice suggests a value that a file cannot have."""

from __future__ import annotations

import json

import pytest

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.taskfile.problems import TaskFileErrors
from swarm_shared.taskfile.reader import read_task_file


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", Status.NOT_STARTED),
        ("To Do", Status.NOT_STARTED),
        ("in-progress", Status.NOT_STARTED),
        ("open", Status.NOT_STARTED),
        ("In Review", Status.HELD),
        ("deferred", Status.HELD),
        ("won't do", Status.CANCELLED),
        ("done", Status.COMPLETED),
        ("Closed", Status.COMPLETED),
        ("canceled", Status.CANCELLED),
    ],
)
def test_the_common_status_words_of_other_tools_are_understood(word: str, status: Status) -> None:
    text = json.dumps({"tasks": [{"id": "a", "name": "A", "status": word}]})
    assert read_task_file(None, text.encode()).tasks[0].status is status


@pytest.mark.parametrize("word", ["landed", "claim", "schedule", "aproved", "tombstone"])
def test_no_hint_suggests_a_status_that_a_file_cannot_have(word: str) -> None:
    with pytest.raises(TaskFileErrors) as refused:
        read_task_file(None, json.dumps({"tasks": [{"id": "a", "name": "A", "status": word}]}).encode())
    (problem,) = refused.value.problems
    for status in set(Status) - {
        Status.NOT_STARTED,
        Status.COMPLETED,
        Status.FAILED,
        Status.CANCELLED,
        Status.HELD,
    }:
        assert status not in problem.advice


@pytest.mark.parametrize(
    ("word", "number"),
    [("P0", 1), ("p3", 4), ("P4", 5), ("Urgent", 1), ("normal", 3), ("High", 2), ("lowest", 5), ("-7", -7), ("3", 3)],
)
def test_the_common_priority_words_of_other_tools_are_understood(word: str, number: int) -> None:
    text = json.dumps({"tasks": [{"id": "a", "name": "A", "priority": word}]})
    assert read_task_file(None, text.encode()).tasks[0].priority == number


def only_task(body: str) -> TaskSpec:
    (task,) = read_task_file(None, f"tasks:\n- id: a\n  name: A\n  {body}\n".encode(), known_ids={"x"}).tasks
    return task


@pytest.mark.parametrize("key", ["deps", "blocked_by", "blocked by", "dependsOn", "Depends-On", "dependency"])
def test_common_words_for_dependencies_are_understood(key: str) -> None:
    assert only_task(f"{key}: [x]").dependencies == ("x",)


def test_an_unknown_id_below_another_word_for_dependencies_is_an_error_with_its_position() -> None:
    with pytest.raises(TaskFileErrors, match=r":4:11: no task has the id"):
        read_task_file(None, b"tasks:\n- id: a\n  name: A\n  deps: [ y ]\n")


def test_other_spellings_of_a_key_are_that_key() -> None:
    task = only_task('acceptanceCriteria: [one]\n  Files: a.py\n  "design docs": d.md\n  hours: 2')
    assert (task.acceptance_criteria, task.files, task.design_docs) == (("one",), ("a.py",), ("d.md",))
    assert task.estimated_hours == 2


def test_text_for_the_agent_under_another_key_is_appended_to_the_description() -> None:
    task = only_task("details: In depth\n  description: Short\n  notes: [one, two]\n  context: |\n    Why\n    it is")
    assert task.description == "Short\n\nDetails:\nIn depth\n\nNotes:\n- one\n- two\n\nContext:\nWhy\nit is"
    assert only_task("context: {a: 1}").extra == {"context": {"a": 1}}


@pytest.mark.parametrize("key", ["descripton", "acceptance_criterias", "desription", "estimatd_hours", "fils"])
def test_a_mistyped_key_is_refused_and_never_silently_kept(key: str) -> None:
    with pytest.raises(TaskFileErrors, match="no agent would see it"):
        only_task(f"{key}: x")
    assert only_task(f"{key}:").extra == {key: None}


@pytest.mark.parametrize("key", ["owner", "estimate", "url", "milestone", "tags", "assignee", "due"])
def test_an_unrecognizable_key_is_kept_with_a_warning(key: str) -> None:
    file = read_task_file(None, f"tasks:\n- id: a\n  name: A\n  {key}: x\n".encode())
    assert file.tasks[0].extra == {key: "x"}
    assert len(file.warnings) == 1
