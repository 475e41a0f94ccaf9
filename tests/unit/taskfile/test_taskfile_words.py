"""Plain words of other tools are understood, and no advice names what a file cannot have."""

from __future__ import annotations

import json

import pytest

from swarm_shared.domain.models import Status
from swarm_shared.taskfile import TaskFileErrors, read_task_file


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
def test_the_plain_words_of_other_tools_are_understood(word: str, status: Status) -> None:
    text = json.dumps({"tasks": [{"id": "a", "name": "A", "status": word}]})
    assert read_task_file(None, text.encode()).tasks[0].status is status


@pytest.mark.parametrize("word", ["landed", "claim", "schedule", "aproved", "tombstone"])
def test_no_hint_names_a_status_that_a_file_cannot_have(word: str) -> None:
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
def test_the_plain_priorities_of_other_tools_are_understood(word: str, number: int) -> None:
    text = json.dumps({"tasks": [{"id": "a", "name": "A", "priority": word}]})
    assert read_task_file(None, text.encode()).tasks[0].priority == number
