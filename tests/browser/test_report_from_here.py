"""The report from the browser: shown within the dashboard, opened in a tab of its own, and saved in every form."""

from __future__ import annotations

import json
import re

from accessibility import assert_fits_everybody
from playwright.sync_api import Page, expect
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched
from swarm_shared.domain.models import Status, TaskSpec

TITLE = re.compile("Report · Amplifier Swarm$")
HOSTILE = "<img src=x onerror=alert(1)>"


def test_a_finished_run_offers_its_report(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="a", name="A", status=Status.COMPLETED), TaskSpec(id="b", name="B", status=Status.FAILED))
    expect(page.locator("main")).to_contain_text("No task is left to run. 1 of 2 tasks completed.")
    page.get_by_role("link", name="Report").click()
    expect(page).to_have_title(TITLE)
    report = page.frame_locator("iframe[title='Report']")
    expect(report.get_by_role("heading", level=1)).to_have_text("1 of 2 tasks completed")
    assert_fits_everybody(page)
    harness.add("c")
    page.goto(running.url)
    expect(page.locator(".counters")).to_contain_text("1not started")
    expect(page.get_by_role("link", name="Report")).to_have_count(0)


def test_the_palette_opens_it_and_it_shows_hostile_text_as_text(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add(TaskSpec(id="a", name=HOSTILE, status=Status.COMPLETED))
    page.keyboard.press("Control+k")
    page.get_by_label("Command, screen or task").fill("report")
    page.keyboard.press("Enter")
    report = page.frame_locator("iframe[title='Report']")
    expect(report.locator("main")).to_contain_text(HOSTILE)


def test_it_stays_as_it_is_until_it_is_updated(harness: SteeredQueue, page: Page, running: RunningDashboard) -> None:
    harness.add("a")
    page.goto(f"{running.url}/report")
    heading = page.frame_locator("iframe[title='Report']").get_by_role("heading", level=1)
    expect(heading).to_have_text("0 of 1 task completed")
    shown = page.locator("iframe").get_attribute("src")
    harness.add("b")
    expect(page.locator("iframe")).to_have_attribute("src", shown or "")
    page.get_by_role("button", name="Update").click()
    expect(heading).to_have_text("0 of 2 tasks completed")


def test_a_tab_of_its_own_leads_back_to_the_screen_when_it_is_reloaded(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add("a")
    page.goto(f"{running.url}/report")
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Open in a new tab").click()
    tab = opened.value
    expect(tab.get_by_role("heading", level=1)).to_have_text("0 of 1 task completed")
    assert tab.evaluate("() => getComputedStyle(document.querySelector('svg.bar')).display") != "inline"
    assert tab.evaluate("() => origin") == "null"
    tab.reload()
    tab.get_by_role("link", name="Open the report in the dashboard").click()
    expect(tab).to_have_title(TITLE)
    tab.close()


def test_every_form_can_be_saved(harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched) -> None:
    harness.add("a")
    page.goto(f"{running.url}/report")
    texts = {}
    for word in ("HTML", "Markdown", "JSON"):
        with page.expect_download() as saved:
            page.get_by_role("button", name=f"Save as {word}").click()
        texts[saved.value.suggested_filename] = saved.value.path().read_text(encoding="utf-8")
    assert list(texts) == ["report.html", "report.md", "report.json"]
    assert "<h1>0 of 1 task completed</h1>" in texts["report.html"]
    assert json.loads(texts["report.json"])["tasks"]["total"] == 1
