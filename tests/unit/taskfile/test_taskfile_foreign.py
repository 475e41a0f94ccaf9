"""Files of other tools are named as what they are, with a way to convert them; their plain words are understood."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from swarm_shared.domain.models import Status
from swarm_shared.taskfile import TaskFileErrors, read_task_file
from swarm_shared.taskfile.foreign import recognize

TASK_MASTER = {"master": {"tasks": [{"id": 1, "title": "Set up", "status": "pending", "subtasks": []}], "metadata": {}}}
RALPH = {"project": "Shop", "userStories": [{"id": "US-1", "title": "A field", "passes": False}]}
ISSUES = [
    {"id": "bd-1", "title": "First", "status": "open", "issue_type": "task"},
    {"id": "bd-2", "title": "Second", "status": "closed", "issue_type": "bug"},
]
CHECKLIST = '---\ndescription: "Task list"\n---\n# Tasks\n\n## Phase 1\n\n- [ ] T001 Create\n- [x] T002 [P] Set up\n'
FILES = {
    "task-master": json.dumps(TASK_MASTER),
    "Ralph": json.dumps(RALPH, indent=2),
    "beads": "\n".join(json.dumps(issue) for issue in ISSUES) + "\n",
    "Markdown checklist": CHECKLIST,
}


@pytest.mark.parametrize("tool", FILES)
def test_a_file_of_another_tool_is_one_problem_that_names_the_tool_and_what_to_do(tool: str) -> None:
    with pytest.raises(TaskFileErrors) as refused:
        read_task_file(Path("plan"), FILES[tool].encode())
    (problem,) = refused.value.problems
    assert tool in problem.message
    assert ("jq " in problem.advice) is (tool != "Markdown checklist")


@pytest.mark.parametrize(
    "text",
    [
        "tasks:\n- {id: a, name: A, description: '- [ ] not a plan'}\n",
        "tasks:\n- id: a\n  name: A\n  description: |\n    - [ ] one\n    - [x] two\n",
        json.dumps({"tasks": [{"id": "a", "name": "A"}], "userStories": []}),
        "just: some\nother: yaml\n",
        "[1, 2]",
        "",
    ],
)
def test_a_task_file_is_never_taken_for_one_of_another_tool(text: str) -> None:
    assert recognize(text.encode()) is None


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("pending", Status.NOT_STARTED),
        ("To Do", Status.NOT_STARTED),
        ("in-progress", Status.NOT_STARTED),
        ("open", Status.NOT_STARTED),
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
