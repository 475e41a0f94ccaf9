"""Ticking the item of one task in a tree: the plan is found below the project folder; failures are reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Harness

from swarm_shared.domain.models import Source
from swarm_shared.git.plumbing.trees import text_at
from swarm_worker.landing.plan_sync import NOT_TICKED, TICKED, PlanSync

BELOW = "services/api"
PATH = "specs/x/tasks.md"
PLAN = "# Tasks\n\n- [ ] T001 Do it\n- [x] T002 Done\n"


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path, files={f"{BELOW}/{PATH}": PLAN, f"{BELOW}/a.bin": b"\xff"}, below=BELOW)


def finished(harness: Harness, source: Source | None) -> tuple[str, tuple[str, str] | None, bool]:
    """The plan afterwards, the report, and whether the tree is unchanged."""
    sync = PlanSync(harness.repo, source)
    tree = harness.repo.git.line("rev-parse", f"{harness.base}^{{tree}}")
    new = sync.finish(tree)
    file = text_at(harness.repo.git, new, f"{BELOW}/{PATH}")
    assert file is not None
    return file.text, sync.outcome, new == tree


def source(key: str, path: str = PATH, *, tick: bool = True) -> Source:
    return Source(format="spec-kit", path=path, key=key, tick=tick)


def test_a_plan_is_found_below_the_project_folder(harness: Harness) -> None:
    text, outcome, same = finished(harness, source("T001"))
    assert text == PLAN.replace("- [ ] T001", "- [x] T001")
    assert (outcome, same) == ((TICKED, f"T001 in {PATH}"), False)


def test_an_item_that_is_already_ticked_changes_nothing(harness: Harness) -> None:
    assert finished(harness, source("T002")) == (PLAN, (TICKED, f"T002 in {PATH}"), True)


@pytest.mark.parametrize("where", [source("T003"), source("T001", "gone.md"), source("T001", "a.bin")])
def test_an_item_that_cannot_be_ticked_is_reported_and_changes_nothing(harness: Harness, where: Source) -> None:
    text, outcome, same = finished(harness, where)
    assert (text, same) == (PLAN, True)
    assert outcome is not None
    assert outcome[0] == NOT_TICKED


def test_a_renamed_plan_is_found_at_its_new_path(harness: Harness) -> None:
    git, history = harness.repo.git, [harness.base]
    for old, new in ((PATH, "specs/y/tasks.md"), ("specs/y/tasks.md", "done/y.md")):
        (harness.root / BELOW / new).parent.mkdir(parents=True)
        (harness.root / BELOW / old).rename(harness.root / BELOW / new)
        history.append(harness.commit({f"{BELOW}/other.txt": new}))
    tree = git.line("rev-parse", f"{history[-1]}^{{tree}}")
    sync = PlanSync(harness.repo, source("T001"))
    file = text_at(git, sync.finish(tree, history=history), f"{BELOW}/done/y.md")
    assert file is not None
    assert file.text == PLAN.replace("- [ ] T001", "- [x] T001")
    assert sync.outcome == (TICKED, "T001 in done/y.md")


@pytest.mark.parametrize("where", [None, source("T001", tick=False)])
def test_a_task_without_a_place_to_tick_reports_nothing(harness: Harness, where: Source | None) -> None:
    assert finished(harness, where) == (PLAN, None, True)
