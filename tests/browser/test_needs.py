"""Needs you has everything that will not continue by itself; its badge, Failures and "All clear" agree with it."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from queue_desk import PASSED, failed
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.store.queue.policy import Budgets


def badge(page: Page, screen: str) -> str:
    return page.locator(f'#nav a[data-screen="{screen}"] .n').inner_text()


def test_with_everything_failed_all_of_it_needs_you(desk: SteeredQueue, page: Page, seen: Watched) -> None:
    desk.budgets = Budgets(max_retries=0)
    desk.add("a", "b", TaskSpec(id="behind", name="x", dependencies=("a",)))
    for _ in range(2):
        desk.run(failed(FailureClass.QUALITY, "ModuleNotFoundError: No module named 'almanac'"))
    desk.add(TaskSpec(id="imported", name="i", status=Status.FAILED), TaskSpec(id="held", name="h"))
    desk.db.steering.apply(Verb.HOLD, "held", {}, actor="ann")
    card = page.locator(".columns section", has_text="Needs you").first
    expect(card.locator("li")).to_have_count(4)
    expect(page.locator('#nav a[data-screen="needs"] .n')).to_have_text("4")
    assert badge(page, "failures") == "3"

    page.click('#nav a[data-screen="needs"]')
    failures = page.locator('section[aria-label="Failed tasks"]')
    expect(failures).to_contain_text("3 failed tasks")
    expect(failures.locator("li")).to_have_count(2)
    expect(failures).to_contain_text("Imported as failed")
    expect(page.locator('section[aria-label="Held tasks"]')).to_contain_text("1 held task")
    expect(page.locator("main")).to_contain_text("1 task waits behind these.")
    expect(page.locator("main")).not_to_contain_text("All clear")

    page.click('#nav a[data-screen="failures"]')
    expect(page.locator("main h2").first).to_contain_text("3 failed tasks, 2 problems")


def test_a_cancelled_task_that_others_need_is_not_all_clear(desk: SteeredQueue, page: Page, seen: Watched) -> None:
    desk.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    desk.claimant()
    desk.db.steering.apply(Verb.CANCEL, "a", {}, actor="ann")
    page.click('#nav a[data-screen="needs"]')
    expect(page.locator("main")).to_contain_text("1 cancelled task is still needed by others.")
    expect(page.locator('#nav a[data-screen="needs"] .n')).to_have_text("1")


def test_all_clear_is_said_when_nothing_waits_for_you(desk: SteeredQueue, page: Page, seen: Watched) -> None:
    desk.add("a", "b")
    desk.run(PASSED)
    expect(page.locator(".columns section", has_text="Needs you").first).to_contain_text("All clear")
    page.click('#nav a[data-screen="needs"]')
    expect(page.locator("main")).to_contain_text("All clear")
    expect(page.locator("main")).to_contain_text("1 task is still in progress or queued.")
    desk.db.swarm.set_flag("paused", actor="ann")
    expect(page.locator("main")).not_to_contain_text("All clear")
    page.click('#nav a[data-screen="now"]')
    expect(page.locator(".columns section", has_text="Needs you").first).to_contain_text("See the notices above.")
    expect(page.locator(".strip")).to_contain_text("stalled")
