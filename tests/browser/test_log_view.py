"""The log of a session in a real Chromium: it grows while you read, can be searched, and no size freezes the page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from steered_queue import SteeredQueue
from stopwatch import Stopwatch

from browser import RunningDashboard, Watched
from swarm_shared.domain.models import Role, Stage

pytestmark = pytest.mark.browser

BIG_BYTES = 50_000_000
LONGEST_TASK_MS = 1000  # below 100 ms on an idle machine; all of it at once takes many seconds
MOST_NODES = 6_000
# A wheel event is followed by a movement over many frames.
REST = """async () => {
  const pane = document.querySelector(".lines");
  for (let still = 0, last = null; still < 20; still = pane.scrollTop === last ? still + 1 : 0) {
    last = pane.scrollTop;
    await new Promise(requestAnimationFrame);
  }
}"""
LONG_TASKS = """
window.longest = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.longest = Math.max(window.longest, entry.duration);
}).observe({type: "longtask", buffered: true});
"""


class Log:
    """The builder session of task 1, written manually."""

    def __init__(self, harness: SteeredQueue) -> None:
        harness.add("1")
        self.claim = harness.take()
        self._queue, self._output = harness.db.queue, harness.db.output
        self.session = self._queue.open_session(
            self.claim, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p"
        )
        self._position = 0

    def write(self, text: str, *, stream: int = 1, limit_bytes: int = 10**9) -> int:
        """Append; returns the number of bytes so far."""
        self._position = self._output.append(
            self.session, [(stream, text.encode())], position=self._position, limit_bytes=limit_bytes
        )
        return self._position


@pytest.fixture
def log(harness: SteeredQueue) -> Log:
    return Log(harness)


def open_log(page: Page, running: RunningDashboard, more: str = "") -> None:
    page.goto(f"{running.url}/tasks/1?tab=log{more}")
    page.wait_for_selector(".lines .row")
    page.evaluate("document.querySelector('.lines').scrollIntoView({block: 'end'})")


def top_line(page: Page) -> int:
    """The number of the first visible line."""
    return int(
        page.evaluate(
            """() => {
              const pane = document.querySelector(".lines").getBoundingClientRect();
              const rows = [...document.querySelectorAll(".lines .row")];
              return rows.find((row) => row.getBoundingClientRect().bottom > pane.top + 2).dataset.n;
            }"""
        )
    )


def test_it_grows_while_you_read_and_escape_sequences_are_harmless(
    log: Log, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    log.write(
        "\x1b[31mred\x1b[0m \x1b]0;title\x07\x1b]52;c;aGk=\x07\x1b[2J<b>bold</b> \x1b[38;5;9mx\r\n\x1b[32mgreen\n"
    )
    open_log(page, running)
    expect(page.locator(".row")).to_have_text(["red <b>bold</b> x", "green"])
    expect(page.locator(".row .ansi-red").first).to_have_text("red")
    log.write("still green\x1b[0m, then ✓")
    expect(page.locator(".row").nth(2)).to_have_text("still green, then ✓")
    expect(page.locator(".row").nth(2).locator(".ansi-green")).to_have_text("still green")
    log.write(" and more\nlast\n", stream=2)
    expect(page.locator(".row").nth(2)).to_have_text("still green, then ✓ and more")
    expect(page.locator(".row.stderr")).to_have_text("last")
    assert page.locator(".row").nth(3).get_attribute("data-n") == "4"


def test_it_stays_at_the_end_until_you_scroll_up(
    log: Log, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    log.write("".join(f"line {n}\n" for n in range(1, 3001)))
    open_log(page, running)
    expect(page.locator('.row[data-n="3000"]')).to_be_in_viewport()
    log.write("newest\n")
    expect(page.locator('.row[data-n="3001"]')).to_be_in_viewport()
    page.hover(".lines")
    page.mouse.wheel(0, -3000)
    expect(page.get_by_role("button", name="Follow")).to_have_attribute("aria-pressed", "false")
    page.evaluate(REST)
    before = top_line(page)
    log.write("".join(f"more {n}\n" for n in range(500)))
    page.wait_for_timeout(1500)  # longer than the page takes to poll again
    assert top_line(page) == before
    page.get_by_role("button", name="Follow").click()
    expect(page.locator('.row[data-n="3501"]')).to_be_in_viewport()


def test_a_text_is_found_forwards_backwards_and_by_its_address(
    log: Log, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    log.write("".join(f"line {n}{' Needle' if n % 1000 == 500 else ''}\n" for n in range(1, 5001)))
    open_log(page, running)
    page.fill(".find input", "needle")
    count = page.locator(".find .found")
    expect(count).to_have_text("1 of 5")  # from the end on there is none, so it wraps around
    expect(page.locator(".row.current")).to_have_text("line 500 Needle")
    expect(page.locator(".row.current")).to_be_in_viewport()
    page.press(".find input", "Enter")
    expect(page.locator(".row.current")).to_have_text("line 1500 Needle")
    page.press(".find input", "Shift+Enter")
    page.press(".find input", "Shift+Enter")
    expect(count).to_have_text("5 of 5")
    page.focus(".lines")
    page.keyboard.press("n")
    expect(count).to_have_text("1 of 5")
    expect(page).to_have_url(re.compile("(?=.*find=needle)(?=.*line=500)"))
    page.reload()
    expect(page.locator(".row.current")).to_have_text("line 500 Needle")
    expect(count).to_have_text("5")
    page.fill(".find input", "haystack")
    expect(count).to_have_text("not found")


def test_one_button_goes_to_the_first_error(log: Log, page: Page, running: RunningDashboard, seen: Watched) -> None:
    log.write("".join(f"fine {n}, 0 errors\n" for n in range(1, 2001)))
    log.write("Traceback (most recent call last):\nValueError: no\n")
    log.write("".join(f"fine {n}\n" for n in range(1, 2001)))
    open_log(page, running)
    page.click("text=First error")
    expect(page.locator(".row.current")).to_have_text("Traceback (most recent call last):")
    expect(page.locator(".find .found")).to_have_text("error 1 of 2")


def test_fifty_megabytes_do_not_freeze_the_page(log: Log, page: Page, running: RunningDashboard, seen: Watched) -> None:
    lines, written = 0, 0
    while written < BIG_BYTES:
        piece = []
        for _ in range(1000):
            lines += 1
            mark = " the needle" if lines % 50_000 == 7 else ""
            piece.append(f"{lines:08d} \x1b[32mok\x1b[0m {'compiled and linked without trouble ' * 2}{mark}\n")
        written = log.write("".join(piece))
    page.add_init_script(LONG_TASKS)
    watch = Stopwatch()
    open_log(page, running)
    expect(page.locator(f'.row[data-n="{lines}"]')).to_be_in_viewport()
    for part in (0.0, 0.5, 0.93, 0.2):
        page.evaluate(
            """(part) => {
              const pane = document.querySelector(".lines");
              pane.scrollTop = pane.scrollHeight * part;
            }""",
            part,
        )
        page.wait_for_function(
            """([part, lines]) => {
              const pane = document.querySelector(".lines").getBoundingClientRect();
              const row = document.elementFromPoint(pane.left + 200, pane.top + 60)?.closest(".row");
              return row && Math.abs(row.dataset.n / lines - part) < 0.02;
            }""",
            arg=[part, lines],
        )
        assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES
    page.fill(".find input", "the needle")
    expect(page.locator(".find .found")).to_have_text(re.compile(r"^\d+ of \d+$"))
    expect(page.locator(".row.current")).to_contain_text("the needle")
    page.click("text=First error")
    expect(page.locator(".find .found")).to_have_text("no errors found")
    assert page.evaluate("window.longest") < LONGEST_TASK_MS * watch.stretch()
    assert page.evaluate("document.querySelectorAll('*').length") < MOST_NODES


def test_it_is_downloaded_completely(log: Log, running: RunningDashboard, page: Page, seen: Watched) -> None:
    size = 0
    for n in range(40):
        size = log.write(f"{n:05d} {'x' * 20_000}\n")
    open_log(page, running)
    with page.expect_download() as started:
        page.click("text=Download")
    text = started.value.path().read_text()
    assert len(text) == size
    assert text[:8] == "00000 xx"
    assert text.endswith("x\n")


def test_truncated_output_is_marked_in_its_place(
    log: Log, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    for n in range(300):
        log.write(f"line {n}\n", limit_bytes=1000)
    open_log(page, running)
    expect(page.locator(".lines .note")).to_contain_text("truncated (output limit)")


def test_sessions_and_attempts_are_selected_by_tabs_and_the_address(
    harness: SteeredQueue, log: Log, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    log.write("the builder speaks\n")
    checker = harness.db.queue.open_session(
        log.claim, role=Role.VALIDATOR, name="v", stage=Stage.VALIDATING, prompt="q"
    )
    harness.db.output.append(checker, [(1, b"the validator speaks\n")], position=0, limit_bytes=10**6)
    open_log(page, running)
    expect(page.locator(".row")).to_have_text("the validator speaks")
    page.click(".tabs.small >> text=builder")
    expect(page.locator(".row")).to_have_text("the builder speaks")
    page.reload()
    expect(page.locator(".row")).to_have_text("the builder speaks")
