"""Shapes that sprints of BMAD have in real repositories, beyond the tool's own template."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarm_shared.domain.models import Status
from swarm_shared.sources.plans.plan import Options, Plan
from swarm_shared.sources.reading import place_of, read_plan, recognize

COMMENTED = """\
# Sprint status
# generated: 2025-11-25
# story_location: docs/stories

# STATUS DEFINITIONS:
# - drafted: Story file created

development_status:
  # Epic 1: Foundation
  epic-1: contexted
  1-1-set-up: done  # merged
  1-2a-accounts: drafted

  epic-2: backlog
  2-1-reports: review
  2-2-export: blocked
  epic-2-retrospective: optional
"""
OLDER_STORY = """\
# Story 1.2a: Accounts

Status: Draft

## Story

**As a** user, **I want** an account

## Acceptance Criteria (BDD)

- Given a visitor, when she signs up, then she has one
1. The form is in `src/form.tsx`

## Tasks / Subtasks

- [x] Task 1: Model (AC: #1)
- [ ] Task 2: Form (AC: #2)
  - [ ] Validate it

## Change Log

| Date | Change |
"""


def sprint(root: Path, text: str, stories: dict[str, str], *, folder: str = "stories") -> Plan:
    place = root / "docs" / "sprint-artifacts"
    (place / folder).mkdir(parents=True)
    for name, story in stories.items():
        (place / folder / name).write_text(story)
    (place / "sprint-status.yaml").write_text(text)
    at = place_of(place / "sprint-status.yaml", root=root)
    assert recognize(at, text.encode()) == "bmad"
    return read_plan("bmad", at, text.encode(), Options())


def test_stories_may_be_in_a_subfolder_and_metadata_in_comments(tmp_path: Path) -> None:
    names = ("1-1-set-up", "1-2a-accounts", "2-1-reports", "2-2-export")
    plan = sprint(tmp_path, COMMENTED, {f"{name}.md": OLDER_STORY for name in names})
    assert [task.id for task in plan.tasks] == list(names)
    assert [task.status for task in plan.tasks] == [
        *(Status.COMPLETED, Status.NOT_STARTED, Status.HELD, Status.HELD),
    ]
    assert [task.phase for task in plan.tasks] == ["Epic 1", "Epic 1", "Epic 2", "Epic 2"]
    assert not plan.warnings


def test_an_older_story_has_its_criteria_and_tasks(tmp_path: Path) -> None:
    plan = sprint(tmp_path, COMMENTED, {"1-2a-accounts.md": OLDER_STORY})
    (task,) = plan.tasks
    assert task.name == "Accounts"
    assert task.acceptance_criteria == (
        "Given a visitor, when she signs up, then she has one",
        "The form is in `src/form.tsx`",
    )
    assert "Task 2: Form" in task.description
    assert "| Date |" not in task.description
    lines = {
        (entry.file.rpartition("/")[2], line) for entry in plan.entries for line in range(entry.line, entry.last + 1)
    }
    assert {line for file, line in lines if file.endswith(".yaml")} == set(range(1, COMMENTED.count("\n") + 1))
    assert {line for file, line in lines if file.endswith(".md")} == set(range(1, OLDER_STORY.count("\n") + 1))


@pytest.mark.parametrize("location", ["{project-root}/docs/stories", '"docs/stories"', "docs/stories"])
def test_stories_are_where_the_plan_says(tmp_path: Path, location: str) -> None:
    (tmp_path / "docs" / "stories").mkdir(parents=True)
    (tmp_path / "docs" / "stories" / "1-1-a.md").write_text("# Story 1.1: There\n")
    text = f"story_location: {location}\ndevelopment_status:\n  epic-1: backlog\n  1-1-a: ready-for-dev\n"
    (task,) = sprint(tmp_path, text, {"1-1-a.md": "# Story 1.1: Beside\n"}).tasks
    assert task.name == "There"
