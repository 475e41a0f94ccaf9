"""Marking an item of a JSON or YAML plan as done replaces one value and keeps the layout of the file."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from swarm_shared.sources.ticking import tick

RALPH = """{"project": "Shop", "userStories": [
  {"id": "US-1", "title": "Ä 😀 field", "priority": 1,   "passes":false, "notes": "\\ud83d\\ude00"},
  {"id": "US-2", "title": "Other", "passes": true},
  {"id": "US-3", "title": "Third"}
]}
"""
TASK_MASTER = """{
  "master": {
    "tasks": [
      {"id": 1, "title": "One", "status": "pending", "subtasks": [
        {"id": 1, "title": "a", "status": "done"},
        {"id": "1.2", "title": "b", "status": "pending"},
        {"id": 3, "title": "c", "status": "cancelled"}
      ]},
      {"id": "2", "title": "Two", "status": "in-progress"}
    ],
    "metadata": {}
  },
  "other": {"tasks": [{"id": 1, "title": "Elsewhere"}]}
}
"""
BMAD = """\
# the sprint
project: Shop
development_status:
  epic-1: in-progress
  1-1-user-authentication: ready-for-dev  # next
  1-2-größe: "review"
  1-3-empty:
  epic-1-retrospective: optional
"""
BACKLOG = """\
---
id: BACK-12
title: 'Export: CSV'
status: To Do
labels: [api]
---
## Description
status: To Do
"""


def test_a_story_of_ralph_is_marked_as_passing() -> None:
    assert tick("ralph", RALPH, "US-1") == RALPH.replace('"passes":false', '"passes":true')
    assert tick("ralph", RALPH, "US-2") == RALPH
    assert tick("ralph", RALPH, "US-3") == RALPH.replace('{"id": "US-3"', '{"passes": true, "id": "US-3"')
    assert tick("ralph", RALPH, "US-4") is None


def test_a_parent_of_task_master_is_done_with_the_last_of_its_sub_tasks() -> None:
    ticked = tick("task-master", TASK_MASTER, "master/1.2")
    assert ticked == TASK_MASTER.replace('"b", "status": "pending"', '"b", "status": "done"').replace(
        '"One", "status": "pending"', '"One", "status": "done"'
    )
    open_one = TASK_MASTER.replace('"a", "status": "done"', '"a", "status": "pending"')
    assert tick("task-master", open_one, "master/1.2") == open_one.replace(
        '"b", "status": "pending"', '"b", "status": "done"'
    )


def test_a_parent_with_its_status_after_its_sub_tasks_on_the_same_line_is_done_too() -> None:
    sub = '{"id": 1, "title": "a", "status": "pending"}'
    parent = '{"id": 1, "title": "P", "subtasks": [' + sub + '], "status": "pending", "x": 1}'
    text = '{"master": {"tasks": [' + parent + "]}}"
    assert tick("task-master", text, "master/1.1") == text.replace('"pending"', '"done"')
    without = text.replace(', "status": "pending", "x"', ', "x"')
    assert tick("task-master", without, "master/1.1") == without.replace('"pending"', '"done"').replace(
        '[{"id": 1, "title": "P"', '[{"status": "done", "id": 1, "title": "P"'
    )


def test_a_status_spelled_with_a_line_break_elsewhere_is_written_as_json() -> None:
    text = '{"stories": [{"id": "1", "status": "Done\\n"}, {"id": "2", "status": "open"}]}'
    assert tick("ralph", text, "2") == text.replace('"open"', '"Done"')


def test_the_tag_is_part_of_the_key() -> None:
    assert tick("task-master", TASK_MASTER, "master/2") == TASK_MASTER.replace("in-progress", "done")
    assert tick("task-master", TASK_MASTER, "other/1") == TASK_MASTER.replace(
        '[{"id": 1,', '[{"status": "done", "id": 1,'
    )
    assert tick("task-master", TASK_MASTER, "other/2") is None
    assert (
        tick("task-master", '{"tasks": [{"id": 7, "status": "pending"}]}', "/7")
        == '{"tasks": [{"id": 7, "status": "done"}]}'
    )


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("1-1-user-authentication", "ready-for-dev  # next", "done  # next"),
        ("1-2-größe", '"review"', "done"),
        ("1-3-empty", "1-3-empty:\n", "1-3-empty: done\n"),
    ],
)
def test_a_story_of_bmad_is_done(key: str, before: str, after: str) -> None:
    assert tick("bmad", BMAD, key) == BMAD.replace(before, after)
    assert tick("bmad", BMAD, "9-9-none") is None


def test_a_task_of_backlog_md_is_done_in_its_front_matter_only() -> None:
    assert tick("backlog.md", BACKLOG, "back-12") == BACKLOG.replace("status: To Do\nlabels", "status: Done\nlabels")
    assert tick("backlog.md", BACKLOG, "back-13") is None
    assert tick("backlog.md", "no front matter", "back-12") is None


@pytest.mark.parametrize("plan", ["ralph", "task-master", "bmad", "backlog.md"])
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00", "---\n: : :\n---\n", "\ufeff", "{'a': "])
def test_a_file_that_cannot_be_read_is_not_changed(plan: str, text: str) -> None:
    assert tick(plan, text, "US-1") is None


def test_a_byte_order_mark_and_windows_line_endings_are_kept() -> None:
    text = "\ufeff" + BMAD.replace("\n", "\r\n")
    assert tick("bmad", text, "1-2-größe") == text.replace('"review"', "done")
    text = "\ufeff" + RALPH.replace("\n", "\r\n")
    assert tick("ralph", text, "US-1") == text.replace('"passes":false', '"passes":true')
    text = "\ufeff" + BACKLOG.replace("\n", "\r\n")
    assert tick("backlog.md", text, "BACK-12") == text.replace("status: To Do\r\nlabels", "status: Done\r\nlabels")


_TEXT = st.text(max_size=8)


@given(
    st.lists(st.fixed_dictionaries({"id": _TEXT, "title": _TEXT, "passes": st.booleans(), "more": _TEXT}), min_size=1),
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.data(),
)
def test_ticking_any_story_marks_it_as_passing_and_leaves_the_others(
    stories: list[dict[str, object]], indent: int | None, ascii_only: bool, data: st.DataObject
) -> None:
    for number, story in enumerate(stories):
        story["id"] = f"{number}{story['id']}"
    text = json.dumps({"userStories": stories}, indent=indent, ensure_ascii=ascii_only)
    number = data.draw(st.integers(0, len(stories) - 1))
    ticked = tick("ralph", text, str(stories[number]["id"]).strip())
    assert ticked is not None
    stories[number]["passes"] = True
    assert json.loads(ticked) == {"userStories": stories}


@given(st.lists(st.from_regex(r"[1-9]-[1-9]-[a-zé😀-]{1,8}", fullmatch=True), min_size=1, unique=True), st.data())
def test_ticking_any_story_of_bmad_marks_it_as_done_and_leaves_the_others(keys: list[str], data: st.DataObject) -> None:
    states = {key: data.draw(st.sampled_from(["backlog", "review", "x y", "don't", "'q': #"])) for key in keys}
    text = yaml.safe_dump({"project": "é", "development_status": states}, allow_unicode=data.draw(st.booleans()))
    key = data.draw(st.sampled_from(keys))
    ticked = tick("bmad", text, key)
    assert ticked is not None
    assert yaml.safe_load(ticked)["development_status"] == {**states, key: "done"}
