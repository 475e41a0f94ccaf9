"""The page that `report --html` writes, on a phone and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from finished_queue import finished_queue
from playwright.sync_api import Browser

from browser import context_of
from swarm_shared.database import TaskDatabase
from swarm_shared.reporting.html import html_page
from swarm_shared.store.views.run_report import RunReports

PHONE = 390


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = finished_queue(tmp_path_factory.mktemp("queue"), 200)
    with TaskDatabase(path, read_only=True) as database:
        text = html_page(RunReports(database.connection, database.clock).now(), path.name)
    page = path.with_name("report.html")
    page.write_text(text, encoding="utf-8")
    return page


def test_a_phone_shows_the_reason_below_the_task_and_nothing_beside_the_screen(browser: Browser, report: Path) -> None:
    context = context_of(browser, width=PHONE)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE
    row = page.locator("table.stacked tbody tr").first
    task, reason = (row.locator(f"td:nth-child({n})").bounding_box() for n in (1, 3))
    assert task is not None
    assert reason is not None
    assert reason["y"] >= task["y"] + task["height"]
    assert reason["width"] > PHONE * 0.75
    sizes = page.locator("svg text").evaluate_all("all => all.map(each => each.getBoundingClientRect())")
    assert all(box["left"] >= 0 and box["right"] <= PHONE and box["height"] >= 8 for box in sizes)
    context.close()


def test_on_paper_a_closed_list_says_how_to_print_it(browser: Browser, report: Path) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(report.as_uri())
    hint = "getComputedStyle(document.querySelector('details:not([open]) summary'), '::after').content"
    assert page.evaluate(hint) == "none"
    page.emulate_media(media="print")
    assert "before printing" in page.evaluate(hint)
    context.close()
