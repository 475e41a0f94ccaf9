"""What a screen reader user hears: headings in order, named tables and regions, news once, and the focus kept."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from demo_queue import fill
from playwright.sync_api import Browser, Page, expect
from queue_harness import failed
from screenshots import SCREENS, tabs_of_a_task
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched, context_of, dashboard
from swarm_shared.domain.models import FailureClass, TaskSpec

pytestmark = pytest.mark.browser
HEADING = re.compile(r"- '?heading .*\[level=(\d)\]", re.MULTILINE)
NAMELESS = re.compile(r"^\s*- (?:table|columnheader|region|navigation|search|dialog|listbox|img|button|link):?$", re.M)


def read_out(page: Page) -> str:
    return page.locator("body").aria_snapshot()


def test_every_screen_has_headings_in_order_and_names_for_all_parts(browser: Browser, tmp_path: Path) -> None:
    db = tmp_path / "tasks.db"
    fill(db)
    faults: dict[str, list[str]] = {}
    with dashboard(db) as running:
        context = context_of(browser)
        page = context.new_page()
        page.goto(running.link)
        page.wait_for_selector('#chip[data-state="live"]')
        tabs = tabs_of_a_task(db) | {
            tab: f"/tasks/2.3.b?tab={tab}" for tab in ("attempts", "links", "events", "prompt")
        }
        for name, address in (SCREENS | tabs).items():
            page.goto(running.url + address)
            page.wait_for_selector("main .screen")
            page.wait_for_load_state("networkidle")
            for summary in page.locator("main .picture summary").all():
                summary.click()
            heard = read_out(page)
            levels = [int(level) for level in HEADING.findall(heard)]
            found = [] if levels[:1] == [1] and levels.count(1) == 1 else [f"headings begin with {levels}"]
            found += [f"h{a} before h{b}" for a, b in itertools.pairwise(levels) if b > a + 1]
            found += [match[0].strip() for match in NAMELESS.finditer(heard)]
            if found:
                faults[name] = found
        context.close()
    assert not faults


def test_a_screen_is_announced_by_its_name_when_it_opens(page: Page, running: RunningDashboard) -> None:
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("main", name="Tasks")).to_be_focused()


def test_the_inbox_reads_as_causes_with_what_can_be_done(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add(TaskSpec(id="a", name="parse", max_retries=0), TaskSpec(id="b", name="print", dependencies=("a",)))
    harness.run(failed(FailureClass.QUALITY, "no module named almanac"))
    page.click('#nav a[data-screen="inbox"]')
    expect(page.get_by_role("main")).to_match_aria_snapshot("""
      - main "Inbox":
        - heading "Inbox" [level=1]
        - region "Failed tasks":
          - heading /1 failed task, 1 cause/ [level=2]
          - list:
            - listitem:
              - paragraph: 1 task
              - paragraph:
                - strong: no module named almanac
              - paragraph:
                - link "a"
              - button "Retry…"
    """)


def test_a_running_task_reads_as_a_row_of_a_named_table(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add(TaskSpec(id="a", name="parse"))
    harness.start()
    expect(page.get_by_role("table", name="Running tasks")).to_match_aria_snapshot("""
      - table "Running tasks":
        - rowgroup:
          - row "Stage Task Worker Elapsed Last line Actions"
        - rowgroup:
          - row:
            - cell "building"
            - cell "a parse":
              - link "a"
            - cell "worker-1"
            - cell
            - cell
            - cell "Kill a":
              - button "Kill a"
    """)


def test_a_task_that_needs_the_user_is_announced_once_and_charts_are_silent(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add(TaskSpec(id="a", name="parse", max_retries=0), "b", "c")
    expect(page.locator(".counters")).to_contain_text("3not started")
    page.evaluate("""() => {
      window.heard = [];
      const note = (records) => records.forEach(({ target }) => {
        const region = (target.closest ? target : target.parentElement)?.closest('[role="status"], [aria-live]');
        if (region?.textContent) window.heard.push(region.textContent);
      });
      new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
    }""")
    harness.run(failed(FailureClass.QUALITY, "no module named almanac"))
    expect(page.locator("#news")).to_have_text("1 task needs you: a: no module named almanac")
    harness.run()
    expect(page.locator(".counters")).to_contain_text("1completed")
    assert page.evaluate("window.heard") == ["1 task needs you: a: no module named almanac"]


def test_a_chart_speaks_while_the_user_moves_through_it(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    page.click('#nav a[data-screen="graph"]')
    said = page.locator(".graph .said")
    expect(said).not_to_have_attribute("role", "status")
    page.focus(".graph .scroll")
    expect(said).to_have_attribute("role", "status")
    page.keyboard.press("c")
    expect(said).to_contain_text("needed by b")


@pytest.mark.parametrize("opens", ["Control+k", "?"])
def test_a_dialog_has_a_name_and_returns_the_focus(page: Page, seen: Watched, opens: str) -> None:
    link = page.locator('#nav a[data-screen="tasks"]')
    link.focus()
    page.keyboard.press(opens)
    expect(page.get_by_role("dialog", name=re.compile("Commands|Keys"))).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(link).to_be_focused()


def test_a_question_returns_the_focus_to_its_button_while_the_page_changes(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("a", "b")
    button = page.get_by_role("button", name="Graceful shutdown")
    button.focus()
    page.keyboard.press("Enter")
    question = page.get_by_role("dialog")
    expect(question).to_be_visible()
    assert question.get_attribute("aria-labelledby") == "dialog-title"
    harness.start()
    expect(page.locator(".counters")).to_contain_text("1in progress")
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
