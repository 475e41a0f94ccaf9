"""A plan is imported in the browser alone: pasted or chosen, previewed, and imported."""

from __future__ import annotations

from pathlib import Path

import pytest
from accessibility import assert_fits_everybody
from playwright.sync_api import Page, expect
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.models import Status, TaskSpec, Verb
from swarm_shared.taskfile.reader import read_task_file
from swarm_shared.text_import import MAX_BYTES

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=alert(1)>"
PLAN = f"# Plan\n\n## Core\n- [x] Write the parser\n- [ ] Print {HOSTILE}\n\n```\n- [ ] a sample {HOSTILE}\n```\n"


@pytest.fixture
def importing(page: Page) -> Page:
    page.click('#nav a[data-screen="tasks"]')
    page.get_by_role("button", name="Import tasks…").click()
    return page


def test_a_pasted_plan_is_reported_and_imported(harness: SteeredQueue, importing: Page, seen: Watched) -> None:
    dialog = importing.get_by_role("dialog")
    yes = dialog.get_by_role("button", name="Import", exact=True)
    expect(yes).to_be_disabled()
    dialog.get_by_label("Plan").fill(PLAN)
    dialog.get_by_label("Name or path").fill("TODO.md")
    expect(dialog).to_contain_text("2 tasks: 2 new. Read as Markdown checklist.")
    expect(dialog.locator(".report-list.tasks")).to_contain_text(f"Print {HOSTILE}")
    expect(dialog.locator(".report-list.left-out")).to_contain_text("a checklist line in a code fence")
    expect(dialog.locator(".report-list.left-out")).to_contain_text("line 8")
    yes.click()
    row = harness.carry_out()
    assert (row.verb, dict(row.argument)) == (Verb.IMPORT, {"name": "TODO.md"})
    expect(importing.locator("#notices")).to_contain_text("imported 2 of 2 tasks")
    expect(importing.locator("table.tasks tbody tr")).to_have_count(2)
    assert sorted(harness.db.tasks.counts()) == sorted([Status.COMPLETED, Status.NOT_STARTED])


def test_the_report_is_accessible_and_fits_a_phone(importing: Page, seen: Watched) -> None:
    dialog = importing.get_by_role("dialog")
    dialog.get_by_label("Plan").fill(PLAN + "- [ ] " + "long" * 100 + "\n")
    expect(dialog.locator(".report-list.tasks")).to_contain_text("Write the parser")
    assert_fits_everybody(importing)


def test_a_chosen_file_with_problems_shows_their_lines_until_it_is_corrected(
    harness: SteeredQueue, importing: Page, tmp_path: Path, seen: Watched
) -> None:
    file = tmp_path / "tasks.yaml"
    file.write_text("tasks:\n  - {id: a, name: A}\n  - {id: b, dependencies: [nope]}\n")
    dialog = importing.get_by_role("dialog")
    dialog.get_by_label("File", exact=True).set_input_files(file)
    expect(dialog.locator(".report-list.problems")).to_contain_text("line 3")
    yes = dialog.get_by_role("button", name="Import", exact=True)
    expect(yes).to_be_disabled()
    text = dialog.get_by_label("Plan")
    text.fill(text.input_value().replace("{id: b, dependencies: [nope]}", "{id: b, name: B, dependencies: [a]}"))
    expect(dialog).to_contain_text("2 tasks: 2 new.")
    expect(dialog.locator(".report-list.tasks")).to_contain_text("after a")
    yes.click()
    harness.carry_out()
    expect(importing.locator("#notices")).to_contain_text("imported 2 of 2 tasks")
    assert harness.status("b") is Status.BLOCKED


def test_a_change_after_the_report_requires_a_new_report(harness: SteeredQueue, importing: Page, seen: Watched) -> None:
    dialog = importing.get_by_role("dialog")
    dialog.get_by_label("Plan").fill("tasks:\n  - {id: a, name: A}\n")
    yes = dialog.get_by_role("button", name="Import", exact=True)
    expect(yes).to_be_enabled()
    dialog.get_by_label("Plan").press_sequentially(" ")
    assert yes.is_disabled(), "at once, before the next report is there"
    expect(yes).to_be_enabled()


def test_the_palette_opens_it_and_files_that_are_too_large_or_not_text_are_explained(
    harness: SteeredQueue, page: Page, tmp_path: Path, seen: Watched
) -> None:
    page.keyboard.press("Control+k")
    page.keyboard.type("import")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("select option")).not_to_have_count(1)
    large, binary = tmp_path / "large.md", tmp_path / "binary.md"
    large.write_text("- [ ] x\n" * (MAX_BYTES // 8 + 1))
    binary.write_bytes(b"- [ ] \xff\xfe\n")
    dialog.get_by_label("File", exact=True).set_input_files(large)
    expect(dialog).to_contain_text("up to 400 KiB can be imported here")
    dialog.get_by_label("File", exact=True).set_input_files(binary)
    expect(dialog).to_contain_text("binary.md is not UTF-8 text.")
    expect(dialog.get_by_role("button", name="Import", exact=True)).to_be_disabled()
    assert harness.db.control.pending() == []


def test_the_shown_tasks_are_saved_as_a_task_file(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", TaskSpec(id="b", name="B", status=Status.FAILED))
    page.click('#nav a[data-screen="tasks"]')
    page.locator(".filters").get_by_role("link", name="failed").click()
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export").click()
    assert downloading.value.suggested_filename == "tasks-failed.yaml"
    assert [task.id for task in read_task_file(None, downloading.value.path().read_bytes()).tasks] == ["b"]
    expect(page.locator('.notice[data-kind="done"]')).to_contain_text("1 task")
    page.locator(".filters").get_by_role("link", name="all").click()
    expect(page.locator("table.tasks tbody tr")).to_have_count(2)
    page.fill("#search-box", "id:a")
    expect(page.locator("table.tasks tbody tr")).to_have_count(1)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export").click()
    assert downloading.value.suggested_filename == "tasks-selected.yaml"
    found = read_task_file(None, downloading.value.path().read_bytes()).tasks
    assert [task.id for task in found] == ["a"]
