"""The meaning of the Markdown dialects: order, phases, criteria, files, states."""

from __future__ import annotations

from plan_samples import SAMPLES

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.sources.plans.plan import Became, Options, Place, Plan
from swarm_shared.sources.reading import read_plan


def read(name: str, text: str | None = None) -> Plan:
    sample = SAMPLES[name]
    place = Place(file=sample.path, path=sample.path, in_project=True)
    return read_plan(sample.plan_format, place, (text or sample.text).encode(), Options())


def tasks(name: str, text: str | None = None) -> dict[str, TaskSpec]:
    return {task.id: task for task in read(name, text).tasks}


def needs(found: dict[str, TaskSpec], task_id: str) -> set[str]:
    return set(found[task_id].dependencies)


def test_spec_kit_runs_a_phase_in_order_and_marked_tasks_in_parallel() -> None:
    found = tasks("spec-kit")
    assert needs(found, "T002") == needs(found, "T003") == {"T001"}
    assert needs(found, "T005") == {"T004"}
    assert needs(found, "T006") == {"T005"}


def test_spec_kit_stories_wait_for_the_foundation_and_not_for_each_other() -> None:
    found = tasks("spec-kit")
    assert needs(found, "T004") == {"T002", "T003"}
    assert needs(found, "T010") == needs(found, "T012") == needs(found, "T018") == {"T006"}
    assert needs(found, "T014") == {"T010", "T012"}
    assert needs(found, "documentation-updates-in-docs") == {"T014", "T018"}


def test_an_item_that_waits_for_a_completed_one_waits_for_the_open_ones_before_it() -> None:
    setup = "## Setup\n- [ ] T001 a\n- [x] T002 b\n- [x] T003 c\n"
    found = tasks("spec-kit", f"{setup}## User Story 1\n- [ ] T004 [US1] d\n")
    assert needs(found, "T004") == {"T003", "T001"}
    assert needs(tasks("kiro", "- [ ] 1. a\n- [x] 2. b\n- [ ] 3. c\n"), "3") == {"2", "1"}


def test_spec_kit_fields() -> None:
    found = tasks("spec-kit")
    assert found["T001"].status is Status.COMPLETED
    assert found["T012"].phase == "Phase 3: User Story 1 - Sign in (Priority: P1) / Implementation for User Story 1"
    assert (found["T012"].priority, found["T018"].priority, found["T004"].priority) == (2, 3, 3)
    assert found["T012"].files == ("src/models/user.py",)
    assert found["T012"].labels == ("US1",)
    assert "people can sign in" in found["T012"].description
    assert found["T014"].acceptance_criteria == ("Independent Test: sign in with a new account",)


def test_spec_kit_understands_lists_and_ranges_of_ids() -> None:
    text = "- [ ] T001 [P] a\n- [ ] T002 [P] b\n- [ ] T003 [P] c\n- [ ] T004 [P] d (depends on T001-T003)\n"
    assert needs(tasks("spec-kit", text), "T004") == {"T001", "T002", "T003"}
    text = text.replace("T001-T003", "T001, T002 and T003")
    assert needs(tasks("spec-kit", text), "T004") == {"T001", "T002", "T003"}


def test_many_parallel_tasks_in_two_phases_are_not_linked_each_to_each() -> None:
    lines = [f"## Phase {n // 1000}: P\n" * (n % 1000 == 0) + f"- [ ] T{n:05d} [P] x\n" for n in range(3000)]
    found = tasks("spec-kit", "".join(lines))
    assert sum(len(task.dependencies) for task in found.values()) < 10_000
    assert needs(found, "T01500") == {"T01000"}
    assert "T00999" in needs(found, "T01000")
    assert "T00500" in needs(found, "T00999")


def test_kiro_sub_tasks_run_in_order_and_optional_ones_are_held_without_blocking_others() -> None:
    found = tasks("kiro")
    assert needs(found, "2.1") == {"1"}
    assert needs(found, "2.2") == {"2.1"}
    assert needs(found, "2.3") == {"2.1"}
    assert needs(found, "3") == {"2.3"}
    assert found["2.2"].status is Status.HELD
    assert found["2.2"].labels == ("optional",)
    assert found["2.3"].status is Status.NOT_STARTED


def test_kiro_parents_are_phases_whose_text_goes_to_each_sub_task() -> None:
    found = tasks("kiro")
    assert found["2.1"].phase == "2. Cache layer"
    assert "keep the interface" in found["2.1"].description
    assert "evict oldest at 1,000 entries" in found["2.1"].description
    assert found["2.1"].files == ("src/cache.py",)


def test_spec_workflow_names_the_files_of_a_task() -> None:
    found = tasks("spec-workflow")
    assert found["1"].files == ("src/types/feature.ts",)
    assert found["4.1"].files == ("src/api/routes.ts", "src/api/index.ts")


def test_openspec_ids_begin_with_the_change_and_run_in_order() -> None:
    found = tasks("openspec")
    assert needs(found, "add-deps.2.1") == {"add-deps.1.2", "add-deps.1.1"}
    assert found["add-deps.1.2"].acceptance_criteria == ("with a test",)
    assert found["add-deps.1.1"].phase == "1. Metadata"


def test_a_checklist_implies_no_order_and_understands_short_forms() -> None:
    found = tasks("checklist")
    limit = found["rate-limiter"]
    assert (limit.name, limit.priority, limit.estimated_hours) == ("Limit requests", 2, 3.0)
    assert limit.dependencies == ("settings",)
    assert limit.files == ("src/limit.py", "tests/test_limit.py")
    assert limit.acceptance_criteria == ("429 after 10 calls per second",)
    assert limit.description == "Text of the task."
    assert found["old-idea"].status is Status.CANCELLED
    assert found["done-thing"].status is Status.COMPLETED
    assert not found["settings"].dependencies


def test_a_struck_through_item_is_cancelled() -> None:
    found = tasks("checklist without headings")
    assert (found["four"].name, found["four"].status) == ("four", Status.CANCELLED)
    assert found["two"].acceptance_criteria == ("nested with a tab",)


def test_a_checklist_line_in_a_fence_or_comment_is_counted_as_left_out() -> None:
    left_out = {(entry.line, entry.detail) for entry in read("spec-kit").left_out()}
    lines = SAMPLES["spec-kit"].text.split("\n")
    assert (lines.index("- [ ] T999 not a task") + 1, "a checklist line in a comment") in left_out
    assert (lines.index("- [ ] T998 a sample") + 1, "a checklist line in a code fence") in left_out


def test_an_unclosed_fence_is_a_warning_that_counts_the_hidden_lines() -> None:
    (warning,) = read("checklist", "- [ ] a\n\n```\n- [ ] b\n- [ ] c\n").warnings
    assert warning.line == 3
    assert "2 checklist lines" in warning.message


def test_a_long_text_gives_a_short_name_and_is_kept_in_full() -> None:
    (task,) = tasks("checklist", "- [ ] " + "word " * 100 + "\n").values()
    assert len(task.name) < 170
    assert task.description.count("word") == 100


def test_a_path_that_leaves_the_project_is_reported_and_not_used() -> None:
    plan = read("checklist", "- [ ] a\n  - files: ../x.py, /etc/passwd, b.py\n")
    assert plan.tasks[0].files == ("b.py",)
    assert sum(entry.became is Became.LEFT_OUT for entry in plan.entries) == 2
