"""The Workers screen: the usage of each worker, drain, restart, scale."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.models import Verb
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.swarm.workers import Uses

pytestmark = pytest.mark.browser


def test_a_worker_is_drained_and_restarted_and_shows_its_usage(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("1")
    run = harness.claimant("worker-1").run
    harness.start()
    harness.claimant("worker-2")
    page.click('#nav a[data-screen="workers"]')
    row = page.locator('table.workers tr[data-key="worker-1"]')
    expect(row.locator('[data-heading="Memory"]')).to_have_text("–")
    uses = Uses(rss_bytes=300 * 1024**2, cpu_share=0.37, processes=4)
    harness.db.workers.heartbeat(run, began_mono_ms=0, lease_s=60, uses=uses)
    expect(row.locator('[data-heading="Memory"]')).to_have_text("300.0\u00a0MiB")
    expect(row.locator('[data-heading="CPU"]')).to_have_text("37%")
    row.locator("button:has-text('Drain')").click()
    expect(page.locator("#dialog")).to_contain_text("It finishes 1, however long that takes, then leaves")
    page.click("#dialog button.primary")
    asked = harness.asked()
    assert (asked.verb, asked.target) == (Verb.DRAIN, "worker-1")
    answer(harness, asked)
    expect(page.locator(".notice").first).to_have_attribute("data-kind", "done")
    row.locator("button:has-text('Restart')").click()
    expect(page.locator("#dialog")).to_contain_text("It works on 1. It can finish that first")
    page.click("#dialog button.primary")
    asked = harness.asked()
    assert (asked.verb, asked.target, asked.argument) == (Verb.RESTART_WORKER, "worker-1", {})
    answer(harness, asked)
    row.locator("button:has-text('Restart')").click()
    page.click("#dialog button.danger")
    asked = harness.asked()
    assert (asked.verb, asked.target, asked.argument) == (Verb.RESTART_WORKER, "worker-1", {"now": True})
    answer(harness, asked)
    page.locator('table.workers tr[data-key="worker-2"] button:has-text("Restart")').click()
    expect(page.locator("#dialog")).to_contain_text("It is idle, so no work is lost.")
    page.keyboard.press("Escape")
    assert harness.db.control.pending() == []


def test_scaling_down_names_the_retiring_workers_and_scaling_up_does_not_ask(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("setup", "b")
    harness.claimant("worker-1")
    harness.start("worker-2")
    page.click('#nav a[data-screen="workers"]')
    expect(page.locator("table.workers tbody tr")).to_have_count(2)
    page.fill("#scale", "1")
    page.click("form.scale button")
    expect(page.locator("#dialog")).to_contain_text("worker-2 leaves after setup.")
    expect(page.locator("#dialog")).not_to_contain_text("--")
    page.locator("#dialog").get_by_role("button", name="Go back").click()
    assert harness.db.control.pending() == []
    page.fill("#scale", "3")
    page.click("form.scale button")
    asked = harness.asked()
    assert (asked.verb, asked.argument) == (Verb.SCALE, {"workers": 3})


def answer(harness: SteeredQueue, row: ControlRow) -> None:
    """As the reaper, which has its own tests."""
    with harness.db.connection.transaction():
        harness.db.control.answer(row.id, "done", "as asked", by="reaper")
