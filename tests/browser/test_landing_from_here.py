"""Landed work is merged into your branch from the dashboard alone: previewed, merged, and undone."""

from __future__ import annotations

from pathlib import Path

import pytest
from accessibility import assert_fits_everybody
from integration_harness import Run, adopt
from playwright.sync_api import Page, expect
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.models import TaskSpec, Verb

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def project(tmp_path: Path, harness: SteeredQueue) -> Run:
    """A repository of yours, with the work of two tasks landed and one task that failed."""
    run = Run(tmp_path / "with-git")
    run.land("parse", {"parser.py": "def parse(): ...\n", f"docs/{HOSTILE}.md": "x\n"})
    run.land("print", {"printer.py": "def print_tree(): ...\n", "a.txt": "one\n"})
    run.git("branch", "release")
    adopt(harness.db, run)
    harness.add(TaskSpec(id="docs", name="Write the manual"))
    return run


@pytest.fixture
def landing(project: Run, page: Page) -> Page:
    page.click('#nav a[data-screen="landing"]')
    page.get_by_role("button", name="Merge into main…").click()
    return page


def test_merging_is_previewed_requested_and_undone(
    harness: SteeredQueue, project: Run, landing: Page, seen: Watched
) -> None:
    dialog = landing.get_by_role("dialog")
    expect(dialog.locator("select")).to_have_value("main")
    expect(dialog).to_contain_text("Fast-forward: main has no other commits.")
    expect(dialog.locator("ol.arriving li")).to_contain_text(["print n", "parse n"])
    expect(dialog.locator("ul.arriving")).to_contain_text("parser.py")
    expect(dialog).to_contain_text(HOSTILE)
    expect(dialog).to_contain_text("1 not started: docs")
    expect(dialog).to_contain_text(f"The files in {project.root} are updated with it.")
    dialog.get_by_role("button", name="Merge", exact=True).click()
    row = harness.carry_out()
    assert (row.verb, row.target) == (Verb.LAND, "main")
    assert project.sha("main") == project.integration.tip()
    expect(landing.locator("#notices")).to_contain_text("main is now at")
    merged = landing.locator("table.merged tbody tr")
    expect(merged).to_have_count(1)
    expect(merged).to_contain_text("merged")
    landing.locator("#notices").get_by_role("button", name="Undo").click()
    assert harness.carry_out().argument["undo"] is True
    expect(merged).to_have_count(2)
    expect(merged.first).to_contain_text("undone")
    assert project.sha("main") == project.base
    assert project.git("status", "--porcelain") == ""


def test_preview_and_screen_are_accessible_and_fit_a_phone(
    harness: SteeredQueue, project: Run, landing: Page, seen: Watched
) -> None:
    expect(landing.locator("ol.arriving")).to_contain_text("print")
    assert_fits_everybody(landing)
    landing.get_by_role("dialog").get_by_role("button", name="Merge", exact=True).click()
    harness.carry_out()
    expect(landing.locator("table.merged")).to_contain_text("merged")
    assert_fits_everybody(landing)


def test_a_merge_that_would_be_refused_shows_the_reason_and_cannot_be_requested(
    harness: SteeredQueue, project: Run, page: Page, seen: Watched
) -> None:
    project.write({"a.txt": "mine\n"})
    page.click('#nav a[data-screen="landing"]')
    page.get_by_role("button", name="Merge into main…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("has changes that are not committed: a.txt")
    yes = dialog.get_by_role("button", name="Merge", exact=True)
    expect(yes).to_be_disabled()
    dialog.locator("select").select_option("release")
    expect(dialog).not_to_contain_text("not committed")
    expect(yes).to_be_enabled()
    dialog.get_by_role("button", name="Go back").click()
    assert harness.db.control.pending() == []


def test_a_conflict_lists_its_files(harness: SteeredQueue, project: Run, page: Page, seen: Watched) -> None:
    project.commit({"a.txt": "mine\n"})
    page.keyboard.press("Control+k")
    page.keyboard.type("merge landed")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("swarm/integration and main are in conflict: a.txt")
    expect(dialog.get_by_role("button", name="Merge", exact=True)).to_be_disabled()


def test_a_branch_that_moves_during_the_preview_is_not_merged_into(
    harness: SteeredQueue, project: Run, landing: Page, seen: Watched
) -> None:
    dialog = landing.get_by_role("dialog")
    expect(dialog).to_contain_text("Fast-forward")
    mine = project.commit({"mine": "1"})
    dialog.get_by_role("button", name="Merge", exact=True).click()
    harness.carry_out()
    expect(landing.locator("#notices")).to_contain_text("Refused: main has moved since the preview")
    assert project.sha("main") == mine
