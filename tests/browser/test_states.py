"""Every screen in each state that a swarm can be in: accessible, without errors, and within the window."""

from __future__ import annotations

from pathlib import Path

import pytest
from accessibility import PHONE_PX, grave_faults, wider_than_window
from demo_queue import keep_alive
from playwright.sync_api import Browser
from screenshots import SCREENS, tabs_of_a_task
from swarm_states import STATES

from browser import context_of, dashboard, watch

pytestmark = pytest.mark.browser
SIZES = (1280, PHONE_PX)


@pytest.mark.parametrize("state", [name for name in STATES if name != "running"])  # test_accessibility.py has that one
def test_every_screen_is_usable_in_this_state(browser: Browser, tmp_path: Path, state: str) -> None:
    db = tmp_path / "tasks.db"
    STATES[state](db)
    faults: dict[str, list[object]] = {}
    with dashboard(db) as running:
        context = context_of(browser)
        page = context.new_page()
        seen = watch(page)
        page.goto(running.link)
        page.wait_for_selector('#chip[data-state="live"]')
        for name, address in (SCREENS | tabs_of_a_task(db)).items():
            keep_alive(db)
            page.goto(running.url + address)
            page.wait_for_selector("main .screen")
            page.wait_for_selector('#chip[data-state="live"]')
            found: list[object] = []
            for width in SIZES:
                page.set_viewport_size({"width": width, "height": 800})
                found += [f"{by} px wider than {width}"] if (by := wider_than_window(page)) > 0 else []
            found += grave_faults(page)
            if found:
                faults[name] = found
        context.close()
    assert not faults
    # A page that is left while it connects says so; every screen above was live before it was looked at.
    seen.errors[:] = [text for text in seen.errors if "WebSocket connection" not in text]
    seen.assert_clean()
