"""Every screen for everybody: axe, narrow windows, the keyboard alone, and as little motion as is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from accessibility import controls_out_of_reach, grave_faults, wider_than_window
from demo_queue import fill
from playwright.sync_api import Browser, Page, expect
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched, context_of, dashboard
from swarm_dashboard.routes.pages import SCREENS
from swarm_shared.domain.models import TaskSpec

pytestmark = pytest.mark.browser

TABS = ("attempts", "log", "diff", "checks", "prompt", "definition", "links", "events")
PHONE_PX, HALF_PX = 320, 640  # the latter stands for a window of 1280 at 200 %
RUNNING = "3.1.c"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """A swarm in the middle of its work, with something on every screen."""
    path: Path = tmp_path_factory.mktemp("demo") / "tasks.db"
    fill(path)
    with dashboard(path) as running:
        yield running


def addresses(page: Page, running: RunningDashboard) -> list[str]:
    """Every screen, every tab of a task with two attempts, and a search that finds nothing."""
    token = {"Authorization": f"Bearer {running.token}"}
    tasks = page.request.get(f"{running.url}/api/tasks?limit=200", headers=token).json()["tasks"]
    tried = max(tasks, key=lambda task: task["attempt_count"])["id"]
    return [
        *(f"/{screen}" for screen in SCREENS),
        "/tasks?status=failed",
        "/tasks?q=nothing-like-it",
        *(f"/tasks/{tried}?tab={tab}" for tab in TABS),
        f"/tasks/{RUNNING}",
    ]


def each_screen(page: Page, running: RunningDashboard) -> Iterator[str]:
    page.goto(running.link)
    page.wait_for_selector('#chip[data-state="live"]')
    for address in addresses(page, running):
        page.goto(running.url + address)
        page.wait_for_selector("main .screen")
        page.wait_for_selector('#chip[data-state="live"]')
        page.wait_for_timeout(150)
        yield address


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE_PX, 1280])
def test_axe_finds_nothing_serious_on_any_screen(
    browser: Browser, demo: RunningDashboard, dark: bool, width: int
) -> None:
    context = context_of(browser, dark=dark, width=width)
    page = context.new_page()
    faults = {address: found for address in each_screen(page, demo) if (found := grave_faults(page))}
    context.close()
    assert not faults


def test_axe_finds_nothing_serious_in_the_help_and_in_a_question(browser: Browser, demo: RunningDashboard) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(demo.link)
    page.wait_for_selector('#chip[data-state="live"]')
    page.keyboard.press("?")
    page.wait_for_selector("#dialog[open]")
    assert not grave_faults(page)
    page.keyboard.press("Escape")
    page.goto(f"{demo.url}/tasks?status=failed")
    page.wait_for_selector("[data-pick-all]")
    page.check("[data-pick-all]")
    page.click(".bulk [data-verb='retry']")
    page.wait_for_selector("#dialog[open]")
    assert not grave_faults(page)
    context.close()


def test_axe_would_find_a_fault(browser: Browser, demo: RunningDashboard) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(demo.link)
    page.wait_for_selector("main .screen")
    # Outside of what the page redraws when the run reports something.
    page.evaluate("() => document.body.append(document.createElement('button'))")
    assert "button-name" in [fault["id"] for fault in grave_faults(page)]
    context.close()


@pytest.mark.parametrize("width", [PHONE_PX, HALF_PX])
def test_no_screen_scrolls_sideways(browser: Browser, demo: RunningDashboard, width: int) -> None:
    context = context_of(browser, width=width, height=640)
    page = context.new_page()
    wide = {address: by for address in each_screen(page, demo) if (by := wider_than_window(page)) > 0}
    context.close()
    assert not wide


def test_the_keyboard_reaches_every_control_of_every_screen(browser: Browser, demo: RunningDashboard) -> None:
    context = context_of(browser)
    page = context.new_page()
    missed = {address: left for address in each_screen(page, demo) if (left := controls_out_of_reach(page))}
    context.close()
    assert not missed


@pytest.mark.parametrize("screen", ["/", "/tasks", "/workers"])
def test_the_focus_stays_where_it_is_while_the_swarm_goes_on(
    desk: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched, screen: str
) -> None:
    desk.add(*(TaskSpec(id=f"t{n}", name=f"n{n}") for n in range(6)))
    claim = desk.start()
    page.goto(running.url + screen)
    page.locator(f'main a[href="/tasks/{claim.task_id}"]').first.focus()
    desk.start("worker-2")
    desk.add("new")
    page.wait_for_timeout(1200)
    expect(page.locator(":focus")).to_have_attribute("href", f"/tasks/{claim.task_id}")


def test_what_happens_is_spoken_politely_and_not_line_by_line(
    desk: SteeredQueue, page: Page, running: RunningDashboard
) -> None:
    desk.add("1")
    desk.start()
    page.goto(f"{running.url}/tasks/1?tab=log")
    page.wait_for_selector(".lines")
    regions = page.eval_on_selector_all(
        "[aria-live], [role=status], [role=alert], [role=log]",
        "(all) => all.map((one) => [one.id || one.className, one.getAttribute('aria-live'), one.getAttribute('role')])",
    )
    assert ["notices", "polite", "status"] in regions
    assert not [region for region in regions if region[1] == "assertive" or region[2] in ("alert", "log")]


def test_who_asks_for_less_motion_gets_none(browser: Browser, demo: RunningDashboard) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    moving = {
        address: left
        for address in each_screen(page, demo)
        if (left := page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length"))
    }
    context.close()
    assert not moving
