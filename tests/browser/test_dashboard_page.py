"""The dashboard as a user uses it, in a real Chromium against the real process."""

from __future__ import annotations

import re

import pytest
from accessibility import wider_than_window
from playwright.sync_api import Browser, Page, expect
from queue_harness import failed
from steered_queue import SteeredQueue
from stopwatch import Stopwatch

from browser import RunningDashboard, Watched, context_of, watch
from swarm_shared.domain.models import FailureClass, TaskSpec, Verb

pytestmark = pytest.mark.browser

NARROW_PX = (320, 640)  # 640: a window of 1280 at 200 %
SCREENS = ("/", "/tasks", "/inbox", "/graph", "/workers", "/landing", "/audit", "/health")


def counter(page: Page, group: str) -> str:
    return page.inner_text(f'.counters [data-group="{group}"] .number')


def fail_one(harness: SteeredQueue, task_id: str, error: str = "tests are red") -> None:
    harness.add(TaskSpec(id=task_id, name=f"task {task_id}", max_retries=0))
    harness.run(failed(FailureClass.QUALITY, error))


def test_counters_change_without_a_reload(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    page.evaluate("window.sameDocument = true")
    harness.add("1", "2", "3")
    expect(page.locator('.counters [data-group="not_started"] .number')).to_have_text("3")
    claim = harness.start()
    expect(page.locator('.counters [data-group="in_progress"] .number')).to_have_text("1")
    expect(page.locator("table.running")).to_contain_text(claim.task_id)
    watch = Stopwatch()
    harness.settle(claim)
    page.wait_for_function(
        """() => document.querySelector('.counters [data-group="completed"] .number').textContent === '1'""", polling=20
    )
    assert watch.own_s() < 1.5
    expect(page.locator(".strip")).to_contain_text("33")
    assert page.evaluate("window.sameDocument")


def test_an_empty_queue_shows_the_next_command(page: Page, seen: Watched) -> None:
    expect(page.locator("main")).to_contain_text("amplifier-swarm import-tasks")


def test_a_filter_a_search_and_a_reload_keep_the_view(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    fail_one(harness, "9")
    harness.add(*(TaskSpec(id=str(n), name="Parse it" if n % 2 else "Print it", phase="p") for n in range(1, 9)))
    page.click('#nav a[data-screen="tasks"]')
    page.click('.tabs a[data-group="failed"]')
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("status=failed"))
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator('.tabs a[data-group="failed"]')).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(9)
    page.keyboard.press("/")
    page.keyboard.type("parse status:not_started")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(4)
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(4)
    expect(page.locator("#search-box")).to_have_value("parse status:not_started")


def test_a_failed_task_is_retried_with_a_note(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    fail_one(harness, "build/part 1")
    page.click('.short li[data-group="failed"] a.id')
    expect(page.locator("h1")).to_have_text("task build/part 1")
    expect(page.locator(".state")).to_contain_text("tests are red")
    page.fill("#note", "mind the order")
    page.click('.actions [data-verb="retry"]')
    row = harness.carry_out()
    assert (row.verb, row.target, dict(row.argument)) == (Verb.RETRY, "build/part 1", {"note": "mind the order"})
    expect(page.locator(".notice")).to_have_attribute("data-kind", "done")
    expect(page.locator(".task-head .badge")).to_contain_text("ready")
    expect(page.locator("#note")).to_have_count(0)  # a ready task needs no retry
    assert harness.task("build/part 1")["note"] == "mind the order"


def test_typed_text_is_kept_while_the_page_updates(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    fail_one(harness, "1")
    page.click('.short li[data-group="failed"] a.id')
    page.locator("#note").press_sequentially("half a ")
    harness.add("2")
    expect(page.locator("#chip")).to_contain_text("Live")
    harness.start()
    page.wait_for_timeout(900)
    page.keyboard.type("sentence")
    assert page.input_value("#note") == "half a sentence"


def test_a_running_task_is_killed_after_confirmation(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("1")
    harness.start()
    page.click('table.running [data-verb="kill"]')
    expect(page.locator("#dialog")).to_contain_text("Kill the agent of 1?")
    page.keyboard.press("Escape")
    assert harness.db.control.newest(limit=1) == []
    page.click('table.running [data-verb="kill"]')
    page.click("#dialog button.danger")
    row = harness.carry_out()
    assert (row.verb, row.target) == (Verb.KILL, "1")
    assert row.attempt_id is not None
    expect(page.locator('.short li[data-group="held"]')).to_contain_text("It was killed on request")


def test_an_emergency_stop_asks_first_and_resume_cancels_it(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("1", "2")
    harness.start()
    page.click("text=Emergency stop")
    expect(page.locator("#dialog")).to_contain_text("1 running session")
    expect(page.locator("#dialog button:focus")).to_have_text("Go back")
    page.keyboard.press("Enter")
    assert harness.db.control.newest(limit=1) == []
    page.click("text=Emergency stop")
    page.click("#dialog button.danger")
    assert harness.carry_out().verb is Verb.EMERGENCY_STOP
    expect(page.locator(".warning")).to_contain_text(
        "all sessions were ended, and no tasks start (requested from the dashboard"
    )
    page.click(".warning button")
    assert harness.carry_out().verb is Verb.RESUME
    expect(page.locator(".warning")).to_have_count(0)


def test_a_refusal_shows_the_reason(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("1")
    page.click('#nav a[data-screen="tasks"]')
    page.hover("tbody tr")
    page.click('tbody [data-verb="hold"]')
    harness.asked()
    harness.take()  # it starts before the row is handled
    harness.carry_out()
    expect(page.locator('.notice[data-kind="refused"]')).to_contain_text("it is running")
    page.click('#nav a[data-screen="audit"]')
    expect(page.locator("tbody tr").first).to_contain_text("refused")


def test_the_number_of_workers_is_set(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.claimant("worker-1")
    page.click('#nav a[data-screen="workers"]')
    expect(page.locator("tbody tr")).to_contain_text("worker-1")
    page.fill("#scale", "5")
    page.keyboard.press("Enter")
    row = harness.carry_out()
    assert (row.verb, dict(row.argument)) == (Verb.SCALE, {"workers": 5})


def test_rows_do_not_move_under_the_pointer_and_the_chip_counts_changes(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("1", "2")
    claim = harness.start()
    page.click('#nav a[data-screen="tasks"]')
    page.click('.tabs a[data-group="in_progress"]')
    expect(page.locator("tbody tr")).to_have_count(1)
    page.hover("tbody tr")
    harness.start("worker-2")
    expect(page.locator("#chip")).to_contain_text("1 waiting")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.hover("#search-box")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("#chip")).to_have_text("Live")
    assert claim.task_id == "1"


def test_everything_works_by_keyboard_only(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    fail_one(harness, "1")
    harness.add("2")
    keyboard = page.keyboard
    keyboard.press("?")
    expect(page.locator("#dialog")).to_contain_text("Keys")
    keyboard.press("Escape")
    keyboard.press("g")
    keyboard.press("t")
    expect(page.locator("tbody tr")).to_have_count(2)
    keyboard.press("j")
    keyboard.press("j")
    keyboard.press("k")
    expect(page.locator("a[data-row]:focus")).to_have_text("1")
    keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("task 1")
    for _ in range(30):
        keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.verb") == "retry":
            break
    keyboard.press("Enter")
    assert harness.carry_out().verb is Verb.RETRY
    keyboard.press("Escape")
    expect(page.locator("tbody tr")).to_have_count(2)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_another_site_can_read_and_change_nothing(
    browser: Browser, harness: SteeredQueue, running: RunningDashboard, page: Page
) -> None:
    """A page on another port of this machine, which browsers treat as the same site, tries everything."""
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    class Foreign(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>foreign</title>")

        def log_message(self, *arguments: object) -> None:
            pass

    harness.add("1")
    server = HTTPServer(("127.0.0.1", 0), Foreign)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        context = page.context  # the profile that has the token
        foreign = context.new_page()
        foreign.goto(f"http://127.0.0.1:{server.server_port}/")
        found = foreign.evaluate(
            """async (target) => {
              const tried = async (what) => { try { return await what(); } catch { return "refused"; } };
              const pause = target + "/api/pause";
              const post = (options) => tried(async () => (await fetch(pause, {method: "POST", ...options})).status);
              return {
                read: await tried(async () => (await fetch(target + "/api/status")).status),
                blind: await tried(async () => (await fetch(target + "/api/status", {mode: "no-cors"})).type),
                json: await post({body: "{}", headers: {"Content-Type": "application/json"}}),
                form: await post({body: new URLSearchParams({a: 1}), mode: "no-cors"}),
                text: await post({body: "{}", mode: "no-cors", headers: {"Content-Type": "text/plain"}}),
                token: localStorage.getItem("swarm-token"),
                socket: await new Promise((resolve) => {
                  const line = new WebSocket(target.replace("http", "ws") + "/ws");
                  line.onopen = () => resolve("open");
                  line.onerror = () => resolve("refused");
                }),
                frame: await new Promise((resolve) => {
                  const frame = document.createElement("iframe");
                  frame.onload = () => resolve(frame.contentDocument ? "read" : "blocked");
                  frame.src = target + "/";
                  document.body.append(frame);
                }),
              };
            }""",
            running.url,
        )
        foreign.set_content(f'<form id=f method=post action="{running.url}/api/pause"><input name=a></form>')
        foreign.evaluate("document.getElementById('f').submit()")
        foreign.wait_for_load_state()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert found["read"] == "refused"
    assert found["json"] == "refused"
    assert found["token"] is None
    assert found["socket"] == "refused"
    assert found["frame"] == "blocked"
    assert harness.db.control.newest(limit=1) == []


def test_without_the_token_the_page_explains_how_to_get_the_link(browser: Browser, running: RunningDashboard) -> None:
    context = context_of(browser)
    page = context.new_page()
    page.goto(running.url + "/tasks")
    expect(page.locator("main")).to_contain_text("amplifier-swarm dashboard")
    page.fill("main input", running.link)
    page.keyboard.press("Enter")
    expect(page.locator("#chip")).to_have_text("Live")
    assert running.token not in page.url
    context.close()


def test_the_token_is_removed_from_the_address_at_once_and_new_tabs_have_it(
    page: Page, running: RunningDashboard
) -> None:
    assert running.token not in page.url
    other = page.context.new_page()
    other.goto(running.url + "/workers")
    expect(other.locator("#chip")).to_have_text("Live")


def test_nothing_scrolls_sideways_on_a_narrow_screen(
    browser: Browser, harness: SteeredQueue, running: RunningDashboard
) -> None:
    fail_one(harness, "2.6.1.a", "a" * 300)
    harness.add(TaskSpec(id="x" * 120, name="y" * 200, phase="z" * 80, description="w" * 500))
    claim = harness.start()
    session = harness.db.connection.value("SELECT max(id) FROM sessions")
    harness.db.output.append(session, [(1, b"l" * 4000)], position=0, limit_bytes=10**6)
    context = context_of(browser, width=NARROW_PX[0], height=640)
    page = context.new_page()
    seen = watch(page)
    page.goto(running.link)
    page.wait_for_selector('#chip[data-state="live"]')
    tabs = ("attempts", "log", "diff", "checks", "prompt", "definition", "links", "events")
    for address in (*SCREENS, *(f"/tasks/{i}?tab={t}" for i in (claim.task_id, "2.6.1.a") for t in tabs)):
        page.goto(running.url + address)
        page.wait_for_selector("main .screen")
        for width in NARROW_PX:
            page.set_viewport_size({"width": width, "height": 640})
            page.wait_for_timeout(100)
            assert (wide := wider_than_window(page)) <= 0, f"{address} is {wide} px wider than {width}"
    seen.assert_clean()
    context.close()


CONTRAST = """() => {
  const paint = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data]; };
  const part = (v) => v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => { const f = part; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = (node) => { for (; node; node = node.parentElement) {
    const found = rgba(getComputedStyle(node).backgroundColor);
    if (found[3] > 250) return found; }
    return [255, 255, 255, 255]; };
  const poor = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const style = getComputedStyle(node);
    const seen = node.checkVisibility({opacityProperty: true, visibilityProperty: true});
    if (!own || !seen || style.position === "absolute") continue;
    const [a, b] = [light(rgba(style.color)), light(ground(node))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const what = `${node.tagName}.${node.className} ${node.textContent.slice(0, 40)}`;
    if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${what}`);
  }
  return poor;
}"""


def test_text_has_contrast_in_both_themes(browser: Browser, harness: SteeredQueue, running: RunningDashboard) -> None:
    fail_one(harness, "1")
    harness.add("2", "3", TaskSpec(id="4", name="needs", dependencies=("3",)))
    harness.run()
    harness.start()
    harness.db.swarm.set_flag("emergency_stop", actor="ann")
    context = context_of(browser)
    page = context.new_page()
    page.goto(running.link)
    page.wait_for_selector('#chip[data-state="live"]')
    for address in (*SCREENS, "/tasks/1", "/tasks/1?tab=log"):
        page.goto(running.url + address)
        page.wait_for_selector("main .screen")
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            page.wait_for_timeout(100)
            poor = page.evaluate(CONTRAST)
            assert not poor, (address, theme, poor)
    context.close()


def test_a_dashboard_that_is_gone_is_shown_as_stale(page: Page, running: RunningDashboard) -> None:
    running.process.terminate()
    running.process.wait(10)
    expect(page.locator("#chip")).to_have_text(re.compile("Stale for"))


def test_pausing_the_page_holds_updates_until_it_continues(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("1")
    expect(page.locator('.counters [data-group="not_started"] .number')).to_have_text("1")
    page.click("#chip")
    harness.add("2")
    # Messages are counted, of which one import may bring several.
    expect(page.locator("#chip")).to_have_text(re.compile(r"^Paused, [1-9]\d* waiting$"))
    assert counter(page, "not_started") == "1"
    page.click("#chip")
    expect(page.locator('.counters [data-group="not_started"] .number')).to_have_text("2")
