"""The meaning of JSON, YAML and CSV plans: order, phases, criteria, states, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace
from plan_samples import SAMPLES
from plan_samples.file_plans import BACKLOG, BACKLOG_SUB_TASK, BMAD, BMAD_STORY

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.sources.formats import bmad
from swarm_shared.sources.joining import join, leave_out_loose_ends
from swarm_shared.sources.plans.plan import Options, Place, Plan
from swarm_shared.sources.reading import place_of, read_plan, recognize
from swarm_shared.sources.ticking import tick


def read(name: str, text: str | None = None, options: Options | None = None) -> Plan:
    sample = SAMPLES[name]
    place = Place(file=sample.path, path=sample.path, in_project=True)
    return read_plan(sample.plan_format, place, (text or sample.text).encode(), options or Options())


def tasks(name: str, text: str | None = None) -> dict[str, TaskSpec]:
    return {task.id: task for task in read(name, text).tasks}


def reasons(plan: Plan) -> list[str]:
    return [entry.detail for entry in plan.left_out()]


def test_a_parent_of_task_master_is_the_phase_of_its_sub_tasks() -> None:
    found = tasks("task-master")
    assert found["2.2"].phase == "Serve"
    assert found["2.2"].dependencies == ("2.1", "1")
    assert "Only loopback" in found["2.2"].description
    assert found["2.2"].acceptance_criteria == ("curl answers",)
    assert found["2.2"].priority == 4
    assert found["2.2"].files == ("src/serve.py",)
    assert found["3"].dependencies == ("2.1", "2.2")
    assert found["3"].status is Status.HELD
    assert found["1"].acceptance_criteria == ("A bad file gives exit 2",)


def test_task_master_reports_other_tags_and_unknown_keys() -> None:
    found = reasons(read("task-master"))
    assert 'the key "complexity" of 1 task' in found
    assert 'the tag "later" with 1 task: --tag chooses one' in found


def test_a_tag_of_task_master_can_be_selected_and_an_unknown_one_is_an_error() -> None:
    assert [task.name for task in read("task-master", options=Options(tag="later")).tasks] == ["Elsewhere"]
    (problem,) = read("task-master", options=Options(tag="latter")).errors
    assert '"master", "later"' in problem.advice


def test_ids_of_task_master_may_be_text_and_complete() -> None:
    found = tasks("task-master with ids as text")
    assert found["1.2"].dependencies == ("1.1",)
    assert found["2"].dependencies == ("1.1", "1.2")
    assert found["2"].status is Status.HELD


def test_the_priority_of_a_ralph_story_is_its_order() -> None:
    found = tasks("ralph")
    assert found["US-002"].dependencies == ("US-001",)
    assert found["US-001"].status is Status.COMPLETED
    assert found["US-002"].acceptance_criteria == ("a badge", "types check")
    assert found["US-002"].files == ("src/card.tsx",)
    assert found["US-002"].priority == 3
    assert 'the key "verificationCommands" of 1 file' in reasons(read("ralph"))


def test_beads_are_linked_by_blocks_and_epics_are_phases() -> None:
    found = tasks("beads")
    assert found["bd-k3"].dependencies == ("bd-k1", "bd-e1.1")
    assert found["bd-e1.1"].phase == "Sync"
    assert found["bd-e1.1"].dependencies == ()
    assert (found["bd-e1.1"].priority, found["bd-k3"].priority) == (1, 5)
    assert found["bd-e1.1"].estimated_hours == 1.5
    assert found["bd-e1.1"].acceptance_criteria == ("logged", "retried")
    assert found["bd-k1"].status is Status.COMPLETED
    assert tasks("beads as a list")["bd-2"].status is Status.HELD


def test_beads_that_are_not_work_are_left_out_with_the_reason() -> None:
    found = reasons(read("beads"))
    assert found == ["a link of bd-k3 to bd-zz: related", "deleted (a tombstone)", "a memory"]


STATUSES = {
    "task-master": '{"tasks": [{"id": 1, "title": "A", "status": "%s", "testStrategy": "x"}]}',
    "ralph": '{"stories": [{"id": "a", "title": "A", "status": "%s"}]}',
    "beads": '{"id": "a", "title": "A", "status": "%s", "issue_type": "task"}',
    "github": '{"items": [{"content": {"number": 1, "title": "A"}, "status": "%s"}]}',
    "csv": "Title,Status\nA,%s\n",
    "backlog.md": "---\nid: back-1\ntitle: A\nstatus: %s\n---\n",
}


@pytest.mark.parametrize("plan_format", STATUSES)
def test_externally_blocked_items_are_held_and_an_unknown_status_is_a_warning(plan_format: str) -> None:
    suffix = {"csv": "csv", "backlog.md": "md"}.get(plan_format, "json")
    place = Place(file=f"a.{suffix}", path=f"a.{suffix}")
    held = read_plan(plan_format, place, (STATUSES[plan_format] % "Blocked").encode(), Options())
    assert ([task.status for task in held.tasks], held.warnings) == ([Status.HELD], [])
    unknown = read_plan(plan_format, place, (STATUSES[plan_format] % "melting").encode(), Options())
    assert [task.status for task in unknown.tasks] == [Status.NOT_STARTED]
    assert "melting" in unknown.warnings[0].message


def test_unknown_keys_and_statuses_of_beads_are_reported() -> None:
    text = (
        '{"id":"bd-1","title":"A","issue_type":"task","status":"melting","close_reason":"","assignee":"ann"}\n'
        '{"id":"bd-2","title":"B","issue_type":"task","status":"open","assignee":"bea","metadata":{"a":1}}\n'
    )
    plan = read("beads", text)
    assert reasons(plan) == ['the key "assignee" of 2 issues', 'the key "metadata" of 1 issue']
    assert [entry.line for entry in plan.left_out()] == [1, 2]
    (warning,) = plan.warnings
    assert "melting" in warning.message


def test_blockers_of_an_epic_block_its_children_and_no_child_waits_for_its_epic() -> None:
    text = """\
{"id":"a","title":"A","issue_type":"task","status":"open"}
{"id":"e","title":"E","issue_type":"epic","status":"open","dependencies":[{"depends_on_id":"a","type":"blocks"}]}
{"id":"e.1","title":"C","issue_type":"task","status":"open",\
"dependencies":[{"depends_on_id":"e","type":"parent-child"},{"depends_on_id":"e","type":"blocks"}]}
"""
    assert tasks("beads", text)["e.1"].dependencies == ("a",)


def test_a_task_of_backlog_md_has_its_sections_and_fields() -> None:
    (task,) = read("backlog.md").tasks
    assert (task.id, task.name, task.priority, task.labels) == ("BACK-12", "Export: CSV", 2, ("api",))
    assert task.acceptance_criteria == ("header row", "UTF-8", "tests pass")
    assert task.description == "Stream rows.\n\nReferences:\n- src/cli.ts\n\nImplementation Plan:\n1. Write it"
    assert task.design_docs == ("docs/export.md",)
    assert task.files == ("src/export.ts",)
    assert reasons(read("backlog.md")) == ['the key "assignee"', 'the key "created_date"', 'the key "ordinal"']


def test_every_line_of_a_task_of_backlog_md_is_accounted_for() -> None:
    lines = [line for entry in read("backlog.md").entries for line in range(entry.line, entry.last + 1)]
    assert lines == list(range(1, BACKLOG.count("\n") + 1))


def test_the_files_of_a_backlog_are_one_plan_whose_ids_may_be_spelled_differently(tmp_path: Path) -> None:
    folder = tmp_path / "backlog" / "tasks"
    folder.mkdir(parents=True)
    texts = [BACKLOG, BACKLOG_SUB_TASK, BACKLOG_SUB_TASK.replace("task-4.1", "BACK-9")]
    plans = []
    for number, text in enumerate(texts):
        (folder / f"{number}.md").write_text(text)
        plans.append(
            read_plan("backlog.md", place_of(folder / f"{number}.md", root=tmp_path), text.encode(), Options())
        )
    (plan,) = join(plans)
    assert [task.id for task in plan.tasks] == ["BACK-12", "task-4.1", "BACK-9"]
    assert plan.tasks[0].dependencies == ("BACK-9",)
    plan.tasks[1] = replace(plan.tasks[1], dependencies=("none",))
    leave_out_loose_ends(plan, ())
    assert [(warning.file, warning.line) for warning in plan.warnings] == [("backlog/tasks/1.md", 3)]
    assert plan.tasks[1].source is not None
    assert plan.tasks[1].source.path == "backlog/tasks/1.md"


def test_the_statuses_of_a_backlog_are_those_of_its_configuration(tmp_path: Path) -> None:
    folder = tmp_path / "backlog" / "tasks"
    folder.mkdir(parents=True)
    (tmp_path / "backlog" / "config.yml").write_text('statuses: ["Idea", "Shipped to all"]\n')
    text = BACKLOG_SUB_TASK.replace("status: Done", "status: Shipped to all")
    (task,) = read_plan("backlog.md", place_of(folder / "a.md", root=tmp_path), text.encode(), Options()).tasks
    assert task.status is Status.COMPLETED
    assert task.source is not None
    assert not task.source.tick  # "Done" is no status there


@pytest.fixture
def sprint(tmp_path: Path) -> Plan:
    folder = tmp_path / "docs" / "sprint-artifacts"
    folder.mkdir(parents=True)
    (folder / "sprint-status.yaml").write_text(BMAD)
    (folder / "1-2-roles.md").write_text(BMAD_STORY)
    (folder / "1-1-user-authentication.md").write_text("# Story 1.1: Sign in\n")
    place = replace(place_of(folder / "sprint-status.yaml", root=tmp_path), file="sprint-status.yaml")
    return read_plan("bmad", place, BMAD.encode(), Options())


def test_stories_of_bmad_with_a_file_are_tasks_in_the_order_of_their_epic(sprint: Plan) -> None:
    first, second = sprint.tasks
    assert (first.id, first.name, first.status) == ("1-1-user-authentication", "Sign in", Status.COMPLETED)
    assert (second.name, second.phase) == ("Roles and rights", "Epic 1")
    assert second.dependencies == ("1-1-user-authentication",)
    assert second.acceptance_criteria == ("**Given** an admin, **when** she looks, **then** she sees.", "Second")
    assert second.files == ("src/roles.py",)
    assert second.design_docs == ("docs/sprint-artifacts/1-2-roles.md",)
    assert "Keep it small." in second.description
    assert "Agent Model" not in second.description


def test_a_story_of_bmad_can_be_ticked_in_the_file_of_states(sprint: Plan) -> None:
    source = sprint.tasks[1].source
    assert source is not None
    assert source.tick
    assert tick("bmad", BMAD, source.key) == BMAD.replace("roles: ready-for-dev", "roles: done")


def test_other_contents_of_bmad_are_left_out_with_the_reason(sprint: Plan) -> None:
    found = {(entry.line, entry.detail) for entry in sprint.left_out()}
    assert {(10, "a story without a file"), (11, "a retrospective")} <= found
    states = [entry for entry in sprint.entries if entry.file == "sprint-status.yaml"]
    lines = [line for entry in states for line in range(entry.line, entry.last + 1)]
    assert lines == list(range(1, BMAD.count("\n") + 1))
    assert ("1-2-roles.md", "Dev Agent Record: a record of work") in {(e.file, e.detail) for e in sprint.left_out()}


def test_an_oversized_story_of_bmad_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bmad, "MAX_STORY_BYTES", 100)
    (tmp_path / "1-1-fits.md").write_text("# Fits\n" + "x" * 93)
    (tmp_path / "1-2-large.md").write_text("# Large\n" + "x" * 93)
    text = "development_status:\n  1-1-fits: backlog\n  1-2-large: backlog\n"
    (tmp_path / "sprint-status.yaml").write_text(text)
    plan = read_plan("bmad", place_of(tmp_path / "sprint-status.yaml", root=tmp_path), text.encode(), Options())
    assert [task.id for task in plan.tasks] == ["1-1-fits"]
    assert (3, "a story without a file") in {(entry.line, entry.detail) for entry in plan.left_out()}


def test_github_issues_have_criteria_dependencies_and_the_name_of_their_author() -> None:
    found = tasks("github")
    export = found["GH-41"]
    assert export.acceptance_criteria == ("header row", "UTF-8")
    assert export.dependencies == ("GH-40", "GH-38")
    assert (export.phase, export.priority, export.labels) == ("v2", 2, ("P1", "api"))
    assert export.files == ("src/export.py",)
    assert "https://github.com/acme/shop/issues/41 by ann" in export.description
    assert (found["GH-40"].status, found["GH-38"].status) == (Status.COMPLETED, Status.CANCELLED)
    assert tasks("github with blockers")["GH-2"].dependencies == ("GH-1",)
    assert tasks("github in a line")["GH-2"].dependencies == ("GH-1",)


def test_columns_of_a_table_are_recognized_by_their_usual_names() -> None:
    found = tasks("csv")
    assert found["A-1"].description == "Two\nlines"
    assert (found["A-1"].status, found["A-1"].priority) == (Status.COMPLETED, 1)
    assert found["A-2"].dependencies == ("A-1", "A-3")
    assert found["A-2"].files == ("src/serve.py",)
    assert [task.line for task in found.values()] == [2, 4, 6]
    assert reasons(read("csv")) == ['the column "Estimate"', "an unknown priority of A-3"]
    assert tasks("csv of Jira")["SHOP-2"].status is Status.HELD
    assert tasks("tsv")["paint"].files == ("src/a.py", "src/b.py")


def test_columns_of_a_table_may_be_mapped() -> None:
    text = "Nr,Titel,Kosten\n7,Bauen,3\n"
    assert read("csv", text).errors
    (task,) = read("csv", text, Options(columns={"Titel": "name", "Kosten": "estimated_hours"})).tasks
    assert (task.id, task.name, task.estimated_hours) == ("7", "Bauen", 3.0)


@pytest.mark.parametrize("name", ["beads as a list", "beads in an envelope", "github", "ralph", "task-master"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_plan_in_json_is_recognized_on_one_line_and_on_many(name: str, indent: int | None) -> None:
    sample = SAMPLES[name]
    text = json.dumps(json.loads(sample.text), indent=indent)
    assert recognize(Place(file="-", path=""), text.encode()) == sample.plan_format
    assert tuple(tasks(name, text)) == sample.ids


@pytest.mark.parametrize("indent", [None, 2])
def test_a_task_file_in_json_is_never_mistaken_for_a_plan(indent: int | None) -> None:
    task = {"id": "a", "title": "A", "issue_type": "task", "number": 1, "state": "open", "userStories": []}
    text = json.dumps({"tasks": [task]}, indent=indent)
    assert recognize(Place(file="tasks.json", path="tasks.json"), text.encode()) is None
