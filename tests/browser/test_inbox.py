"""The Inbox lists everything that will not continue by itself, by cause; badge, title and icon agree with it."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect
from queue_harness import PASSED, failed
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.store.queue.policy import Budgets

ERROR = "ModuleNotFoundError: No module named 'almanac'"


def test_everything_that_failed_needs_you(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.budgets = Budgets(max_retries=0)
    harness.add("a", "b", TaskSpec(id="behind", name="x", dependencies=("a",)))
    for _ in range(2):
        harness.run(failed(FailureClass.QUALITY, ERROR))
    harness.add(TaskSpec(id="imported", name="i", status=Status.FAILED), TaskSpec(id="held", name="h"))
    harness.db.steering.apply(Verb.HOLD, "held", {}, actor="ann")
    card = page.locator(".columns section", has_text="Needs you").first
    expect(card.locator("li")).to_have_count(3)
    expect(card).to_contain_text("and 1 more")
    expect(page.locator('#nav a[data-screen="inbox"] .n')).to_have_text("3")  # one error, one import, one hold
    expect(card.get_by_role("link", name="3 causes, 4 tasks")).to_have_attribute("href", "/inbox")
    expect(page.locator('#nav a[data-screen="inbox"]')).to_have_attribute("title", "g i – 3 causes, 4 tasks")
    expect(page).to_have_title("(3) needs you · Amplifier Swarm")
    expect(page.locator('link[rel="icon"]')).to_have_attribute("href", "/icon.svg?state=needs&count=3")

    page.click('#nav a[data-screen="inbox"]')
    failures = page.locator('section[aria-label="Failed tasks"]')
    expect(failures).to_contain_text("3 failed tasks, 2 causes")
    expect(failures.locator("li").first.locator("strong")).to_have_text(ERROR)
    expect(failures.locator("li")).to_have_count(2)
    expect(failures).to_contain_text("Imported as failed")
    expect(page.locator('section[aria-label="Held tasks"]')).to_contain_text("1 held task, 1 reason")
    expect(page.locator("main")).to_contain_text("1 task waits behind these.")
    expect(page.locator("main")).not_to_contain_text("All clear")
    assert page.locator("main section:not(.warnings) .bar-head").count() == 2
    expect(page).to_have_title("(3) Inbox · Amplifier Swarm")


def test_six_checks_that_fail_with_one_error_are_one_entry(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.budgets = Budgets(max_retries=0)
    harness.add(*(f"t{n}" for n in range(6)))
    for n in range(6):
        output = f"Traceback (most recent call last):\n  File 'tests/test_{n}.py', line {n}\n{ERROR}"
        check = {"command": f"python3 tests/test_{n}.py", "passed": False, "exit_code": 1, "output": output}
        harness.run(failed(FailureClass.QUALITY, f"check failed: tests/test_{n}.py (exit 1)", check_results=[check]))
    page.click('#nav a[data-screen="inbox"]')
    entries = page.locator(".asks li")
    expect(entries).to_have_count(1)
    expect(entries.locator("strong")).to_have_text(ERROR)
    expect(entries.locator(".number")).to_have_text("6")
    page.get_by_role("button", name="Retry all 6…").click()
    expect(page.locator("#dialog")).to_contain_text("Retry 6 tasks?")


def test_tasks_held_for_one_reason_are_released_together(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", "b", "c")
    harness.claimant()
    for task in ("a", "b", "c"):
        harness.db.steering.apply(Verb.HOLD, task, {}, actor="ann")
    page.click('#nav a[data-screen="inbox"]')
    page.get_by_role("button", name="Release all 3").click()
    harness.carry_out()
    expect(page.locator("main")).to_contain_text("All clear")
    assert {harness.status(task) for task in ("a", "b", "c")} == {Status.NOT_STARTED}


def test_earlier_addresses_open_the_inbox(page: Page) -> None:
    base = page.url.partition("#")[0]
    for earlier in ("needs", "failures"):
        page.goto(base + earlier)
        expect(page.locator('#nav a[data-screen="inbox"]')).to_have_attribute("aria-current", "page")


def test_the_tab_shows_the_state_of_the_swarm(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a")
    harness.start()
    expect(page).to_have_title("1 running, 0% · Amplifier Swarm")
    page.click('#nav a[data-screen="tasks"]')
    expect(page).to_have_title("Tasks · Amplifier Swarm")
    expect(page.locator('link[rel="icon"]')).to_have_attribute("href", "/icon.svg?state=running&count=0")
    harness.db.swarm.set_flag("paused", actor="ann")
    expect(page.locator('link[rel="icon"]')).to_have_attribute("href", "/icon.svg?state=paused&count=1")


def test_a_cancelled_task_that_others_need_is_not_all_clear(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    harness.claimant()
    harness.db.steering.apply(Verb.CANCEL, "a", {}, actor="ann")
    page.click('#nav a[data-screen="inbox"]')
    expect(page.locator("main")).to_contain_text("1 cancelled task is still needed by others.")
    expect(page.locator('#nav a[data-screen="inbox"] .n')).to_have_text("1")


def test_all_clear_is_shown_when_nothing_needs_you(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", "b")
    harness.run(PASSED)
    expect(page.locator(".columns section", has_text="Needs you").first).to_contain_text("All clear")
    page.click('#nav a[data-screen="inbox"]')
    expect(page.locator("main")).to_contain_text("All clear")
    expect(page.locator("main")).to_contain_text("1 task is still in progress or queued.")
    harness.db.swarm.set_flag("paused", actor="ann")
    expect(page.locator("main")).not_to_contain_text("All clear")
    expect(page.locator('#nav a[data-screen="inbox"] .n')).to_have_text("1")
    page.click('#nav a[data-screen="now"]')
    expect(page).to_have_title("(1) Paused · Amplifier Swarm")
    expect(page.locator(".columns section", has_text="Needs you").first).to_contain_text("See the notices above.")
    expect(page.get_by_role("button", name="Resume")).to_have_count(1)
    expect(page.get_by_role("button", name="Pause", exact=True)).to_have_count(0)
    expect(page.locator(".strip")).to_contain_text("stalled")


def test_now_lists_a_cause_of_many_failures_once_beside_the_others(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.budgets = Budgets(max_retries=0)
    harness.add("other", *(f"t{n}" for n in range(8)))
    harness.run(failed(FailureClass.QUALITY, "linker not found"))
    for _ in range(8):
        harness.run(failed(FailureClass.QUALITY, ERROR))
    card = page.locator(".columns section", has_text="Needs you").first
    expect(card.locator("li")).to_have_count(2)
    expect(card.locator("li").first).to_contain_text(ERROR)
    expect(card.locator("li").last).to_contain_text("linker not found")
    expect(card.get_by_role("button", name="Retry other")).to_be_visible()
    expect(card.get_by_role("link", name="and 7 more")).to_have_attribute("href", re.compile("^/tasks.q=problem:"))
    harness.add(TaskSpec(id="imported", name="i", status=Status.FAILED))
    expect(card.locator("li")).to_have_count(3)
    expect(card.locator("li").last).to_contain_text("imported as failed")
    card.get_by_role("button", name="Retry all 8…").click()
    page.locator("#dialog").get_by_role("button", name="Retry 8 tasks").click()
    harness.carry_out()
    page.mouse.move(0, 0)
    expect(card.locator("li")).to_have_count(2)


def test_tasks_that_were_imported_as_failed_are_retried_from_the_inbox(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add(*(TaskSpec(id=each, name="i", status=Status.FAILED) for each in ("i1", "i2")))
    page.click('#nav a[data-screen="inbox"]')
    page.get_by_role("button", name="Retry all 2…").click()
    page.locator("#dialog").get_by_role("button", name="Retry 2 tasks").click()
    harness.carry_out()
    expect(page.locator("main")).to_contain_text("2 tasks are queued.")
