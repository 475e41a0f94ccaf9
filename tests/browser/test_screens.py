"""Inbox, Landing, Health and the navigation between screens, in a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched, context_of, wait_for, watch
from swarm_shared.domain.models import FailureClass, Outcome, TaskSpec, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.policy import AttemptResult

pytestmark = pytest.mark.browser

PHONE_PX = 320
LETTERS = {
    "n": "now",
    "t": "tasks",
    "i": "inbox",
    "g": "graph",
    "w": "workers",
    "l": "landing",
    "a": "audit",
    "h": "health",
}
SHA = "c0ffee" + "0" * 34


def go(page: Page, screen: str) -> None:
    page.click(f'#nav a[data-screen="{screen}"]')
    expect(page.locator(f'#nav a[data-screen="{screen}"]')).to_have_attribute("aria-current", "page")


def kill_one(harness: SteeredQueue, task_id: str) -> None:
    harness.add(task_id)
    harness.settle(harness.start(), AttemptResult(outcome=Outcome.KILLED))


def test_every_screen_has_its_key_and_the_help_lists_it(page: Page, seen: Watched) -> None:
    for letter, screen in LETTERS.items():
        page.keyboard.press("g")
        page.keyboard.press(letter)
        expect(page.locator(f'#nav a[data-screen="{screen}"]')).to_have_attribute("aria-current", "page")
        page.wait_for_selector("main .screen")
    page.keyboard.press("?")
    for word in ("Inbox", "Graph", "Landing", "Health"):
        expect(page.locator("#dialog")).to_contain_text(f"go to {word}")


def test_an_address_without_a_screen_says_so_and_links_back(running: RunningDashboard, page: Page) -> None:
    page.goto(running.url + "/needs-you")
    expect(page.locator("main")).to_contain_text("There is no screen at /needs-you.")
    go(page, "inbox")
    expect(page.locator("main")).to_contain_text("All clear")


def test_the_header_counts_what_needs_the_user(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    expect(page.locator('#nav [data-screen="inbox"] .n')).to_be_hidden()
    kill_one(harness, "1")
    expect(page.locator('#nav [data-screen="inbox"] .n')).to_have_text("1")
    harness.add(TaskSpec(id="2", name="2", max_retries=0))
    harness.run(failed(FailureClass.QUALITY))
    expect(page.locator('#nav [data-screen="inbox"] .n')).to_have_text("2")
    harness.db.steering.apply(Verb.RETRY, "2", {}, actor="ann")
    expect(page.locator('#nav [data-screen="inbox"] .n')).to_have_text("1")


def test_on_a_phone_every_screen_is_two_taps_away(
    browser: Browser, harness: SteeredQueue, running: RunningDashboard
) -> None:
    context = context_of(browser, width=PHONE_PX, height=640)
    page = context.new_page()
    seen = watch(page)
    page.goto(running.link)
    page.wait_for_selector('#chip[data-state="live"]')
    more = page.get_by_role("button", name="More")
    for screen in LETTERS.values():
        link = page.locator(f'#nav a[data-screen="{screen}"]')
        if not link.is_visible():
            more.click()
        box = link.bounding_box()
        assert box is not None
        assert box["height"] >= 40, "a thumb is wide"
        assert 0 <= box["x"] <= box["x"] + box["width"] <= PHONE_PX
        link.click()
        expect(link).to_have_attribute("aria-current", "page")
        expect(more).to_have_attribute("aria-expanded", "false")
    more.click()
    page.keyboard.press("Escape")
    expect(more).to_have_attribute("aria-expanded", "false")
    more.click()
    page.locator("#main").focus()  # like a screen that comes a moment later
    page.keyboard.press("Escape")
    expect(more).to_have_attribute("aria-expanded", "false")
    expect(more).to_be_focused()
    seen.assert_clean()
    context.close()


def test_held_tasks_are_released_retried_with_a_note_or_rejected(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    kill_one(harness, "1")
    harness.add("2")
    harness.run(failed(FailureClass.UNREADABLE, "only prose"))
    go(page, "inbox")
    rows = page.locator(".asks li")
    expect(rows).to_have_count(2)
    expect(rows.nth(1)).to_contain_text("only prose")
    expect(rows.nth(0).locator("button").first).to_have_text("Release")
    rows.nth(1).get_by_role("button", name="Retry with a note… 2").click()
    page.keyboard.type("answer in JSON")
    page.keyboard.press("Control+Enter")
    row = harness.carry_out()
    assert (row.verb, row.target, dict(row.argument)) == (Verb.RETRY, "2", {"note": "answer in JSON"})
    expect(rows.nth(1)).to_have_attribute("data-gone", "")
    page.mouse.move(0, 0)
    expect(rows).to_have_count(1)
    expect(page.locator("a[data-row]:focus")).to_have_text("1")  # it took the place of the removed row
    page.keyboard.press("r")
    assert harness.carry_out().verb is Verb.RELEASE
    expect(page.locator("main")).to_contain_text("All clear")


def test_an_effect_of_the_users_action_is_shown_at_once_even_if_something_else_happens_while_it_loads(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    kill_one(harness, "1")
    kill_one(harness, "2")
    go(page, "inbox")
    rows = page.locator(".asks li")
    expect(rows).to_have_count(2)
    page.mouse.move(0, 0)
    kept_back: list[Route] = []
    page.route("**/api/needs**", lambda route: kept_back.append(route))
    page.keyboard.press("j")
    page.keyboard.press("r")
    assert harness.carry_out().verb is Verb.RELEASE
    wait_for(lambda: len(kept_back) >= 1, on=page)
    page.keyboard.press("j")
    for n in range(2):
        harness.add(f"new {n}")
        wait_for(lambda n=n: len(kept_back) >= 2 + n, on=page)
    page.unroute("**/api/needs**")  # what still waits continues
    expect(rows).to_have_count(1)


def test_a_row_removed_meanwhile_fades_under_the_pointer_and_goes_when_that_leaves(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    kill_one(harness, "1")
    kill_one(harness, "2")
    go(page, "inbox")
    first = page.locator(".asks li").first
    first.hover()
    harness.db.steering.apply(Verb.RELEASE, "1", {}, actor="ben")
    expect(first).to_have_attribute("data-gone", "")
    expect(page.locator("#chip")).to_contain_text("1 waiting")
    page.hover("#search-box")
    expect(page.locator(".asks li")).to_have_count(1)


def test_a_task_whose_processes_cannot_be_checked_continues_after_confirmation(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("1")
    harness.start()
    [attempt] = harness.db.recovery.open_attempts()
    harness.db.recovery.hold_unproven(attempt, "seen: process 7 in another pid namespace")
    go(page, "inbox")
    row = page.locator(".asks li")
    expect(row).to_contain_text("not proven gone")
    row.get_by_role("button", name="Nothing is running: release… 1").click()
    expect(page.locator("#dialog")).to_contain_text("two agents will work on this task at once")
    page.locator("#dialog").get_by_role("button", name="Nothing is running: release").click()
    asked = harness.asked()
    assert (asked.verb, dict(asked.argument)) == (Verb.RELEASE, {"gone": True})


def test_trouble_of_the_whole_swarm_is_shown_at_the_top_with_advice(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    go(page, "inbox")
    harness.db.swarm.set_flag("paused", actor="worker-1", reason="the base fails its checks")
    warning = page.locator(".warnings .warning")
    expect(warning).to_contain_text("running ones continue (by worker-1")
    expect(warning).to_contain_text("the base fails its checks.")
    warning.get_by_role("button", name="Resume").click()
    assert harness.carry_out().verb is Verb.RESUME
    expect(warning).to_have_count(0)


def test_a_group_of_failures_is_left_alone_when_the_user_leaves_it(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add(*(TaskSpec(id=str(n), name="n", max_retries=0) for n in range(3)))
    for _ in range(3):
        harness.run(failed(FailureClass.QUALITY, "linker not found"))
    go(page, "inbox")
    expect(page.locator(".asks li .number")).to_have_text("3")
    page.get_by_role("button", name="Retry all 3…").click()
    page.locator("#dialog").get_by_role("button", name="Go back").click()
    assert harness.db.control.pending() == []


def test_landing_shows_why_nothing_lands_and_resume_continues(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    go(page, "landing")
    expect(page.locator("main")).to_contain_text("set isolation: worktree in swarm.yaml")
    harness.db.landings.adopt(
        repository="/r/.git", ref="refs/heads/swarm/integration", person_ref="refs/heads/main", tip=SHA
    )
    harness.add("1", "2")
    for _ in range(2):
        harness.settle(harness.start(), AttemptResult(outcome=Outcome.PASSED, base_sha="b" * 40, head_sha=SHA))
    landing = harness.db.landings.claim(harness.claimant())
    assert landing is not None
    expect(page.locator(".stations")).to_contain_text("swarm/integration")
    expect(page.locator("table.to-land tbody tr")).to_have_count(2)
    harness.db.landings.record_landed(landing, SHA)
    harness.settle(landing.claim)
    expect(page.locator("table.landed tbody tr")).to_contain_text("c0ffee0000")
    harness.db.landings.stop_queue("base is red", actor="worker-1")
    stopped = page.locator(".warning")
    expect(stopped).to_contain_text("Nothing lands on swarm/integration; 1 task waits to land, and the queue is paused")
    expect(stopped).to_contain_text("base is red")
    stopped.get_by_role("button", name="Resume").click()
    assert harness.carry_out().verb is Verb.RESUME
    expect(stopped).to_have_count(0)


def test_health_shows_problems_first_and_refreshes_by_itself(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.db.swarm.end_service("reaper", ProcessId.mine())
    go(page, "health")
    expect(page.locator(".verdict")).to_contain_text("issues")
    expect(page.locator(".health")).to_contain_text("requests are not carried out")
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {"supervised": True, "supervisord_answers": True})
    # The remaining finding: this test runs in the checkout of the suite, which is no project to work on.
    expect(page.locator(".verdict")).to_contain_text("1 issue")
    expect(page.locator(".health")).not_to_contain_text("requests are not carried out")
    harness.db.swarm.set_flag("paused", actor="ann")
    claims = page.locator(".health li", has_text="the queue is paused")
    expect(claims).not_to_contain_text("amplifier-swarm")
    claims.get_by_role("button", name="Resume").click()
    assert harness.carry_out().verb is Verb.RESUME
    for part in ("engine", "durability", "write-ahead log", "disk"):
        expect(page.locator(".health")).to_contain_text(part)
