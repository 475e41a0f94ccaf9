"""Chosen columns of Tasks: hidden and shown from a menu, by mouse and by keyboard, kept by the browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched
from swarm_shared.domain.models import TaskSpec


def headings(page: Page) -> list[str]:
    return [text for text in page.locator("table.tasks thead th:not(:has(.unseen))").all_inner_texts() if text.strip()]


def test_columns_are_chosen_and_kept(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="a", name="first", phase="build", type="bug"))
    page.goto(f"{running.url}/tasks")
    expect(page.locator("table.tasks tbody tr")).to_have_count(1)
    assert headings(page) == ["Status", "Task", "Phase", "Priority", "Tries", "Time", "Worker"]
    page.get_by_text("Columns", exact=True).click()
    menu = page.get_by_role("group", name="Columns shown")
    menu.get_by_label("Phase").uncheck()
    menu.get_by_label("Type").check()
    expect(page.locator("table.tasks td.c-phase")).to_have_count(0)
    expect(page.locator("table.tasks td.c-type")).to_have_text("bug")
    page.reload()
    expect(page.locator("table.tasks td.c-type")).to_have_text("bug")
    assert headings(page) == ["Status", "Task", "Type", "Priority", "Tries", "Time", "Worker"]


def test_columns_can_be_chosen_by_keyboard_and_cards_on_a_phone_follow(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="a", name="first", phase="build"))
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{running.url}/tasks")
    card = page.locator("table.tasks tbody tr")
    expect(card).to_contain_text("build")
    summary = page.locator(".menu > summary")
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("checkbox", name="Phase")).to_be_focused()
    page.keyboard.press("Space")
    expect(card).not_to_contain_text("build")
    expect(page.get_by_role("checkbox", name="Phase")).to_be_focused()
    page.keyboard.press("Escape")
    expect(summary).to_be_focused()
    expect(page.get_by_role("checkbox", name="Phase")).to_be_hidden()
