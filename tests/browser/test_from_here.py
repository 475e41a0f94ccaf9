"""Everything can be done from the dashboard: by palette, search, click and form, and undone if that is possible."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from steered_queue import SteeredQueue

from browser import Watched, wait_for
from swarm_shared.domain.models import Status, TaskSpec, Verb

pytestmark = pytest.mark.browser


@pytest.fixture
def listed(harness: SteeredQueue, page: Page) -> Page:
    harness.add(
        TaskSpec(id="parse", name="Write the parser", phase="core", priority=1),
        TaskSpec(id="print", name="Print a tree", phase="core", dependencies=("parse",)),
        TaskSpec(id="docs", name="Write the manual", phase="big plan", priority=4),
    )
    page.click('#nav a[data-screen="tasks"]')
    expect(page.locator("table.tasks tbody tr")).to_have_count(3)
    return page


def ids(page: Page) -> list[str]:
    return page.locator("table.tasks tbody tr a[data-row]").all_inner_texts()


# ───── the palette ─────


def test_the_palette_opens_screens_tasks_and_requests(harness: SteeredQueue, listed: Page, seen: Watched) -> None:
    press = listed.keyboard.press
    press("Control+k")
    listed.keyboard.type("landing")
    press("Enter")
    expect(listed.locator('#nav a[data-screen="landing"]')).to_have_attribute("aria-current", "page")
    press("Control+k")
    listed.keyboard.type("manual")
    expect(listed.locator("#palette li")).to_contain_text(["docs Write the manual"])
    press("Enter")
    expect(listed.locator("h1")).to_have_text("Write the manual")
    press("Control+k")
    listed.keyboard.type("hold")
    press("Enter")
    row = harness.carry_out()
    assert (row.verb, row.target) == (Verb.HOLD, "docs")
    press("Control+k")
    press("Escape")
    expect(listed.locator("#palette")).not_to_be_visible()


# ───── rows and columns ─────


def test_a_click_anywhere_on_a_row_opens_it_and_controls_keep_their_function(listed: Page, seen: Watched) -> None:
    row = listed.locator('tr[data-key="docs"]')
    row.locator('input[type="checkbox"]').click()
    expect(listed.locator(".bulk")).to_contain_text("1 task selected")
    row.locator("td.c-phase").click()
    expect(listed.locator("h1")).to_have_text("Write the manual")


def test_columns_sort_ascending_descending_and_back(listed: Page, seen: Watched) -> None:
    assert ids(listed) == ["parse", "print", "docs"]
    heading = listed.locator("th", has_text="Task")
    heading.locator("a").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert ids(listed) == ["docs", "parse", "print"]
    heading.locator("a").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert ids(listed) == ["print", "parse", "docs"]
    heading.locator("a").click()
    expect(heading).not_to_have_attribute("aria-sort", re.compile(".*"))
    assert ids(listed) == ["parse", "print", "docs"]


def test_the_same_rows_as_a_board_by_status_or_phase(listed: Page, seen: Watched) -> None:
    layout = listed.get_by_role("navigation", name="Layout")
    layout.get_by_role("link", name="Phases").click()
    expect(listed.locator(".board section")).to_have_count(2)
    expect(listed.locator(".board section", has_text="big plan")).to_contain_text("Write the manual")
    layout.get_by_role("link", name="Board").click()
    expect(listed.locator(".board section")).to_have_count(1)  # a blocked task has not started either
    listed.locator(".board li", has_text="docs").click()
    expect(listed.locator("h1")).to_have_text("Write the manual")


# ───── the search ─────


def test_the_list_follows_the_search_and_stays_while_the_search_is_invalid(listed: Page, seen: Watched) -> None:
    listed.click("#search-box")
    listed.keyboard.type("manual")
    expect(listed.locator("table.tasks tbody tr")).to_have_count(1)
    listed.fill("#search-box", "")
    expect(listed.locator("table.tasks tbody tr")).to_have_count(3)
    seen.errors.clear()
    listed.keyboard.type("status:fai")
    expect(listed.locator("#search-note")).to_contain_text("unknown status")
    expect(listed.locator("table.tasks tbody tr")).to_have_count(3)
    listed.keyboard.type("led")
    expect(listed.locator("main")).to_contain_text("No task matches.")
    expect(listed.locator("#search-note")).to_be_empty()
    seen.errors.clear()  # the browser logs every response that is a refusal


def test_qualifiers_and_values_are_offered(listed: Page, seen: Watched) -> None:
    offered = listed.locator("#search-completions option")
    listed.click("#search-box")
    listed.keyboard.type("ph")
    expect(offered).to_have_count(1)
    assert offered.evaluate_all("all => all.map(one => one.value)") == ["phase:"]
    listed.fill("#search-box", "phase:b")
    expect(listed.locator("#search-completions option[value='phase:\"big plan\"']")).to_have_count(1)


def test_a_search_is_saved_and_found_again(listed: Page, seen: Watched) -> None:
    listed.fill("#search-box", "phase:core")
    listed.keyboard.press("Enter")
    expect(listed.locator("table.tasks tbody tr")).to_have_count(2)
    listed.get_by_role("button", name="save this search").click()
    listed.goto(listed.url.partition("?")[0])
    expect(listed.locator("table.tasks tbody tr")).to_have_count(3)
    listed.get_by_role("navigation", name="Saved searches").get_by_role("link", name="phase:core").click()
    expect(listed.locator("table.tasks tbody tr")).to_have_count(2)


# ───── requests ─────


def test_a_hold_is_undone_from_its_notice(harness: SteeredQueue, listed: Page, seen: Watched) -> None:
    listed.locator('tr[data-key="docs"] a').click()
    listed.click('.actions [data-verb="hold"]')
    harness.carry_out()
    assert harness.status("docs") is Status.HELD
    listed.get_by_role("button", name="Undo").click()
    assert harness.carry_out().verb is Verb.RELEASE
    assert harness.status("docs") is Status.NOT_STARTED


def test_a_task_is_added_with_a_form(harness: SteeredQueue, listed: Page, seen: Watched) -> None:
    listed.get_by_role("button", name="Add task…").click()
    dialog = listed.locator("#dialog")
    dialog.get_by_role("button", name="Add").click()
    expect(dialog).to_be_visible()  # without a name it is not a task
    dialog.get_by_label("Name", exact=True).fill("Check the spelling")
    dialog.get_by_label("Depends on (ids)").fill("docs, print")
    dialog.get_by_label("Hold it until I release it").check()
    dialog.get_by_role("button", name="Add").click()
    row = harness.carry_out()
    assert (row.verb, row.argument["hold"]) == (Verb.ADD, True)
    expect(listed.locator("table.tasks tbody tr", has_text="Check the spelling")).to_contain_text("held")
    assert harness.task("check-the-spelling")["dependencies"] == ["print", "docs"]


def test_a_task_is_edited_and_the_edit_is_undone(harness: SteeredQueue, listed: Page, seen: Watched) -> None:
    listed.locator('tr[data-key="docs"] a').click()
    listed.get_by_role("button", name="Edit…").click()
    dialog = listed.locator("#dialog")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("Write the manual")
    dialog.get_by_label("Name", exact=True).fill("Write the handbook")
    dialog.get_by_role("button", name="Save").click()
    row = harness.carry_out()
    assert dict(row.argument) == {"set": {"name": "Write the handbook"}, "was": {"name": "Write the manual"}}
    expect(listed.locator("h1")).to_have_text("Write the handbook")
    listed.get_by_role("button", name="Undo").click()
    harness.carry_out()
    expect(listed.locator("h1")).to_have_text("Write the manual")


def test_ids_and_commands_can_be_copied(listed: Page, seen: Watched) -> None:
    listed.context.grant_permissions(["clipboard-read", "clipboard-write"])
    listed.locator('tr[data-key="docs"] a').click()
    listed.get_by_role("button", name="Copy docs").click()
    wait_for(lambda: listed.evaluate("navigator.clipboard.readText()") == "docs", on=listed)


# ───── screens ─────


def test_logs_of_running_tasks_are_shown_side_by_side(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", "b")
    for number, text in ((1, b"of a\n"), (2, b"of b\n")):
        harness.start(f"worker-{number}")
        session = harness.db.connection.value("SELECT max(id) FROM sessions")
        harness.db.output.append(session, [(1, text)], position=0, limit_bytes=10**6)
    page.click("text=logs side by side")
    expect(page.locator('section[aria-label="Log of a"] .row')).to_have_text(["of a\n"])
    expect(page.locator('section[aria-label="Log of b"] .row')).to_have_text(["of b\n"])
    page.get_by_role("button", name="Remove the log of a").click()
    expect(page.locator(".logs section")).to_have_count(1)
    page.get_by_label("Add a log").select_option("a")
    expect(page.locator(".logs section")).to_have_count(2)


def test_settings_are_shown_and_secrets_are_not(page: Page, seen: Watched) -> None:
    page.goto(page.url.partition("#")[0] + "settings")
    row = page.locator('tr[data-key="max_retries"]')
    expect(row).to_contain_text("The number of further attempts after the first one.")
    expect(page.locator('tr[data-key="dashboard_token"]')).to_contain_text("–")


def test_a_refused_task_can_be_edited_again_with_everything_that_was_typed(
    harness: SteeredQueue, listed: Page, seen: Watched
) -> None:
    listed.get_by_role("button", name="Add task…").click()
    dialog = listed.locator("#dialog")
    dialog.get_by_label("Name", exact=True).fill("Checkout page")
    dialog.get_by_label("Description").fill("Pay for the basket.")
    dialog.get_by_label("Depends on (ids)").fill("parse, nope")
    dialog.get_by_role("button", name="Add", exact=True).click()
    harness.carry_out()
    notice = listed.locator('.notice[data-kind="refused"]')
    expect(notice).to_contain_text("nope")
    notice.get_by_role("button", name="Edit again…").click()
    expect(dialog.get_by_label("Description")).to_have_value("Pay for the basket.")
    dialog.get_by_label("Depends on (ids)").fill("parse, docs")
    dialog.get_by_role("button", name="Add", exact=True).click()
    assert harness.carry_out().argument["task"]["dependencies"] == ["parse", "docs"]


def test_after_an_offered_id_the_next_one_can_be_typed_at_once(listed: Page, seen: Watched) -> None:
    listed.get_by_role("button", name="Add task…").click()
    field = listed.locator("#dialog").get_by_label("Depends on (ids)")
    field.focus()
    field.evaluate(
        """field => {
            field.value = "docs";
            field.dispatchEvent(new InputEvent("input", { inputType: "insertReplacementText" }));
        }"""
    )
    listed.keyboard.type("pars")
    expect(field).to_have_value("docs, pars")


def test_ids_of_tasks_are_suggested_while_dependencies_are_typed(listed: Page, seen: Watched) -> None:
    listed.get_by_role("button", name="Add task…").click()
    listed.locator("#dialog").get_by_label("Depends on (ids)").fill("docs, pars")
    expect(listed.locator("#known-ids option")).to_have_count(1)  # until then, those for what was typed before
    expect(listed.locator("#known-ids option")).to_have_attribute("value", "docs, parse")
