"""Desktop notifications: only after a click, only while the page is in the background, and once per event."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import RunningDashboard, context_of, watch
from swarm_shared.domain.models import FailureClass
from swarm_shared.store.queue.policy import Budgets

# A test cannot read the browser's own notifications. `granted` is the user's decision.
STAND_IN = """
window.shown = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (this.permission = window.answer ?? "granted"); }
  constructor(title, options) { window.shown.push([title, options.body]); }
};
Document.prototype.hasFocus = () => window.inFront === true;
"""


@pytest.fixture
def page(browser: Browser, running: RunningDashboard) -> Iterator[Page]:
    context = context_of(browser)
    context.add_init_script(STAND_IN)
    opened = context.new_page()
    noted = watch(opened)
    opened.goto(running.link)
    opened.wait_for_selector('#chip[data-state="live"]')
    yield opened
    noted.assert_clean()
    context.close()


def fail_one(harness: SteeredQueue, page: Page, task: str, needing: int) -> None:
    harness.budgets = Budgets(max_retries=0)
    harness.add(task)
    harness.run(failed(FailureClass.QUALITY, f"{task} broke"))
    expect(page.locator(".columns section", has_text="Needs you").first.locator("li")).to_have_count(needing)


def test_nothing_is_shown_before_the_user_has_enabled_it(harness: SteeredQueue, page: Page) -> None:
    fail_one(harness, page, "a", 1)
    assert page.evaluate("shown") == []
    assert page.evaluate("Notification.permission") == "default"


def test_after_a_click_each_event_is_shown_once(harness: SteeredQueue, page: Page) -> None:
    button = page.locator("#desktop")
    expect(button).to_have_attribute("aria-pressed", "false")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    fail_one(harness, page, "a", 1)
    page.wait_for_function("() => shown.length > 0")
    assert page.evaluate("shown[0]") == ["1 task needs you", "a: a broke"]
    assert page.evaluate("shown.filter(([title]) => title === '1 task needs you').length") == 1
    page.evaluate("window.inFront = true")
    fail_one(harness, page, "b", 2)
    assert "2 tasks need you" not in str(page.evaluate("shown")), "the page is in the foreground"
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")


def test_a_denied_permission_is_shown_and_nothing_else(harness: SteeredQueue, page: Page) -> None:
    page.evaluate("window.answer = 'denied'")
    page.locator("#desktop").click()
    expect(page.locator("#desktop")).to_have_attribute(
        "aria-label", "Desktop notifications are blocked in this browser's settings"
    )
    fail_one(harness, page, "a", 1)
    assert page.evaluate("shown") == []
