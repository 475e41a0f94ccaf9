"""The shapes of files that Ralph loops keep and that trackers export, and their meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plan_samples import SAMPLES

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.sources.places import plans_in
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.reading import read_plan, recognize
from swarm_shared.sources.ticking import tick


def read(name: str, text: str | None = None) -> Plan:
    sample = SAMPLES[name]
    place = Place(file=sample.path, path=sample.path, in_project=True)
    return read_plan(sample.plan_format, place, (text or sample.text).encode(), Options())


def tasks(name: str) -> dict[str, TaskSpec]:
    return {task.id: task for task in read(name).tasks}


def reasons(plan: Plan) -> list[str]:
    return [entry.detail for entry in plan.left_out()]


def test_stories_with_stated_dependencies_wait_only_for_these() -> None:
    found = tasks("ralph with dependencies")
    assert found["US-002"].dependencies == ("US-001",)
    assert found["US-003"].dependencies == ("US-001",)
    assert found["US-002.1"].dependencies == ("US-002",)
    assert found["US-004"].dependencies == ("US-003",)  # it states none: in list order
    assert 'the key "completionNotes" of 1 story' in reasons(read("ralph with dependencies"))
    assert tasks("ralph as tasks")["review"].dependencies == ("split",)


def test_a_story_without_a_title_is_named_after_its_description_and_checked_by_its_steps() -> None:
    found = list(tasks("ralph with categories").values())
    assert [task.name for task in found] == ["A visitor can open the menu", "The menu has rounded corners"]
    assert found[0].acceptance_criteria == ("Open the page", "Press the button", "See three entries")
    assert (found[0].type, found[0].status, found[1].status) == ("functional", Status.NOT_STARTED, Status.COMPLETED)
    assert found[0].description == ""
    assert tasks("ralph as features")["F002"].files == ()
    assert tasks("ralph as features")["F002"].name == "Encode bytes in src/encode.ts"


def test_the_priority_and_the_status_of_a_story_may_be_words() -> None:
    found = tasks("ralph with statuses")
    assert (found["D-001"].priority, found["D-002"].priority) == (2, 4)
    assert (found["D-001"].status, found["D-002"].status) == (Status.COMPLETED, Status.NOT_STARTED)
    assert found["D-002"].acceptance_criteria == ("by word", "by day")
    assert found["D-002"].phase == "2"
    assert 'the key "deliverables" of 1 story' in reasons(read("ralph with statuses"))


def test_the_agent_sees_the_other_texts_of_a_story() -> None:
    text = """[{"id": "a", "title": "A", "summary": "The whole", "context": "Before", "notes": "After", "passes": false,
      "validationCommands": ["make test", "make lint"]}]"""
    (task,) = read("ralph", text).tasks
    assert task.description == (
        "The whole\n\nContext:\nBefore\n\nNotes:\nAfter\n\nValidation commands:\n- make test\n- make lint"
    )


def test_only_the_flag_means_that_a_story_passes() -> None:
    text = '{"userStories": [{"id": "a", "title": "A", "passes": false, "status": "completed"}]}'
    (task,) = read("ralph", text).tasks
    assert task.status is Status.NOT_STARTED
    (task,) = read("ralph", text.replace("completed", "on hold")).tasks
    assert task.status is Status.HELD
    (warning,) = read("ralph", text.replace("completed", "melting")).warnings
    assert "melting" in warning.message


@pytest.mark.parametrize(
    ("name", "key", "changed"),
    [
        ("ralph as a list", "SUB-002", {"passes": True}),
        ("ralph without passes", "", {"complete": True}),
        ("ralph with statuses", "D-002", {"status": "completed"}),
        ("ralph with dependencies", "US-003", {"passes": True, "status": "completed"}),
    ],
)
def test_a_story_is_ticked_in_the_way_its_file_marks_stories(name: str, key: str, changed: dict[str, object]) -> None:
    text = SAMPLES[name].text
    source = next(task.source for task in read(name).tasks if task.source and task.source.key.startswith(key))
    assert source is not None
    ticked = tick("ralph", text, source.key)
    assert ticked is not None
    assert tick("ralph", ticked, source.key) == ticked
    before, after = (_stories(json.loads(each)) for each in (text, ticked))
    (story,) = (new for old, new in zip(before, after, strict=True) if old != new)
    assert {name: story[name] for name in changed} == changed


def _stories(document: object) -> list[dict[str, object]]:
    if isinstance(document, dict):
        return next(each for each in document.values() if isinstance(each, list) and each and isinstance(each[0], dict))
    assert isinstance(document, list)
    return document


def test_json_without_stories_is_not_a_plan_of_ralph() -> None:
    for text in ('{"features": [{"name": "x"}]}', '{"tasks": [{"id": "a", "name": "A"}]}', '[{"name": "x"}]', "[1]"):
        assert recognize(Place(file="a.json", path="a.json"), text.encode()) is None


def test_the_files_of_ralph_are_found_in_a_folder(tmp_path: Path) -> None:
    for name in ("plans/prd.json", "feature_list.json", ".ralph/fix_plan.md", "@fix_plan.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("[]")
    found = {path.relative_to(tmp_path).as_posix(): plan_format for path, plan_format in plans_in(tmp_path).items()}
    assert found == {
        "plans/prd.json": "ralph",
        "feature_list.json": "ralph",
        "@fix_plan.md": "checklist",
        ".ralph/fix_plan.md": "checklist",
    }


def test_the_headings_of_a_fix_plan_give_the_priority() -> None:
    found = list(tasks("fix plan").values())
    assert [task.priority for task in found] == [2, 2, 3, 3, 4, 3]
    assert found[1].phase == "High Priority / Foundation"
    assert found[2].description == "- look for local changes\n- show the conflicts"
    (task,) = read("checklist", "## Priority 1: Core\n- [ ] a (P3)\n").tasks
    assert task.priority == 4
    (task,) = read("checklist", "## Priority 1: Core\n### Later\n- [ ] a\n").tasks
    assert task.priority == 1


def test_labels_state_the_priority_of_an_issue_in_several_ways() -> None:
    found = tasks("github without bodies")
    assert (found["GH-1545"].priority, found["GH-1545"].phase) == (4, "M17")
    assert (found["GH-1544"].priority, found["GH-1544"].phase) == (2, "")
    assert tasks("github of the API")["GH-3"].priority == 4
    assert tasks("github of the API")["GH-3"].dependencies == ("GH-2",)


def test_boxes_ticked_by_the_author_of_an_issue_stay_in_its_text() -> None:
    (task,) = tasks("github of one issue").values()
    assert task.acceptance_criteria == ("it stays", "a test")
    assert "- [X] I have searched the issues" in task.description
    assert task.files == ("src/list.ts",)


def test_issues_one_after_another_keep_the_lines_of_their_records() -> None:
    assert [entry.line for entry in read("github in lines").entries if entry.became is Became.TASK] == [1, 2]
    assert [entry.line for entry in read("github one after another").entries if entry.became is Became.TASK] == [1, 5]
    assert tasks("github in lines")["GH-41"].dependencies == ("GH-38",)


def test_an_error_among_issues_one_after_another_names_its_line() -> None:
    broken = read("github in lines", SAMPLES["github in lines"].text + '{"number": 3, "title": }\n')
    assert [(error.line, error.column) for error in broken.errors] == [(3, 24)]
    assert not broken.tasks


def test_items_of_a_project_have_its_status_and_labels() -> None:
    plan = read("github of a project")
    pay, basket = plan.tasks
    assert (pay.status, pay.priority, pay.labels) == (Status.NOT_STARTED, 1, ("P0",))
    assert pay.dependencies == ("GH-6",)
    assert basket.status is Status.COMPLETED
    assert {"a draft of a project, without a number", "a pull request"} <= set(reasons(plan))
    assert pay.source is not None
    assert pay.source.path == "https://github.com/acme/shop"


def test_a_table_of_jira_uses_keys_and_the_category_of_unknown_statuses() -> None:
    found = tasks("csv of Jira with all columns")
    assert found["PT-2"].dependencies == ("PT-1",)
    assert [task.status for task in found.values()] == [Status.HELD, Status.NOT_STARTED, Status.COMPLETED]
    assert found["PT-2"].labels == ("api", "fast")
    assert (found["PT-2"].priority, found["PT-2"].description) == (1, "Read the\ncodes")
    left = reasons(read("csv of Jira with all columns"))
    assert 'the column "Issue id"' in left
    assert 'the column "Original estimate"' in left
    assert not read("csv of Jira with all columns").warnings


def test_a_table_of_linear_has_no_unknown_words() -> None:
    plan = read("csv of Linear")
    found = {task.id: task for task in plan.tasks}
    assert not plan.warnings
    assert not [reason for reason in reasons(plan) if "unknown" in reason]
    assert found["ENG-1"].dependencies == ("ENG-2", "ENG-4")
    assert [task.status for task in found.values()] == [
        *(Status.COMPLETED, Status.NOT_STARTED, Status.CANCELLED, Status.NOT_STARTED),
    ]
    assert found["ENG-2"].phase == "M1"


def test_the_columns_of_a_board_become_phases_or_states() -> None:
    plan = read("csv of Trello")
    tiles, paint = plan.tasks
    assert (tiles.name, tiles.phase, tiles.status) == ("Order tiles", "North", Status.NOT_STARTED)
    assert paint.status is Status.COMPLETED
    assert "archived" in reasons(plan)
    planned, booked = read("csv of Asana").tasks
    assert planned.dependencies == ("1002",)  # by the name of the other row
    assert (planned.phase, planned.labels) == ("Preparation", ("launch", "web"))
    assert booked.status is Status.COMPLETED
    assert [task.status for task in read("tsv of a GitHub project").tasks] == [Status.NOT_STARTED, Status.COMPLETED]


@pytest.mark.parametrize(
    ("cell", "status"), [("TRUE", Status.COMPLETED), ("2026-03-06", Status.COMPLETED), ("no", None), ("50%", None)]
)
def test_a_completion_column_is_a_date_or_a_yes(cell: str, status: Status | None) -> None:
    plan = read("csv", f"Title,Completed\nA,{cell}\n")
    assert plan.tasks[0].status is (status or Status.NOT_STARTED)
    assert [entry.text for entry in plan.left_out()] == (["50%"] if cell == "50%" else [])
