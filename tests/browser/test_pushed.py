"""Outcomes and log lines come over the open socket: while it is open, the page polls for neither."""

from __future__ import annotations

from playwright.sync_api import Page, Request, expect
from steered_queue import SteeredQueue

from browser import Watched


def asked_for(page: Page, word: str) -> list[str]:
    """The addresses with this word that the page requests from now on."""
    found: list[str] = []

    def note(request: Request) -> None:
        if word in request.url:
            found.append(request.url)

    page.on("request", note)
    return found


def test_an_outcome_arrives_without_polling(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a")
    page.goto(page.url.partition("#")[0] + "tasks/a")
    page.wait_for_selector('#chip[data-state="live"]')
    polled = asked_for(page, "/api/control/")
    page.click('.actions [data-verb="hold"]')
    harness.carry_out()
    expect(page.locator('.notice[data-kind="done"]')).to_be_visible()
    assert polled == []


def test_a_log_grows_without_polling(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a")
    harness.start()
    session = harness.db.connection.value("SELECT max(id) FROM sessions")
    written = 0

    def write(text: bytes) -> None:
        nonlocal written
        harness.db.output.append(session, [(1, text)], position=written, limit_bytes=10**7)
        written += len(text)

    write(b"first line\n")
    page.goto(page.url.partition("#")[0] + "tasks/a?tab=log")
    expect(page.locator(".lines .row")).to_have_text(["first line\n"])
    page.wait_for_selector('#chip[data-state="live"]')
    asked = asked_for(page, "/log/lines")
    write(b"second, cut ")
    expect(page.locator(".lines .row")).to_have_count(2)
    write(b"here\nthird\n")
    expect(page.locator(".lines .row")).to_have_text(["first line\n", "second, cut here\n", "third\n"])
    write(b"".join(b"line %d\n" % n for n in range(300)))
    expect(page.locator(".lines .row").last).to_have_text("line 299\n")
    assert asked == []
