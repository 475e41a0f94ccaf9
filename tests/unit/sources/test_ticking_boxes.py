"""Marking an item of a Markdown plan as done changes its box and nothing else, wherever the item now is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_shared.sources.syntax.markdown import read_markdown
from swarm_shared.sources.ticking import tick
from swarm_shared.sources.ticks.boxes import Keyed, keyed_checklist, keyed_numbered, keyed_spec_kit

SPEC_KIT = """\
## Phase 1: Setup

- [ ] T001 Create the folders
- [X] T002 [P] Set up the linter
- [ ] **T003** Write the model
"""
KIRO = """\
# Implementation Plan

- [ ] 1. Storage
  - [x] 1.1 Schema
  - [ ] 1.2 Migrations
    - one file per step
  - [ ]* 1.3 Property tests
- [ ] 2. Cache
"""


def keys(found: Keyed) -> dict[str, str]:
    return {item.text: key for key, item in found}


def numbered(text: str) -> dict[str, str]:
    return keys(keyed_numbered(read_markdown(text).walk()))


def test_the_box_of_the_task_is_ticked_and_nothing_else_changes() -> None:
    assert tick("spec-kit", SPEC_KIT, "T001") == SPEC_KIT.replace("[ ] T001", "[x] T001")
    assert tick("spec-kit", SPEC_KIT, "T003") == SPEC_KIT.replace("[ ] **T003", "[x] **T003")


def test_a_ticked_box_is_unchanged() -> None:
    assert tick("spec-kit", SPEC_KIT, "T002") == SPEC_KIT


def test_a_missing_item_or_an_unknown_format_gives_none() -> None:
    assert tick("spec-kit", SPEC_KIT, "T004") is None
    assert tick("beads", SPEC_KIT, "T001") is None


def test_line_endings_and_a_missing_last_one_are_kept() -> None:
    text = SPEC_KIT.rstrip("\n").replace("\n", "\r\n")
    assert tick("spec-kit", text, "T003") == text.replace("[ ] **T003", "[x] **T003")


def test_a_group_is_ticked_with_the_last_of_its_required_sub_tasks() -> None:
    key = numbered(KIRO)["1.2 Migrations"]
    ticked = tick("kiro", KIRO, key)
    assert ticked == KIRO.replace("[ ] 1.2", "[x] 1.2").replace("[ ] 1. ", "[x] 1. ")


def test_a_group_is_not_ticked_while_one_of_its_sub_tasks_is_open() -> None:
    text = KIRO.replace("[x] 1.1", "[ ] 1.1")
    assert tick("kiro", text, numbered(text)["1.2 Migrations"]) == text.replace("[ ] 1.2", "[x] 1.2")


def test_a_numbered_item_is_found_by_its_text_after_it_was_renumbered() -> None:
    key = numbered(KIRO)["2. Cache"]
    later = KIRO.replace("- [ ] 2. Cache", "- [ ] 2. Index\n- [ ] 3. Cache")
    assert tick("kiro", later, key) == later.replace("[ ] 3. Cache", "[x] 3. Cache")


def test_the_number_alone_does_not_identify_an_item() -> None:
    key = numbered(KIRO)["2. Cache"]
    assert tick("kiro", KIRO.replace("2. Cache", "2. Something else"), key) is None


def test_an_item_that_moved_below_another_heading_is_found_unless_two_have_its_text() -> None:
    key = keys(keyed_checklist(read_markdown("## A\n- [ ] Paint\n").walk()))["Paint"]
    assert tick("checklist", "## B\n- [ ] Paint\n", key) == "## B\n- [x] Paint\n"
    assert tick("checklist", "## B\n- [ ] Paint\n## C\n- [ ] paint\n", key) is None


def test_the_criteria_below_an_item_are_ticked_with_it() -> None:
    text = "- [ ] api-1: Limit\n  - [ ] answers 429\n- [ ] api-2: Log\n"
    assert tick("checklist", text, "api-1") == text.replace("[ ] api-1", "[x] api-1").replace("[ ] ans", "[x] ans")


@pytest.mark.parametrize("fenced", ["```\n- [ ] T001 no\n```\n", "<!--\n- [ ] T001 no\n-->\n"])
def test_an_example_in_a_fence_or_comment_is_never_ticked(fenced: str) -> None:
    assert tick("spec-kit", fenced, "T001") is None
    assert tick("spec-kit", fenced + SPEC_KIT, "T001") == fenced + SPEC_KIT.replace("[ ] T001", "[x] T001")


_LINES = st.lists(
    st.sampled_from(
        ["- [ ] T001 One", "  - [ ] 1.1 Two", "* [x] Three", "# A", "## B", "", "text", "   text", "```", "<!--", "-->"]
    )
    | st.text(max_size=12).filter(lambda text: "\n" not in text),
    max_size=30,
)


@given(_LINES, st.data())
def test_ticking_any_item_changes_only_boxes_and_a_second_time_nothing(lines: list[str], data: st.DataObject) -> None:
    text = "\n".join(lines)
    dialect = data.draw(st.sampled_from(["spec-kit", "kiro", "checklist"]))
    keyed = {"spec-kit": keyed_spec_kit, "kiro": keyed_numbered, "checklist": keyed_checklist}[dialect]
    found = keyed(read_markdown(text).walk())
    assert len({key for key, _ in found}) == len(found)
    for key, item in found:
        ticked = tick(dialect, text, key)
        assert ticked is not None
        before, after = text.split("\n"), ticked.split("\n")
        assert after[item.line - 1].split("]")[0].endswith(("[x", "[X"))
        changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
        assert all(old[: old.index("[")] == new[: new.index("[")] for old, new in changed)
        assert all(old[old.index("[") + 2 :] == new[new.index("[") + 2 :] for old, new in changed)
        assert tick(dialect, ticked, key) == ticked
