"""Actions on many tasks from the list: by selection, by keyboard, and on everything that matches, counted first."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route, expect
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched, wait_for
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb

pytestmark = pytest.mark.browser


def fail(harness: SteeredQueue, *ids: str, error: str = "tests are red") -> None:
    harness.add(*(TaskSpec(id=task_id, name=f"task {task_id}", max_retries=0) for task_id in ids))
    for _ in ids:
        harness.run(failed(FailureClass.QUALITY, error))


@pytest.fixture
def listed(harness: SteeredQueue, page: Page, running: RunningDashboard) -> Page:
    """The list of tasks: three failed, two ready."""
    fail(harness, "1", "2", "3")
    harness.add("4", "5")
    page.goto(f"{running.url}/tasks")
    expect(page.locator("tbody tr")).to_have_count(5)
    return page


def test_an_action_on_selected_tasks_is_one_row(harness: SteeredQueue, listed: Page, seen: Watched) -> None:
    listed.check("[data-pick='1']")
    listed.click("[data-pick='4']", modifiers=["Shift"])
    bar = listed.locator(".bulk")
    expect(bar).to_contain_text("4 tasks selected")
    expect(bar.locator("[data-verb='retry']")).to_have_text("Retry 3")
    expect(bar.locator("[data-verb='kill']")).to_be_disabled()
    bar.locator("[data-verb='retry']").click()
    expect(listed.locator("#dialog")).to_contain_text("3 tasks Skipped: 1 ready.")
    listed.fill("#dialog textarea", "mind the order")
    listed.click("#dialog >> text=Retry >> nth=-1")
    row = harness.carry_out()
    assert row.verb is Verb.BULK
    assert dict(row.argument) == {"verb": "retry", "ids": ["1", "2", "3"], "argument": {"note": "mind the order"}}
    expect(listed.locator(".notice")).to_contain_text("Retry: 3 done")
    expect(bar).to_be_hidden()
    assert harness.status("3") is Status.NOT_STARTED


def test_matching_tasks_are_counted_before_the_action(harness: SteeredQueue, listed: Page, seen: Watched) -> None:
    listed.click("text=Act on all 5")
    expect(listed.locator(".bulk")).to_contain_text("Everything that matches")
    listed.click(".bulk [data-verb='hold']")
    expect(listed.locator(".counting")).to_have_text("2 tasks Skipped: 3 failed.")
    listed.keyboard.press("Enter")  # the harmless button has the focus
    assert harness.db.control.newest(limit=1) == []
    listed.click(".bulk [data-verb='hold']")
    listed.click("#dialog button.primary")
    row = harness.carry_out()
    assert row.argument["verb"] == "hold"
    assert "ids" not in row.argument
    assert [harness.status(i) for i in "345"] == [Status.FAILED, Status.HELD, Status.HELD]


def test_a_search_is_counted_completely_before_it_can_be_confirmed(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    fail(harness, "a", "b", error="timeout of the server")
    fail(harness, "c")
    held: list[Route] = []
    page.route(re.compile("/api/count"), lambda route: held.append(route))
    page.goto(f"{running.url}/tasks?q=error:timeout")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.click("text=/Act on all/")
    page.click(".bulk [data-verb='retry']")
    expect(page.locator("#dialog button.primary")).to_be_disabled()
    expect(page.locator(".counting")).to_have_text("Counting…")
    wait_for(lambda: page.evaluate("1") and held)
    [route] = held
    part = {"matching": 10_000, "meant": 9_000, "left_alone": {"completed": 1000}, "cursor": 77}
    route.fulfill(json=part)
    expect(page.locator(".counting")).to_contain_text("9,000+ tasks, still counting")
    expect(page.locator("#dialog button.primary")).to_be_disabled()
    wait_for(lambda: page.evaluate("1") and len(held) == 2)
    assert "cursor=77" in held[1].request.url
    part = {"matching": 2, "meant": 2, "left_alone": {}, "cursor": None}
    held[1].fulfill(json=part)
    expect(page.locator(".counting")).to_have_text("9,002 tasks Skipped: 1,000 completed.")
    page.click("#dialog button.primary")
    row = harness.carry_out()
    assert row.argument["filter"]["error"] == "timeout"
    assert [harness.status(i) for i in "abc"] == [Status.NOT_STARTED, Status.NOT_STARTED, Status.FAILED]


def test_rows_are_selected_by_keyboard_and_stay_selected_while_the_list_changes(
    harness: SteeredQueue, listed: Page, seen: Watched
) -> None:
    listed.keyboard.press("j")
    listed.keyboard.press("x")
    listed.keyboard.press("j")
    listed.keyboard.press("x")
    listed.keyboard.press("x")
    expect(listed.locator(".bulk")).to_contain_text("1 task selected")
    harness.add("6")
    listed.evaluate("document.activeElement.blur()")
    expect(listed.locator("tbody tr")).to_have_count(6)
    expect(listed.locator("[data-pick='1']")).to_be_checked()
    expect(listed.locator("[data-pick='2']")).not_to_be_checked()
    listed.click('.tabs a[data-group="failed"]')
    expect(listed.locator("tbody tr")).to_have_count(3)
    expect(listed.locator(".bulk")).to_be_hidden()  # a different filter clears the selection


def test_a_bulk_action_is_reported_in_the_audit(harness: SteeredQueue, listed: Page, running: RunningDashboard) -> None:
    listed.check("[data-pick-all]")
    listed.click(".bulk [data-verb='cancel']")
    listed.click("#dialog button.danger")
    harness.carry_out()
    listed.goto(f"{running.url}/audit")
    expect(listed.locator("tbody tr")).to_contain_text("cancel many")
    expect(listed.locator("tbody tr")).to_contain_text("cancel: 5 done")
