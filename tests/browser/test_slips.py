"""Slips do no harm: landed work is not run again by one click, and decisions are confirmed first."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from queue_harness import PASSED, failed
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb


def test_running_a_completed_task_again_is_not_the_first_button_and_names_its_effect(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("setup", *(TaskSpec(id=name, name=name, dependencies=("setup",)) for name in "abc"))
    harness.run(PASSED)
    page.click('#nav a[data-screen="tasks"]')
    expect(page.locator('table.tasks tr[data-key="setup"]')).to_contain_text("completed")
    expect(page.locator('table.tasks tr[data-key="setup"] [data-verb]')).to_have_count(0)

    page.click('table.tasks tr[data-key="setup"] a')
    retry = page.locator('.actions [data-verb="retry"]')
    expect(retry).to_be_visible()
    expect(page.locator(".actions .primary")).to_have_count(0)
    retry.click()
    expect(page.locator("#dialog")).to_contain_text("Run setup again?")
    expect(page.locator("#dialog")).to_contain_text("setup is completed. 3 tasks depend on it")
    expect(page.locator("#dialog button:focus")).to_have_text("Go back")
    page.keyboard.press("Enter")
    assert harness.db.control.pending() == []
    retry.click()
    page.click("#dialog button.danger")
    assert harness.carry_out().verb is Verb.RETRY
    assert harness.status("setup") is Status.NOT_STARTED


def test_approving_against_the_validator_asks_first_and_only_one_button_is_primary(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("a")
    objection = failed(FailureClass.QUALITY, "it loses the last page", validator_result={"verdict": "FAIL"})
    for _ in range(3):
        harness.run(objection)
    assert harness.status("a") is Status.FAILED
    page.goto(page.url.partition("#")[0] + "tasks/a")
    expect(page.locator(".actions .primary")).to_have_count(1)
    page.click('.actions [data-verb="approve"]')
    expect(page.locator("#dialog")).to_contain_text("although the validator objected: it loses the last page")
    page.click("#dialog button.primary")
    assert harness.carry_out().verb is Verb.APPROVE
    expect(page.locator(".state")).to_contain_text("completed")
