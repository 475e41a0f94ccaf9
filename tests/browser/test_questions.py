"""A question of an agent is shown where you look, and answered there."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from queue_harness import failed
from steered_queue import SteeredQueue

from browser import Watched
from swarm_shared.domain.models import FailureClass, HoldReason, Status, Verb

QUESTION = "SQL or files? " + "Both requirements exclude each other. " * 8
ASKS = failed(
    FailureClass.INTERRUPTED, f"the builder asks: {QUESTION}", hold=HoldReason.QUESTION, question=QUESTION.strip()
)


def test_a_question_is_answered_in_the_inbox(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a")
    harness.run(ASKS)
    page.click('#nav a[data-screen="inbox"]')
    row = page.locator('section[aria-label="Held tasks"] li')
    expect(row).to_contain_text("Its builder cannot continue without your answer.")
    expect(row).to_contain_text(QUESTION.strip())
    row.locator('[data-verb="answer"]').click()
    expect(page.locator("#dialog")).to_contain_text(QUESTION.strip())
    page.click("#dialog button.primary")
    expect(page.locator("#dialog")).to_be_visible()  # an empty answer is none
    page.fill("#dialog textarea", "Files.")
    page.click("#dialog button.primary")
    request = harness.carry_out()
    assert (request.verb, request.argument) == (Verb.ANSWER, {"text": "Files.", "attempt": 1})
    assert harness.status("a") is Status.NOT_STARTED
    expect(page.locator("main")).to_contain_text("All clear")


def test_a_question_is_answered_on_the_tasks_own_screen(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a")
    harness.run(ASKS)
    page.goto(page.url.partition("#")[0] + "tasks/a")
    expect(page.locator(".state")).to_contain_text(f"Its agent has a question for you. {QUESTION.strip()}")
    expect(page.locator(".actions .primary")).to_have_attribute("data-verb", "answer")
    page.click('.actions [data-verb="answer"]')
    page.fill("#dialog textarea", "Files.")
    page.click("#dialog button.primary")
    harness.carry_out()
    expect(page.locator("table.attempts")).to_contain_text("asked a question")
    expect(page.locator("table.attempts")).to_contain_text("Your answer: Files.")
