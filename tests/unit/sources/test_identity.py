"""A later import of a plan finds the tasks of the earlier one, whatever was edited, moved or renumbered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_shared.domain.models import TaskSpec
from swarm_shared.sources.identity import Known, settle
from swarm_shared.sources.plans.plan import Options, Place
from swarm_shared.sources.reading import read_plan

KIRO = "- [ ] 1. Storage\n- [ ] 2. Cache layer\n- [ ] 3. Documentation\n"
TODO = "## A\n- [ ] Paint the door\n- [ ] Fix the lock\n## B\n- [ ] Sweep\n"


def specs(plan_format: str, text: str, path: str = "p/tasks.md") -> list[TaskSpec]:
    place = Place(file=path, path=path, in_project=True)
    return read_plan(plan_format, place, text.encode(), Options()).tasks


def queue(*listed: TaskSpec) -> dict[str, Known]:
    return {spec.id: Known(name=spec.name, source=spec.source) for spec in listed}


def ids(found: list[TaskSpec]) -> dict[str, str]:
    return {spec.name: spec.id for spec in found}


@pytest.mark.parametrize("text", [KIRO, TODO])
def test_the_same_plan_has_the_same_ids(text: str) -> None:
    before = specs("kiro", text)
    assert settle(before, queue(*before)) == before


def test_an_inserted_item_takes_no_id_from_those_that_it_renumbers() -> None:
    before = specs("kiro", KIRO)
    after = "- [ ] 1. Storage\n- [ ] 2. Index\n- [ ] 3. Cache layer\n- [ ] 4. Documentation\n"
    found = settle(specs("kiro", after), queue(*before))
    assert ids(found) == {"Storage": "1", "Index": "p.2", "Cache layer": "2", "Documentation": "3"}
    assert {spec.id: spec.dependencies for spec in found} == {"1": (), "p.2": ("1",), "2": ("p.2",), "3": ("2",)}


def test_an_edited_title_keeps_the_id() -> None:
    before = specs("checklist", TODO)
    found = settle(specs("checklist", TODO.replace("Paint the door", "Paint the front door")), queue(*before))
    assert ids(found)["Paint the front door"] == "paint-the-door"


def test_an_item_that_moved_below_another_heading_keeps_its_id() -> None:
    before = specs("checklist", TODO)
    found = settle(specs("checklist", "## B\n- [ ] Sweep\n- [ ] Paint the door\n"), queue(*before))
    assert ids(found) == {"Sweep": "sweep", "Paint the door": "paint-the-door"}


def test_a_different_text_at_the_same_number_is_a_new_task() -> None:
    before = specs("kiro", KIRO)
    found = settle(specs("kiro", KIRO.replace("Cache layer", "Publish to the store")), queue(*before))
    assert ids(found)["Publish to the store"] == "p.2"


def test_the_same_ids_of_another_plan_are_different_tasks() -> None:
    before = specs("spec-kit", "- [ ] T001 One\n", "specs/001-a/tasks.md")
    found = settle(specs("spec-kit", "- [ ] T001 Uno\n- [ ] T002 Dos\n", "specs/002-b/tasks.md"), queue(*before))
    assert ids(found) == {"Uno": "002-b.T001", "Dos": "T002"}
    assert found[1].dependencies == ("002-b.T001",)


def test_a_prefix_from_an_earlier_import_is_kept() -> None:
    before = specs("spec-kit", "- [ ] T001 One\n")
    known = {"p.T001": Known(name="One", source=before[0].source)}
    assert ids(settle(before, known)) == {"One": "p.T001"}


def test_a_task_without_a_source_is_the_same_only_if_it_has_the_same_name() -> None:
    (task,) = specs("spec-kit", "- [ ] T001 One\n")
    assert settle([task], {"T001": Known(name="One", source=None)})[0].id == "T001"
    assert settle([task], {"T001": Known(name="Mine", source=None)})[0].id == "p.T001"


def test_tasks_without_a_source_are_left_unchanged() -> None:
    task = TaskSpec(id="a", name="A")
    assert settle([task], {"a": Known(name="B", source=None)}) == [task]


_TITLES = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=8, unique=True)


@given(_TITLES, st.randoms())
def test_any_order_of_any_of_the_items_keeps_their_ids(titles: list[str], random: object) -> None:
    words = [f"{title * 9} task" for title in titles]
    before = specs("kiro", "".join(f"- [ ] {n}. {word}\n" for n, word in enumerate(words, 1)))
    shuffled = list(words)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    after = specs("kiro", "".join(f"- [ ] {n}. {word}\n" for n, word in enumerate(shuffled, 1)))
    assert ids(settle(after, queue(*before))) == ids(before)


SPEC = "## Setup\n- [ ] T001 Create the folders\n- [ ] T002 Write the model\n- [ ] T003 Test it\n"


def test_a_plan_whose_file_was_renamed_keeps_its_tasks() -> None:
    before = specs("spec-kit", SPEC, "specs/001-a/tasks.md")
    after = specs("spec-kit", SPEC.replace("Test it", "Test all of it"), "specs/001-b/tasks.md")
    found = settle(after, queue(*before), gone={"specs/001-a/tasks.md"})
    assert [spec.id for spec in found] == ["T001", "T002", "T003"]
    assert [spec.id for spec in settle(after, queue(*before))] == ["001-b.T001", "001-b.T002", "001-b.T003"]


def test_another_plan_is_not_mistaken_for_a_missing_one() -> None:
    before = specs("spec-kit", SPEC, "specs/001-a/tasks.md")
    other = "## Setup\n- [ ] T001 Create the folders\n- [ ] T002 Paint\n- [ ] T003 Ship\n"
    found = settle(specs("spec-kit", other, "specs/002-b/tasks.md"), queue(*before), gone={"specs/001-a/tasks.md"})
    assert [spec.id for spec in found] == ["002-b.T001", "002-b.T002", "002-b.T003"]


def test_a_task_of_backlog_md_keeps_its_id_when_its_new_title_renames_its_file() -> None:
    text = "---\nid: BACK-3\ntitle: {}\nstatus: To Do\n---\n"
    before = specs("backlog.md", text.format("Old"), "backlog/tasks/back-3 - Old.md")
    after = specs("backlog.md", text.format("New"), "backlog/tasks/back-3 - New.md")
    assert [spec.id for spec in settle(after, queue(*before))] == ["BACK-3"]
    elsewhere = specs("backlog.md", text.format("New"), "web/backlog/tasks/back-3 - New.md")
    assert [spec.id for spec in settle(elsewhere, queue(*before))] == ["tasks.BACK-3"]
