"""One Chromium per process of the test run; each test has its own queue, dashboard process and profile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_forks import DashboardForks, dashboard_forks
from playwright.sync_api import Browser, Page, expect
from steered_queue import SteeredQueue

from browser import DEADLINE_S, RunningDashboard, Watched, chromium, context_of, dashboard, watch

expect.set_options(timeout=DEADLINE_S * 1000)  # the machine may be running other tests


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def forks() -> Iterator[DashboardForks]:
    with dashboard_forks() as started:
        yield started


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[SteeredQueue]:
    made = SteeredQueue(tmp_path)
    yield made
    made.db.close()


@pytest.fixture
def running(harness: SteeredQueue, forks: DashboardForks) -> Iterator[RunningDashboard]:
    with dashboard(harness.path, forks=forks) as started:
        yield started


@pytest.fixture
def page(browser: Browser, running: RunningDashboard) -> Iterator[Page]:
    """A page that is open on Now and live."""
    context = context_of(browser)
    opened = context.new_page()
    opened.goto(running.link)
    opened.wait_for_selector('#chip[data-state="live"]')
    yield opened
    context.close()


@pytest.fixture
def seen(page: Page) -> Iterator[Watched]:
    """Fails the test after a dialog, an error or a violation of the content policy on the page."""
    noted = watch(page)
    yield noted
    noted.assert_clean()
