"""Every screen is accessible: checked by axe, in narrow windows, by keyboard only, and with reduced motion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from accessibility import OF_COLOURS, controls_out_of_reach, grave_faults, wider_than_window
from demo_queue import fill
from playwright.sync_api import Browser, Page, expect
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched, context_of, dashboard
from swarm_dashboard.routes.pages import SCREENS
from swarm_shared.domain.models import TaskSpec

pytestmark = pytest.mark.browser

PARTS = ("screens", "tabs", "searches and tasks")  # each takes long enough to be a test of its own
TABS = ("attempts", "log", "diff", "checks", "prompt", "definition", "links", "events")
PHONE_PX, DESKTOP_PX = 390, 1280
WIDTHS = (320, 390, 640, 768, 900, 1024, 1280, 1440, 1920)  # 640: a window of 1280 at 200 %
SETTLE_MS = 40  # charts are redrawn for another width
RUNNING, COMPLETED = "4.3.b", "2.3.b"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDashboard]:
    """A swarm at work, with something on every screen."""
    path: Path = tmp_path_factory.mktemp("demo") / "tasks.db"
    fill(path)
    with dashboard(path) as running:
        yield running


def addresses(page: Page, running: RunningDashboard) -> dict[str, list[str]]:
    """By part: every screen, a search that finds nothing, and every tab of a task with two attempts."""
    token = {"Authorization": f"Bearer {running.token}"}
    tasks = page.request.get(f"{running.url}/api/tasks?limit=200", headers=token).json()["tasks"]
    tried = max(tasks, key=lambda task: task["attempt_count"])["id"]
    return {
        "screens": [f"/{screen}" for screen in SCREENS],
        "tabs": [f"/tasks/{tried}?tab={tab}" for tab in TABS],
        "searches and tasks": [
            "/tasks?status=failed",
            "/tasks?q=nothing-like-it",
            "/tasks?view=status",
            f"/tasks/{RUNNING}",
            f"/tasks/{COMPLETED}",
        ],
    }


def each_screen(page: Page, running: RunningDashboard, parts: Sequence[str] = PARTS) -> Iterator[str]:
    page.goto(running.link)
    page.wait_for_selector('#chip[data-state="live"]')
    found = addresses(page, running)
    assert set(found) == set(PARTS)
    for address in [address for part in parts for address in found[part]]:
        page.goto(running.url + address)
        page.wait_for_selector("main .screen")
        page.wait_for_selector('#chip[data-state="live"]')
        page.wait_for_timeout(150)
        yield address


@pytest.mark.parametrize("part", PARTS)
def test_every_screen_is_accessible_in_both_themes_and_fits_every_width(
    browser: Browser, demo: RunningDashboard, part: str
) -> None:
    """With one load per screen: switching the theme or the width needs no other."""
    context = context_of(browser)
    page = context.new_page()
    faults: dict[str, list[object]] = {}
    for address in each_screen(page, demo, [part]):
        found: list[object] = []
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(SETTLE_MS)
            if (by := wider_than_window(page)) > 0:
                found.append(f"at {width} px it is wider than the window by {by} px")
        for width in (PHONE_PX, DESKTOP_PX):
            page.set_viewport_size({"width": width, "height": 800})
            page.wait_for_timeout(SETTLE_MS)
            found += grave_faults(page)
            page.emulate_media(color_scheme="dark")
            found += [("dark", fault) for fault in grave_faults(page, OF_COLOURS)]
            page.emulate_media(color_scheme="light")
        if found:
            faults[address] = found
    context.close()
    assert not faults


def test_axe_finds_nothing_serious_in_the_help_a_menu_and_a_dialog(browser: Browser, demo: RunningDashboard) -> None:
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
    page.click(".menu > summary")
    assert not grave_faults(page)
    page.click(".menu > summary")
    page.check("[data-pick-all]")
    page.click(".bulk [data-verb='retry']")
    page.wait_for_selector("#dialog[open]")
    assert not grave_faults(page)
    context.close()


def test_the_check_itself_finds_a_fault(browser: Browser, demo: RunningDashboard) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(demo.link)
    page.wait_for_selector("main .screen")
    # Outside the part that the page redraws when the run reports something.
    page.evaluate("() => document.body.append(document.createElement('button'))")
    assert "button-name" in [fault["id"] for fault in grave_faults(page)]
    page.emulate_media(color_scheme="dark")
    page.evaluate("""() => {
      const text = document.createElement("p");
      text.textContent = "unreadable";
      text.style.color = "#333";
      text.style.width = "3000px";
      document.body.append(text);
    }""")
    assert "color-contrast" in [fault["id"] for fault in grave_faults(page, OF_COLOURS)]
    assert wider_than_window(page) > 0
    context.close()


@pytest.mark.parametrize("part", PARTS)
def test_the_keyboard_reaches_every_control_of_every_screen(
    browser: Browser, demo: RunningDashboard, part: str
) -> None:
    context = context_of(browser)
    page = context.new_page()
    missed = {address: left for address in each_screen(page, demo, [part]) if (left := controls_out_of_reach(page))}
    context.close()
    assert not missed


@pytest.mark.parametrize("screen", ["/", "/tasks", "/workers"])
def test_the_focus_stays_in_place_while_the_swarm_continues(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched, screen: str
) -> None:
    harness.add(*(TaskSpec(id=f"t{n}", name=f"n{n}") for n in range(6)))
    claim = harness.start()
    page.goto(running.url + screen)
    page.locator(f'main a[href="/tasks/{claim.task_id}"]').first.focus()
    harness.start("worker-2")
    harness.add("new")
    page.wait_for_timeout(1200)
    expect(page.locator(":focus")).to_have_attribute("href", f"/tasks/{claim.task_id}")


def test_changes_are_announced_politely_and_not_line_by_line(
    harness: SteeredQueue, page: Page, running: RunningDashboard
) -> None:
    harness.add("1")
    harness.start()
    page.goto(f"{running.url}/tasks/1?tab=log")
    page.wait_for_selector(".lines")
    regions = page.eval_on_selector_all(
        "[aria-live], [role=status], [role=alert], [role=log]",
        "(all) => all.map((one) => [one.id || one.className, one.getAttribute('aria-live'), one.getAttribute('role')])",
    )
    assert ["notices", "polite", "status"] in regions
    assert not [region for region in regions if region[1] == "assertive" or region[2] in ("alert", "log")]


def test_nothing_moves_for_users_who_prefer_reduced_motion(browser: Browser, demo: RunningDashboard) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    moving = {
        address: left
        for address in each_screen(page, demo)
        if (left := page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length"))
    }
    context.close()
    assert not moving
