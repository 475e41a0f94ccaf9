"""Settings while the swarm runs: each value with its origin, and what the file has changed since the start."""

from __future__ import annotations

from accessibility import assert_fits_everybody
from playwright.sync_api import Browser, expect
from steered_queue import SteeredQueue

from browser import context_of, dashboard, watch


def test_a_change_in_the_file_is_shown_as_waiting_for_a_restart(harness: SteeredQueue, browser: Browser) -> None:
    file = harness.path.with_name("swarm.yaml")
    file.write_text("max_retries: 4\n")
    harness.claimant("worker-1")
    with dashboard(harness.path, environ={"SWARM_WORKERS": "3"}) as running:
        context = context_of(browser)
        page = context.new_page()
        seen = watch(page)
        page.goto(running.link)
        page.wait_for_selector('#chip[data-state="live"]')
        page.goto(f"{running.url}/settings")
        retries = page.get_by_role("row", name="max_retries")
        expect(retries).to_contain_text("4swarm.yaml")
        expect(page.get_by_role("row", name="workers The number")).to_contain_text("31 running nowSWARM_WORKERS")
        file.write_text("max_retries: 7\n")
        page.reload()
        expect(retries).to_contain_text("after a restart: 7")
        expect(page.locator("main")).to_contain_text("1 change in the file will apply after a restart.")
        assert_fits_everybody(page)
        file.write_text("max_retries: [\n")
        page.reload()
        expect(page.locator("main")).to_contain_text("The file cannot be used as it is now:")
        expect(retries).to_contain_text("4swarm.yaml")
        seen.assert_clean()
        context.close()
