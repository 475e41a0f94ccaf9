"""A browser loads the dashboard's own files once, and loads them again after an upgrade."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page
from steered_queue import SteeredQueue

import swarm_dashboard
from browser import RunningDashboard, context_of, dashboard

pytestmark = pytest.mark.browser

# Loaded with each page: the page itself, the queue's figures, and the icon that shows them.
MOST_ON_RELOAD = 10
FROM_SERVER = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
    .filter((entry) => entry.transferSize > 0 && new URL(entry.name).origin === location.origin).length"""


@pytest.fixture
def profile(browser: Browser) -> Iterator[Page]:
    """A page in a new profile; nothing is cached yet."""
    context = context_of(browser)
    yield context.new_page()
    context.close()


def wait_until_live(page: Page) -> None:
    page.wait_for_selector('#chip[data-state="live"]')
    page.wait_for_load_state("networkidle")


def test_a_reload_requests_only_what_may_have_changed(running: RunningDashboard, profile: Page) -> None:
    profile.goto(running.link)
    wait_until_live(profile)
    modules = len(list((Path(swarm_dashboard.__file__).parent / "static").rglob("*.js")))
    assert profile.evaluate(FROM_SERVER) >= modules / 2
    profile.reload()
    wait_until_live(profile)
    assert profile.evaluate(FROM_SERVER) <= MOST_ON_RELOAD


@pytest.mark.parametrize("restarted", [True, False], ids=["restarted", "running"])
def test_a_reload_after_an_upgrade_runs_the_new_files(
    harness: SteeredQueue, profile: Page, tmp_path: Path, restarted: bool
) -> None:
    """The dashboard may still run while an upgrade replaces its files."""
    installed = tmp_path / "installed"
    shutil.copytree(Path(swarm_dashboard.__file__).parent, installed / "swarm_dashboard")
    environ = {"PYTHONPATH": str(installed)}
    module = installed / "swarm_dashboard" / "static" / "app.js"
    earlier = module.read_text()

    def upgrade() -> None:
        module.write_text(earlier + '\ndocument.documentElement.dataset.edition = "new";\n')

    def edition() -> str | None:
        wait_until_live(profile)
        return profile.evaluate("document.documentElement.dataset.edition ?? null")

    with dashboard(harness.path, environ=environ) as first:
        profile.goto(first.link)
        assert edition() is None
        upgrade()
        if not restarted:
            profile.reload()
            assert edition() == "new"
    if restarted:
        with dashboard(harness.path, environ=environ, port=urlsplit(first.url).port):
            profile.reload()
            assert edition() == "new"
