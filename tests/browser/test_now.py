"""Now shows the most urgent first, on a desktop and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.budget import Budget, Caps
from swarm_shared.domain.models import FailureClass, TaskSpec

pytestmark = pytest.mark.browser

# What is wrong, how far it is, who does what, and what needs you; then limits and pictures.
TOP_DOWN = (
    ".warning",
    "section[aria-label='Progress']",
    "section.lanes",
    "table.running",
    ".columns section.card:first-child .short",
    ".limits",
    "section.progress",
)


@pytest.mark.parametrize("width", [1440, 390])
def test_urgent_parts_are_above_the_others(harness: SteeredQueue, page: Page, seen: Watched, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    harness.add(TaskSpec(id="broken", name="b", max_retries=0), "a", "b")
    harness.run(failed(FailureClass.QUALITY, "linker not found"))
    harness.db.spending.note(Budget(run=Caps(usd=5)))
    harness.db.spending.begin_run()
    harness.start()
    harness.db.swarm.set_flag("paused", actor="ann")
    for part in TOP_DOWN:
        expect(page.locator("main").locator(part)).to_be_visible()
    tops = page.evaluate(
        "parts => parts.map((part) => document.querySelector(`main ${part}`).getBoundingClientRect().top)",
        list(TOP_DOWN),
    )
    assert tops == sorted(tops), tops


def test_lists_show_running_tasks_what_needs_you_and_ended_tasks(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add(TaskSpec(id="broken", name="b", max_retries=0), "passed", "works")
    harness.run(failed(FailureClass.QUALITY, "linker not found"))
    harness.run()
    harness.start()

    def card(heading: str) -> str:
        return f"main section:has(> h2:text('{heading}'))"

    expect(page.locator("table.running tbody tr")).to_contain_text("works")
    for heading in ("Needs you", "Just failed"):
        expect(page.locator(card(heading)).locator("li")).to_have_count(1)
        expect(page.locator(card(heading))).to_contain_text("linker not found")
    expect(page.locator(card("Just finished")).locator("li")).to_contain_text("passed")
    page.locator(card("Needs you")).get_by_role("button", name="Retry broken").click()
    harness.carry_out()
    page.mouse.move(0, 0)
    expect(page.locator(card("Needs you"))).to_contain_text("All clear")
