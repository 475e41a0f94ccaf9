"""Shapes that plans have in real repositories, beyond the templates of the tools."""

from __future__ import annotations

from pathlib import Path

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.sources.joining import join, open_circles
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.reading import place_of, read_plan, recognize
from swarm_shared.sources.ticking import tick
from swarm_shared.taskfile.graph import find_cycles


def read(plan_format: str, text: str, path: str = "a/tasks.md") -> Plan:
    return read_plan(plan_format, Place(file=path, path=path, in_project=True), text.encode(), Options())


def tasks(plan_format: str, text: str, path: str = "a/tasks.md") -> dict[str, TaskSpec]:
    return {task.id: task for task in read(plan_format, text, path).tasks}


STORIES = """\
## Phase 1: Foundational
- [ ] T001 Schema
## Phase 2: User Story 1 - Sign in (P1)
**Independent Test**: sign in with a new
account and see the name.
- [ ] T002 [US1] Form
- [ ] T003 [US1] Session
## Phase 3: User Story 2 - Sign out (P2)
- [ ] T004 [US2] Button
## Phase 4: User Story 3 - Profile (P3)
- [ ] T005 [US3] Page

## Dependencies
- **User Story 1 (P1)**: Can start after Foundational (Phase 1) - No dependencies on other stories
- **User Story 2 (P2)**: Depends on US1 completion (the session of US3 is not needed)
- **User Story 3 (Phase 4)**: Can start after Foundational - May integrate with US1 but is independent of US2

## Acceptance checklist
- [ ] Everything is documented
"""


def test_spec_kit_stories_wait_for_the_stories_that_the_plan_names() -> None:
    found = tasks("spec-kit", STORIES)
    assert set(found["T004"].dependencies) == {"T003", "T001"}
    assert found["T005"].dependencies == ("T001",)


def test_spec_kit_notes_are_read_to_the_end_of_their_paragraph() -> None:
    found = tasks("spec-kit", STORIES)
    assert found["T003"].acceptance_criteria == ("Independent Test: sign in with a new account and see the name.",)


def test_the_priority_of_a_story_may_be_just_in_brackets() -> None:
    found = tasks("spec-kit", STORIES)
    assert [found[each].priority for each in ("T002", "T004", "T005")] == [2, 3, 4]


def test_a_checklist_about_the_finished_plan_is_not_a_task() -> None:
    found = tasks("spec-kit", STORIES)
    assert list(found) == ["T001", "T002", "T003", "T004", "T005"]
    assert found["T005"].acceptance_criteria == ("Everything is documented",)
    found = tasks("openspec", "## 1. Code\n- [ ] 1.1 Write\n- [ ] 1.2 Test\n## Acceptance criteria\n- [ ] it works\n")
    assert found["a.1.2"].acceptance_criteria == ("it works",)


FLAT = """\
# Implementation Plan

- [ ] 1. Tables
_Requirements:_ 1.1

- [ ] 1.1 (P) Users in `db/users.sql`

> Ask before you drop a column.

- keep the old names

- [ ] 1.2 (P) Orders in `db/orders.sql`
- [ ] 2. Queries
- [ ] 2.1 Read
- [ ] 2.2 Write (P)
- [ ] 2.3 Delete (P)
  - _Depends: 2.1, other-plan 4a_
- [ ]* 2.4 Measure
- [ ] 3. Release
  - _Depends: 2_
"""


def test_kiro_groups_may_be_written_at_the_level_of_their_sub_tasks() -> None:
    found = tasks("kiro", FLAT)
    assert list(found) == ["1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "3"]
    assert found["1.1"].phase == "1. Tables"
    assert "Ask before" in found["1.1"].description
    assert "keep the old names" in found["1.1"].description
    assert "_Requirements:_ 1.1" in found["1.2"].description


def test_kiro_sub_tasks_marked_p_run_in_parallel_within_their_group() -> None:
    found = tasks("kiro", FLAT)
    assert found["1.1"].name == "Users in `db/users.sql`"
    assert found["1.1"].dependencies == found["1.2"].dependencies == ()
    assert set(found["2.1"].dependencies) == {"1.1", "1.2"}
    assert found["2.2"].dependencies == found["2.3"].dependencies == ("2.1",)
    assert set(found["2.4"].dependencies) == {"2.2", "2.3"}
    assert found["2.4"].status is Status.HELD
    assert {"2.2", "2.3"} <= set(found["3"].dependencies)


def test_a_flat_group_is_ticked_with_its_last_sub_task() -> None:
    keys = {task.id: task.source.key for task in read("kiro", FLAT).tasks if task.source}
    once = tick("kiro", FLAT, keys["1.1"])
    assert once is not None
    assert "- [ ] 1. Tables" in once
    twice = tick("kiro", once, keys["1.2"])
    assert twice is not None
    assert "- [x] 1. Tables" in twice
    assert "- [ ] 2. Queries" in twice


def test_a_number_may_have_a_letter() -> None:
    assert list(tasks("openspec", "- [ ] 3.6 One\n- [ ] 3.6a Between\n- [ ] 3 d printer\n")) == [
        *("a.3.6", "a.3.6a", "a.3"),
    ]


def test_a_bare_number_of_task_master_is_an_earlier_sibling_or_else_a_task() -> None:
    text = """{"tasks": [{"id": 1, "title": "One", "testStrategy": "x"}, {"id": 4, "title": "Four"},
      {"id": 12, "title": "Twelve", "subtasks": [
        {"id": 1, "title": "a", "dependencies": [4]}, {"id": 2, "title": "b", "dependencies": [3]},
        {"id": 3, "title": "c", "dependencies": []}, {"id": 4, "title": "d", "dependencies": [1]}]}]}"""
    found = tasks("task-master", text, "tasks.json")
    assert found["12.1"].dependencies == ("4",)
    assert found["12.2"].dependencies == ("12.3",)
    assert found["12.4"].dependencies == ("12.1",)


def test_completed_tasks_in_a_cycle_do_not_make_a_plan_unusable() -> None:
    line = '{"id": "b-%s", "title": "%s", "status": "%s", "issue_type": "task", "dependencies": [%s]}\n'
    link = '{"depends_on_id": "b-%s", "type": "blocks"}'
    text = line % (1, "one", "closed", link % 2) + line % (2, "two", "open", link % 1)
    plan = read("beads", text, ".beads/issues.jsonl")
    open_circles(plan)
    assert not find_cycles({task.id: task.dependencies for task in plan.tasks})
    assert [task.dependencies for task in plan.tasks] == [(), ("b-1",)]
    assert any("b-1, which is completed" in entry.detail for entry in plan.left_out())
    plan = read("beads", text.replace("closed", "open"), ".beads/issues.jsonl")
    open_circles(plan)
    assert find_cycles({task.id: task.dependencies for task in plan.tasks})


def test_front_matter_may_have_values_that_yaml_wants_quoted() -> None:
    text = "---\nid: BACK-3\ntitle: Export: CSV of @ann\nassignee:\n  - @ann\nlabels: [@home]\nstatus: To Do\n---\n"
    (task,) = read("backlog.md", text, "backlog/tasks/back-3.md").tasks
    assert (task.name, task.labels) == ("Export: CSV of @ann", ("@home",))
    assert tick("backlog.md", text, "BACK-3") == text.replace("To Do", "Done")


def test_a_title_on_several_lines_is_one_task() -> None:
    text = "---\nid: BACK-3\ntitle: >-\n  Export of all\n  rows\nstatus: To Do\n---\n"
    plan = read("backlog.md", text, "backlog/tasks/back-3.md")
    assert [task.name for task in plan.tasks] == ["Export of all rows"]
    assert [entry.line for entry in plan.entries if entry.became is Became.TASK] == [3]
    assert [entry.lines for entry in plan.entries if entry.detail == "name of BACK-3"] == ["4-5"]


def test_text_may_directly_follow_the_end_of_front_matter() -> None:
    text = "---\nid: BACK-3\ntitle: Export\n---## Description\n\nRows\n"
    plan = read("backlog.md", text, "backlog/tasks/back-3.md")
    assert plan.tasks[0].description == "Rows"
    assert [entry.line for entry in plan.entries] == [1, 2, 3, 4, 5, 6]


def test_a_problem_in_front_matter_is_reported_at_its_line_of_the_file() -> None:
    (problem,) = read("backlog.md", "---\nid: BACK-3\ntitle: [\n---\n", "backlog/tasks/back-3.md").errors
    assert problem.line in (3, 4)
    (problem,) = read("backlog.md", '---\nid: BACK-3\ntitle: "a" b\n---\n', "backlog/tasks/back-3.md").errors
    assert problem.line == 3


def test_two_files_with_one_id_are_two_tasks() -> None:
    text = "---\nid: BACK-3\ntitle: {}\nstatus: To Do\n---\n"
    parts = []
    for name in ("a", "b"):
        path = f"backlog/tasks/{name}.md"
        place = Place(file=path, path=path, in_project=True, on_disk=Path("/", path))
        parts.append(read_plan("backlog.md", place, text.format(name).encode(), Options()))
    (plan,) = join(parts)
    assert [(task.id, task.name) for task in plan.tasks] == [("BACK-3", "a"), ("BACK-3-2", "b")]
    assert "backlog/tasks/a.md" in plan.warnings[0].message


def test_bmad_stories_may_have_names_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "se1-1-furigana.md").write_text("# Story SE1.1: Readings\n\n## Story\n\nText\n")
    text = (
        "story_location: {project-root}/elsewhere\ndevelopment_status:\n  supp-epic-1: in-progress\n"
        "  se1-1-furigana: ready-for-dev\n  se1-2-none: backlog\n  supp-epic-1-retrospective: optional\n"
    )
    (tmp_path / "sprint-status.yaml").write_text(text)
    place = place_of(tmp_path / "sprint-status.yaml", root=tmp_path)
    plan = read_plan("bmad", place, text.encode(), Options())
    assert not plan.errors
    assert [(task.id, task.phase) for task in plan.tasks] == [("se1-1-furigana", "supp-epic-1")]
    assert tick("bmad", text, "se1-1-furigana") == text.replace("ready-for-dev", "done")


def test_issues_in_the_shape_of_the_api() -> None:
    text = """[
      {"number": 7, "title": "One", "state": "closed", "state_reason": "not_planned", "user": {"login": "ann"},
       "url": "https://api.github.com/repos/acme/shop/issues/7", "html_url": "https://github.com/acme/shop/issues/7"},
      {"number": 8, "title": "A pull", "state": "open", "pull_request": {}, "labels": []}]"""
    plan = read("github", text, "issues.json")
    assert [(task.id, task.status) for task in plan.tasks] == [("GH-7", Status.CANCELLED)]
    assert "by ann" in plan.tasks[0].description
    assert "a pull request" in [entry.detail for entry in plan.left_out()]


def test_issues_of_several_repositories_are_kept_distinct() -> None:
    issue = (
        '{"number": 7, "title": "In %s", "state": "OPEN", "url": "https://github.com/acme/%s/issues/7", "body": "%s"}'
    )
    text = f"[{issue % ('shop', 'shop', '')}, {issue % ('web', 'web', 'blocked by #7, #9')}]"
    found = tasks("github", text, "issues.json")
    assert list(found) == ["shop.GH-7", "web.GH-7"]
    assert found["web.GH-7"].dependencies == ("web.GH-9",)


def test_items_with_the_same_key_are_distinguished() -> None:
    text = '{"tasks": [{"id": 1, "title": "a", "testStrategy": ""}, {"id": 1, "title": "b"}]}'
    keys = [task.source.key for task in read("task-master", text, "tasks.json").tasks if task.source]
    assert len(set(keys)) == 2


def test_tables_without_a_title_use_the_description_and_join_columns_of_one_meaning() -> None:
    text = "ID,Description,Definition of Done,Labels,Labels\nA,Do it,it is done,x,y\n"
    (task,) = read("csv", text, "plan.csv").tasks
    assert (task.name, task.acceptance_criteria, task.labels) == ("Do it", ("it is done",), ("x", "y"))
    (problem,) = read("csv", "r,Notes\na,b\n", "plan.csv").errors
    assert "csv_columns in swarm.yaml" in problem.advice


def test_annotations_of_other_kiro_tools_are_recognized_elsewhere() -> None:
    place = Place(file="plan.md", path="plan.md")
    assert recognize(place, b"- [ ] 1. a\n  - _Boundary: Cache_\n") == "kiro"


def test_a_number_of_issues_equal_to_the_limit_of_gh_is_a_warning() -> None:
    for count, warnings in ((29, 0), (30, 1), (1000, 1)):
        text = ", ".join(f'{{"number": {number}, "title": "x", "state": "OPEN"}}' for number in range(count))
        assert len(read("github", f"[{text}]", "issues.json").warnings) == warnings
