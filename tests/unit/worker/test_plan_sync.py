"""The item of one task, ticked in a tree: found below the project's folder, reported where that cannot be done."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Desk

from swarm_shared.domain.models import Source
from swarm_shared.git.plumbing.trees import text_at
from swarm_worker.landing.plan_sync import NOT_TICKED, TICKED, PlanSync

BELOW = "services/api"
PATH = "specs/x/tasks.md"
PLAN = "# Tasks\n\n- [ ] T001 Do it\n- [x] T002 Done\n"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, files={f"{BELOW}/{PATH}": PLAN, f"{BELOW}/a.bin": b"\xff"}, below=BELOW)


def finished(desk: Desk, source: Source | None) -> tuple[str, tuple[str, str] | None, bool]:
    """The plan afterwards, what is reported, and whether the tree is the same."""
    sync = PlanSync(desk.repo, source)
    tree = desk.repo.git.line("rev-parse", f"{desk.base}^{{tree}}")
    new = sync.finish(tree)
    file = text_at(desk.repo.git, new, f"{BELOW}/{PATH}")
    assert file is not None
    return file.text, sync.outcome, new == tree


def source(key: str, path: str = PATH, *, tick: bool = True) -> Source:
    return Source(format="spec-kit", path=path, key=key, tick=tick)


def test_a_plan_is_found_below_the_project_s_folder(desk: Desk) -> None:
    text, outcome, same = finished(desk, source("T001"))
    assert text == PLAN.replace("- [ ] T001", "- [x] T001")
    assert (outcome, same) == ((TICKED, f"T001 in {PATH}"), False)


def test_an_item_that_is_ticked_already_changes_nothing(desk: Desk) -> None:
    assert finished(desk, source("T002")) == (PLAN, (TICKED, f"T002 in {PATH}"), True)


@pytest.mark.parametrize("where", [source("T003"), source("T001", "gone.md"), source("T001", "a.bin")])
def test_what_cannot_be_ticked_is_reported_and_changes_nothing(desk: Desk, where: Source) -> None:
    text, outcome, same = finished(desk, where)
    assert (text, same) == (PLAN, True)
    assert outcome is not None
    assert outcome[0] == NOT_TICKED


def test_a_plan_that_was_renamed_is_found_at_its_new_place(desk: Desk) -> None:
    git, history = desk.repo.git, [desk.base]
    for old, new in ((PATH, "specs/y/tasks.md"), ("specs/y/tasks.md", "done/y.md")):
        (desk.root / BELOW / new).parent.mkdir(parents=True)
        (desk.root / BELOW / old).rename(desk.root / BELOW / new)
        history.append(desk.commit({f"{BELOW}/other.txt": new}))
    tree = git.line("rev-parse", f"{history[-1]}^{{tree}}")
    sync = PlanSync(desk.repo, source("T001"))
    file = text_at(git, sync.finish(tree, history=history), f"{BELOW}/done/y.md")
    assert file is not None
    assert file.text == PLAN.replace("- [ ] T001", "- [x] T001")
    assert sync.outcome == (TICKED, "T001 in done/y.md")


@pytest.mark.parametrize("where", [None, source("T001", tick=False)])
def test_a_task_without_a_place_to_tick_has_nothing_to_report(desk: Desk, where: Source | None) -> None:
    assert finished(desk, where) == (PLAN, None, True)
