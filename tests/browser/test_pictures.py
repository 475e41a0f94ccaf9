"""Charts: used by pointer and by keyboard, live, bounded, each with a table that shows the same data."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from queue_harness import PASSED, failed
from steered_queue import SteeredQueue
from stopwatch import Stopwatch

from browser import RunningDashboard, Watched, context_of, wait_for, watch
from swarm_shared.domain.models import FailureClass, TaskSpec

pytestmark = pytest.mark.browser

NARROW_PX = 320
MOST_BOXES = 400
BEFORE_A_TICK_S = 12.0  # the server reports after fifteen seconds that nothing has happened, and the page loads again

MOST_NODES = 8_000
COUNT_NODES = """() => {
    const walker = document.createTreeWalker(document, NodeFilter.SHOW_ALL);
    let nodes = 1;
    while (walker.nextNode()) nodes += 1;
    return nodes;
}"""


def said(page: Page, picture: str) -> str:
    return page.inner_text(f".{picture} .said")


def paths(page: Page, picture: str) -> str:
    """Everything that is drawn, as data."""
    found: str = page.evaluate(
        "(name) => [...document.querySelectorAll(`.${name} path`)].map((p) => p.getAttribute('d')).join(';')", picture
    )
    return found


def each_shape(page: Page) -> list[str]:
    """The text of each shape in a lane, from right to left; it names a task, which no other shape does."""
    page.keyboard.press("End")
    found = [said(page, "lanes")]
    while True:
        page.keyboard.press("ArrowLeft")
        if (text := said(page, "lanes")) == found[-1]:
            return found
        found.append(text)


def test_a_running_attempt_appears_in_its_lane_and_stays_when_it_has_ended(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("1", "2")
    claim = harness.start()
    expect(page.locator('.lane[data-worker="worker-1"] .lane-now')).to_contain_text("building")
    page.wait_for_function("() => document.querySelector('.lane .live').getAttribute('d') !== ''")
    harness.settle(claim)
    page.wait_for_function("() => document.querySelector('.lane .live').getAttribute('d') === ''")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.lane .block:not(.live)')].some((p) => p.getAttribute('d'))"
    )
    expect(page.locator(".lanes .said")).to_contain_text("1 attempt.")


def test_the_arrow_keys_move_between_attempts_and_enter_opens_the_task(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add("first", "second", "third")
    harness.run()
    harness.start("worker-2")
    expect(page.locator(".lanes .said")).to_contain_text("2 attempts")
    page.focus(".lanes .chart")
    page.keyboard.press("End")
    expect(page.locator(".lanes .said")).to_contain_text("first, try 1: passed")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".lanes .said")).to_contain_text("second: building")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("task first")


def test_the_range_is_in_the_address(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("1")
    harness.run()
    page.click('.ranges a:has-text("6 h")')
    expect(page.locator(".bars h2")).to_contain_text("per 5 minutes")
    expect(page).to_have_url(re.compile("range=6h"))
    page.reload()
    expect(page.locator('.ranges a[aria-current="true"]')).to_have_text("6 h")
    page.go_back()
    expect(page.locator('.ranges a[aria-current="true"]')).to_have_text("1 h")


def test_a_chart_that_lacks_the_newest_event_is_loaded_again(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    asked: list[int] = []
    costly = False

    def answer(route: Route) -> None:
        asked.append(int(parse_qs(urlsplit(route.request.url).query)["seq"][0]))
        body = route.fetch().json()
        # The server caches an expensive chart for a while, even for a page that asks for something newer.
        route.fulfill(json={**body, "seq": body["seq"] - 1} if costly else body)

    page.route("**/api/timeline**", answer)
    harness.add("1")
    harness.run()
    page.click('.ranges a:has-text("15 min")')
    wait_for(lambda: asked[-1:] == [harness.db.events.last_id()], on=page)
    asked.clear()
    costly = True
    harness.db.events.add("paused", "the last thing that happens")
    wait_for(lambda: asked, on=page)
    wait_for(lambda: len(asked) > 1, deadline_s=BEFORE_A_TICK_S, on=page)
    page.unroute_all(behavior="wait")


def test_nothing_moves_under_the_pointer(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add(*(str(n) for n in range(30)))
    harness.run()
    expect(page.locator(".lanes .said")).to_contain_text("1 attempt.")
    page.hover(".lanes .bar-lane")
    before = paths(page, "lanes")
    for _ in range(5):
        harness.run(failed(FailureClass.QUALITY))
    expect(page.locator('.counters [data-group="not_started"] .number')).not_to_have_text("29")
    page.wait_for_timeout(2_500)  # longer than the interval at which charts are loaded
    assert paths(page, "lanes") == before
    page.mouse.move(5, 5)
    page.wait_for_function("() => document.querySelector('.lanes .said').textContent.startsWith('6 attempts')")


def test_hundreds_of_short_attempts_are_few_shapes_with_their_number(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add(*(str(n) for n in range(300)))
    nodes = "document.querySelectorAll('.lanes *').length"
    for n in range(16):
        harness.run()
        harness.claimant(f"worker-{n + 1}")
    expect(page.locator(".lane[data-worker]")).to_have_count(16)
    few = page.evaluate(nodes)
    for n in range(250):
        harness.run(failed(FailureClass.QUALITY, "tests are red") if n % 50 == 0 else PASSED)
    page.wait_for_function("() => document.querySelector('.lanes .said').textContent.startsWith('266 attempts')")
    assert page.evaluate(nodes) <= few + 20
    page.focus(".lanes .chart")
    shapes = each_shape(page)
    # How many attempts a shape stands for depends on when its slot of time began and on how busy the machine is.
    numbers = [int(found[1]) for shape in shapes if (found := re.match(r"(\d+) attempts: .*passed", shape))]
    alone = [shape for shape in shapes if re.match(r"\d+, try \d: ", shape)]
    assert len(numbers) + len(alone) == len(shapes), shapes
    assert sum(numbers) + len(alone) == 266, shapes
    assert len(shapes) < 50, shapes


def test_the_bars_and_their_table_show_the_same_data(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add(TaskSpec(id="1", name="one", max_retries=1), "2", "3")
    for result in (failed(FailureClass.QUALITY), failed(FailureClass.QUALITY), PASSED, PASSED):
        harness.run(result)
    expect(page.locator(".bars .said")).to_contain_text("4 attempts ended: 2 passed, 1 retried, 1 failed.")
    page.click(".bars summary")
    page.wait_for_selector(".bars tbody tr")
    # All at once: the window moves on with time.
    heads, *rows = page.evaluate(
        "[...document.querySelectorAll('.bars tr')].map((r) => [...r.cells].map((c) => c.innerText))"
    )
    sums = {head: sum(int(row[column]) for row in rows) for column, head in enumerate(heads) if column}
    assert sums == {"passed": 2, "retried": 1, "failed": 1}
    page.focus(".bars .chart")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".bars .said")).to_have_text(re.compile(r"^\d\d:\d\d–\d\d:\d\d: "))


def test_progress_shows_the_estimated_end_and_its_uncertainty(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add(*(TaskSpec(id=str(n), name=str(n), estimated_hours=1) for n in range(8)))
    expect(page.locator(".progress .said")).to_contain_text("An estimate appears once a task has finished")
    for n in range(4):
        claim = harness.start()
        took_ms = 60_000 * (n + 2)
        harness.db.connection.change(
            "UPDATE attempts SET claimed_at = claimed_at - ? WHERE id = ?", (took_ms, claim.attempt)
        )
        harness.settle(claim)
    expect(page.locator(".progress .said")).to_contain_text("4\u00a0h of 8\u00a0h done")
    expect(page.locator(".progress .said")).to_contain_text("80% likely between")
    expect(page.locator(".progress .band").first).to_be_attached()


def test_the_graph_is_navigated_by_keyboard(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", *(TaskSpec(id=b, name=b, dependencies=(a,)) for a, b in ("ab", "bc", "cd")))
    page.keyboard.press("g")
    page.keyboard.press("g")
    expect(page.locator(".graph .box")).to_have_count(4)
    expect(page.locator(".graph .box.critical")).to_have_count(4)
    page.keyboard.press("c")
    expect(page.locator(".graph .said")).to_contain_text("needed by b")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".graph .said")).to_contain_text("needs b")
    page.keyboard.press("n")
    expect(page.locator(".found")).to_contain_text("4 tasks around c")
    page.click('.found a:has-text("1")')
    expect(page.locator(".graph .box")).to_have_count(3)
    expect(page).to_have_url(re.compile("depth=1"))
    page.focus(".graph .scroll")
    width = page.locator(".graph .scroll > svg").get_attribute("width")
    page.keyboard.press("+")
    expect(page.locator(".graph .scroll > svg")).not_to_have_attribute("width", width or "")
    expect(page).to_have_url(re.compile("zoom=1.15"))
    page.reload()
    expect(page.locator(".graph .box")).to_have_count(3)
    page.wait_for_function(
        "(w) => document.querySelector('.graph .scroll > svg').getAttribute('width') !== w", arg=width
    )


def test_the_graph_begins_with_complete_readable_rows(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    page.set_viewport_size({"width": 1280, "height": 700})
    harness.add(*(TaskSpec(id=f"t{n:02}", name="n") for n in range(60)))
    for _ in range(40):
        harness.run()
    harness.start()
    page.click('#nav a[data-screen="graph"]')
    expect(page.locator('.graph .box[data-group="in_progress"]')).to_be_in_viewport()
    shown = page.evaluate("""() => {
        const frame = document.querySelector(".graph .scroll").getBoundingClientRect();
        const boxes = [...document.querySelectorAll(".graph .box > rect")].map((box) => box.getBoundingClientRect());
        const cut = boxes.filter((box) => box.top < frame.top - 1 && box.bottom > frame.top + 1);
        const name = document.querySelector(".graph .box .name").getBoundingClientRect();
        return { scrolled: document.querySelector(".graph .scroll").scrollTop, cut: cut.length, height: name.height };
    }""")
    assert shown["scrolled"] > 0
    assert shown["cut"] == 0
    assert shown["height"] >= 11


def test_the_graph_follows_changes(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    page.click('#nav a[data-screen="graph"]')
    box = page.locator('.graph .box[data-key="a"]')
    expect(box).to_have_attribute("data-group", "not_started")
    box.hover()
    claim = harness.start()
    expect(box).to_have_attribute("data-group", "in_progress")  # colours change under the pointer, positions do not
    harness.settle(claim)
    expect(box).to_have_attribute("data-group", "completed")
    expect(page.locator(".graph .box.critical")).to_have_attribute("data-key", "b")
    page.click(".graph summary")
    expect(page.locator(".graph tbody tr")).to_have_count(2)
    box.click()
    expect(page.locator("h1")).to_have_text("task a")
    page.click('.tabs a:has-text("Dependencies")')
    page.click("text=Show in the graph")
    expect(page.locator(".found")).to_contain_text("2 tasks around a")


def test_a_large_graph_has_a_mini_map_that_shows_and_moves_the_visible_part(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    needs = {n: (f"t{n - 40:03}",) if n > 39 else () for n in range(240)}
    harness.add(*(TaskSpec(id=f"t{n:03}", name="n", dependencies=before) for n, before in needs.items()))
    page.click('#nav a[data-screen="graph"]')
    expect(page.locator(".graph .box")).to_have_count(240)
    in_view = page.locator(".mini-map .in-view")
    expect(in_view).to_have_attribute("y", "0")
    box = page.locator(".mini-map svg").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] - 2, box["y"] + box["height"] - 2)
    page.mouse.down()
    page.mouse.up()
    scroll = page.locator(".graph .scroll")
    page.wait_for_function(
        "(node) => node.scrollTop + node.clientHeight >= node.scrollHeight - 1", arg=scroll.element_handle()
    )
    expect(in_view).not_to_have_attribute("y", "0")
    scroll.evaluate("(node) => node.scrollTo(0, 0)")
    expect(in_view).to_have_attribute("y", "0")
    page.get_by_label("Smaller").click()
    whole = float(in_view.get_attribute("height") or 0)
    page.get_by_label("Larger").click()
    page.wait_for_function("(h) => Number(document.querySelector('.in-view').getAttribute('height')) < h", arg=whole)


def test_a_graph_that_is_small_or_completely_visible_has_no_mini_map(
    harness: SteeredQueue, page: Page, seen: Watched
) -> None:
    harness.add(*(TaskSpec(id=f"t{n:03}", name="n") for n in range(40)))
    page.click('#nav a[data-screen="graph"]')
    expect(page.locator(".graph .box")).to_have_count(40)
    expect(page.locator(".mini-map")).to_have_count(0)
    harness.add(*(TaskSpec(id=f"u{n:03}", name="n") for n in range(200)))
    expect(page.locator(".mini-map")).to_be_visible()
    page.set_viewport_size({"width": 1920, "height": 3200})
    page.get_by_role("button", name="Fit").click()
    expect(page.locator(".mini-map")).to_be_hidden()


def test_ten_thousand_tasks_do_not_freeze_the_graph(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    harness.add(
        *(
            TaskSpec(
                id=f"t{n}", name=f"task {n}", phase=f"phase {n // 500}", dependencies=(f"t{n - 7}",) if n > 6 else ()
            )
            for n in range(10_000)
        )
    )
    page.evaluate(
        """() => {
          window.longest = 0;
          const note = (entry) => { window.longest = Math.max(window.longest, entry.duration); };
          new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type: "longtask" });
        }"""
    )
    watch = Stopwatch()
    page.click('#nav a[data-screen="graph"]')
    expect(page.locator(".found")).to_contain_text("20 phases of 10,000 tasks")
    expect(page.locator(".graph .box")).to_have_count(20)
    page.click('a:has-text("All")')
    expect(page.locator(".found")).to_contain_text("Showing 400 of 10,000 tasks; choose a phase or a task.")
    expect(page.locator(".graph .box")).to_have_count(MOST_BOXES)
    page.keyboard.press("0")
    assert page.evaluate("window.longest") < 2_000 * watch.stretch()  # a tenth of it is usual


@pytest.mark.parametrize("path", ["/?range=15m", "/workers", "/graph", "/graph?view=phases"])
def test_pictures_fit_a_narrow_window(
    harness: SteeredQueue, running: RunningDashboard, browser: Browser, path: str
) -> None:
    harness.add(*(TaskSpec(id=f"a-rather-long-name/{n}", name="x" * 90, phase=f"p{n % 3}") for n in range(20)))
    harness.run()
    harness.start("a-worker-with-a-rather-long-name-of-its-own")
    context = context_of(browser, width=NARROW_PX, dark=True)
    page = context.new_page()
    noted = watch(page)
    page.goto(running.link)
    page.wait_for_selector('#chip[data-state="live"]')
    page.goto(running.url + path)
    page.wait_for_selector(".picture .said, .graph .said")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    noted.assert_clean()
    context.close()


@pytest.mark.parametrize(("screen", "kept"), [("tasks", ".bulk"), ("now", ".picture.lanes"), ("graph", ".picture")])
def test_an_element_that_a_module_keeps_does_not_keep_a_closed_screen_in_memory(
    harness: SteeredQueue, page: Page, seen: Watched, screen: str, kept: str
) -> None:
    harness.add("1")
    harness.run()
    page.click(f'#nav a[data-screen="{screen}"]')
    page.wait_for_selector(f"main .screen {kept}", state="attached")
    page.evaluate(f"window.kept = document.querySelector('main {kept}')")
    page.click('#nav a[data-screen="audit"]')
    wait_for(lambda: not page.evaluate("window.kept.isConnected"))
    assert page.evaluate("window.kept.closest('.screen')") is None


def test_an_open_page_does_not_grow(harness: SteeredQueue, page: Page, seen: Watched) -> None:
    """Counted by the browser itself, after it has cleaned up: nodes, listeners and memory."""
    devtools = page.context.new_cdp_session(page)

    def counted() -> dict[str, int]:
        for _ in range(2):
            devtools.send("HeapProfiler.collectGarbage")
        found: dict[str, int] = devtools.send("Memory.getDOMCounters")
        shown = int(page.evaluate(COUNT_NODES))
        return found | {"shown": shown, "heap": int(devtools.send("Runtime.getHeapUsage")["usedSize"])}

    def work(times: int, screens: tuple[str, ...]) -> None:
        for n in range(times):
            for _ in range(10):
                harness.run()
            if n % 5 == 0:
                page.click(f'#nav a[data-screen="{screens[n // 5 % len(screens)]}"]')
        page.click('#nav a[data-screen="now"]')
        done = str(harness.db.tasks.counts()["completed"][0])  # type: ignore[index]
        expect(page.locator('.counters [data-group="completed"] .number')).to_have_text(f"{int(done):,}")
        wait_for(lambda: "Live" in page.inner_text("#chip"))
        page.wait_for_timeout(2_500)  # the charts have been loaded again

    harness.add(*(str(n) for n in range(2_000)))
    screens = ("now", "tasks", "workers", "graph", "audit")
    work(40, screens)
    before = counted()
    work(70, screens)  # some three thousand events
    work(70, screens)
    after = counted()
    # Lanes with more attempts have more blocks, up to a bound. Nodes that are no longer visible may belong to one
    # screen, and are freed with the next one; twenty-eight screens came and went between the two counts.
    assert after["shown"] <= MOST_NODES, (before, after)
    assert after["nodes"] <= 2 * before["nodes"], (before, after)
    assert after["jsEventListeners"] <= before["jsEventListeners"] * 1.2 + 50, (before, after)
    assert after["heap"] <= before["heap"] * 1.3 + 1_000_000, (before, after)
