"""An open page reconnects by itself after the dashboard was restarted, and never says Live over a dead screen."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route, expect
from steered_queue import SteeredQueue

from browser import RunningDashboard, dashboard


def test_a_screen_that_failed_to_load_appears_once_the_dashboard_is_back(
    harness: SteeredQueue, page: Page, running: RunningDashboard
) -> None:
    harness.add("setup")
    port = int(running.url.rpartition(":")[2])
    running.process.terminate()
    running.process.wait(10)
    page.click('#nav a[data-screen="tasks"]')
    expect(page.locator("main")).to_contain_text("The dashboard is not answering.")
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator("#chip")).to_have_text(re.compile("Stale|Loading failed"))
    with dashboard(harness.path, port=port):
        expect(page.locator('table.tasks tr[data-key="setup"]')).to_be_visible()
        expect(page.locator("#chip")).to_have_text("Live")


def test_the_chip_does_not_say_live_over_a_screen_that_could_not_be_loaded(harness: SteeredQueue, page: Page) -> None:
    harness.add("setup")
    tried: list[str] = []

    def fail(route: Route) -> None:
        tried.append(route.request.url)
        route.fulfill(status=503, body="{}", content_type="application/json")

    page.route("**/api/tasks*", fail)
    page.click('#nav a[data-screen="tasks"]')
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
    expect(page.locator("#chip")).to_have_text("Loading failed")
    page.unroute("**/api/tasks*")
    # The page may reload the screen by itself first, and then the button is gone.
    page.evaluate("() => document.querySelector('main button.primary')?.click()")
    expect(page.locator('table.tasks tr[data-key="setup"]')).to_be_visible()
    expect(page.locator("#chip")).to_have_text("Live")
    assert tried
