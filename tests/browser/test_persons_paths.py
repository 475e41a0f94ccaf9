"""What users come to the dashboard for, from the first click to the last, on a swarm that actually runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect
from repositories import Sandbox
from start_harness import Harness, harness, task, until

from browser import Watched, context_of, watch
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status

pytestmark = [pytest.mark.browser, pytest.mark.integration]

STOPPED_BY_A_PERSON = 9


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = context_of(browser)
    yield context.new_page()
    context.close()


@pytest.fixture
def seen(page: Page) -> Iterator[Watched]:
    noted = watch(page)
    yield noted
    noted.assert_clean()


def start(at: Harness, page: Page, *words: str, validation: str = "--no-validation") -> None:
    """Run `start` as a user does, and open the link that it prints."""
    at.start("--dashboard", "--dashboard-port", "0", validation, "--keep-running", *words)
    page.goto(at.wait_for("the link", lambda: link(at)))
    page.wait_for_selector('#chip[data-state="live"]')


def link(at: Harness) -> str | None:
    with closing(TaskDatabase(at.db)) as database:
        dashboard = database.swarm.services().get("dashboard")
        if dashboard is None or not dashboard.is_alive():
            return None
        return f"{dashboard.detail['url']}#t={database.swarm.dashboard_token()}"


def shows(page: Page, screen: str) -> None:
    page.click(f'#nav a[data-screen="{screen}"]')
    expect(page.locator(f'#nav a[data-screen="{screen}"]')).to_have_attribute("aria-current", "page")


def become(at: Harness, task_id: str, status: Status) -> None:
    at.wait_for(f"{task_id} to be {status}", lambda: at.status(task_id) is status)


def test_find_out_why_a_task_failed_and_retry_it_with_a_note(at: Harness, page: Page, seen: Watched) -> None:
    fails_once = f"echo 'No module named ledger'; [ -e {at.marker('installed')} ] || exit 3"
    at.add(task("parse", fails_once, max_retries=0), task("print", dependencies=("parse",)))
    start(at, page)
    failed = page.locator("section", has_text="Just failed").locator("li")
    expect(failed).to_contain_text("parse")
    failed.get_by_role("link", name="parse").click()
    expect(page.locator("h1")).to_have_text("Task parse")
    page.get_by_role("navigation", name="About this task").get_by_role("link", name="Log").click()
    expect(page.locator("main")).to_contain_text("No module named ledger")
    at.marker("installed").touch()
    page.locator("main textarea").first.fill("the module is there now")
    page.locator('main [data-verb="retry"]').first.click()
    expect(page.locator('.notice[data-kind="done"]')).to_be_visible()
    become(at, "print", Status.COMPLETED)
    with closing(TaskDatabase(at.db)) as database:
        attempts = database.tasks.attempts(database.tasks.get("parse")["seq"])
    assert [attempt["note"] for attempt in attempts] == [None, "the module is there now"]
    expect(page.locator(".task-head .badge")).to_have_text("completed")


def test_failures_with_one_cause_are_retried_at_once(at: Harness, page: Page, seen: Watched) -> None:
    fails_once = f"echo 'No module named ledger' >&2; [ -e {at.marker('installed')} ] || exit 3"
    ids = [f"t{n}" for n in range(8)]
    at.add(*(task(task_id, fails_once, max_retries=0) for task_id in ids))
    start(at, page, "--workers", "2")
    shows(page, "inbox")
    expect(page.locator("main h2").first).to_contain_text("8 failed tasks, 1 cause")
    at.marker("installed").touch()
    page.get_by_role("button", name="Retry all 8…").click()
    expect(page.locator("#dialog")).to_contain_text("Retry 8 tasks?")
    page.keyboard.press("Control+Enter")
    expect(page.locator('.notice[data-kind="done"]')).to_contain_text("8 done")
    for task_id in ids:
        become(at, task_id, Status.COMPLETED)
    expect(page.locator("main")).to_contain_text("All clear")


def test_a_stuck_agent_is_killed_and_its_task_released(at: Harness, page: Page, seen: Watched) -> None:
    stuck = f"[ -e {at.marker('go')} ] || {{ touch {at.marker('begun')}; sleep 4242; }}"
    at.add(task("a", stuck))
    start(at, page)
    at.wait_marker("begun")
    page.get_by_role("button", name="Kill a", exact=True).click()
    expect(page.locator("#dialog")).to_contain_text("Kill the agent of a?")
    page.locator("#dialog").get_by_role("button", name="Kill").click()
    become(at, "a", Status.HELD)
    assert at.pids_of("sleep 4242") == []
    shows(page, "inbox")
    held = page.locator(".asks li")
    expect(held).to_contain_text("It was killed on request.")
    at.marker("go").touch()
    held.get_by_role("button", name="Release a").click()
    become(at, "a", Status.COMPLETED)
    expect(page.locator("main")).to_contain_text("All clear")


def test_workers_are_scaled_to_five_and_the_queue_is_paused_and_resumed(at: Harness, page: Page, seen: Watched) -> None:
    start(at, page)
    shows(page, "workers")
    page.fill("#scale", "5")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("5 workers")
    shows(page, "now")
    page.locator(".warning, .empty, .first").first.wait_for()
    page.evaluate("window.sameDocument = true")
    with closing(TaskDatabase(at.db)) as database:
        database.swarm.set_flag("paused", actor="ann")
    expect(page.locator(".warning")).to_contain_text("running ones continue (requested by ann")
    at.add(task("a"))
    expect(page.locator('.counters [data-group="not_started"] .number')).to_have_text("1")
    page.locator(".warning").get_by_role("button", name="Resume").click()
    become(at, "a", Status.COMPLETED)
    expect(page.locator('.counters [data-group="completed"] .number')).to_have_text("1")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.locator(".warning")).to_contain_text("running ones continue (requested from the dashboard")
    page.locator(".warning").get_by_role("button", name="Resume").click()
    expect(page.locator(".warning")).to_have_count(0)
    assert page.evaluate("window.sameDocument")


def test_a_graceful_shutdown_lets_running_tasks_finish(at: Harness, page: Page, seen: Watched) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"), task("b", dependencies=("a",)))
    start(at, page)
    at.wait_marker("begun")
    page.get_by_role("button", name="Graceful shutdown").click()
    expect(page.locator("#dialog")).to_contain_text("1 running task will finish within the graceful timeout")
    page.locator("#dialog").get_by_role("button", name="Shut down").click()
    expect(page.locator(".warning").first).to_contain_text("The swarm is shutting down")
    at.marker("go").touch()
    assert at.wait_end(at.started[-1]) == STOPPED_BY_A_PERSON
    assert (at.status("a"), at.status("b")) == (Status.COMPLETED, Status.NOT_STARTED)
    expect(page.locator("#chip")).to_contain_text("Stale")
    seen.errors.clear()  # the connection broke, as it must


def test_an_emergency_stop_ends_every_agent_at_once(at: Harness, page: Page, seen: Watched) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; sleep 4343"))
    start(at, page)
    at.wait_marker("begun")
    page.get_by_role("button", name="Emergency stop").click()
    expect(page.locator("#dialog")).to_contain_text("1 running session will be stopped immediately")
    page.locator("#dialog").get_by_role("button", name="Emergency stop").click()
    at.wait_for("the end of the agent", lambda: not at.pids_of("sleep 4343"))
    assert at.wait_end(at.started[-1]) == STOPPED_BY_A_PERSON
    assert at.status("a") is Status.NOT_STARTED
    at.wait_nothing_left()
    seen.errors.clear()  # the connection broke, as it must


def test_a_paused_swarm_is_stopped_from_its_notice(at: Harness, page: Page, seen: Watched) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; sleep 4545 & sleep 4546"), task("b"))
    start(at, page)
    at.wait_marker("begun")
    page.get_by_role("button", name="Pause", exact=True).click()
    paused = page.locator(".warning", has_text="The queue is paused")
    paused.get_by_role("button", name="Stop 1 running task…").click()
    expect(page.locator("#dialog")).to_contain_text("The tasks go back to the queue, at no cost to their retries.")
    page.locator("#dialog").get_by_role("button", name="Go back").click()
    assert at.pids_of("sleep 4545"), "nothing must end before it is confirmed"
    paused.get_by_role("button", name="Stop 1 running task…").click()
    page.locator("#dialog").get_by_role("button", name="Emergency stop").click()
    at.wait_for("the end of the agent", lambda: not at.pids_of("sleep 454"))
    assert at.wait_end(at.started[-1]) == STOPPED_BY_A_PERSON
    at.wait_nothing_left()
    with closing(TaskDatabase(at.db)) as database:
        stopped = database.tasks.get("a")
        [attempt] = database.tasks.attempts(stopped["seq"])
    assert (attempt["outcome"], attempt["failure_class"]) == ("failed", "interrupted")
    assert (stopped["status"], stopped["failures"], stopped["crashes"]) == ("not_started", 0, 0)
    assert at.status("b") is Status.NOT_STARTED, "a paused queue must start nothing in its place"
    seen.errors.clear()  # the connection broke, as it must


def test_refused_work_is_reviewed_and_approved_or_sent_back_with_a_comment(
    at: Harness, page: Page, seen: Watched
) -> None:
    project = Sandbox(at.folder, name="project")
    project.commit({"app.py": "greeting = 'hi'\n"})
    objects = "grep -q prefix {} || {{ echo 'x is a bad name: call it prefix' >&2; false; }}"
    better = f"if [ -e {at.marker('again')} ]; then echo 'prefix = 1'; else echo 'x = 1'; fi > sent.py"
    at.add(
        task("kept", "echo 'x = 1' > kept.py", verify=objects.format("kept.py"), max_retries=0),
        task("sent", better, verify=objects.format("sent.py"), max_retries=0),
    )
    start(at, page, "--project-root", str(project.root), validation="--validation")
    inbox = page.locator('#nav a[data-screen="inbox"]')
    expect(inbox.locator(".n")).to_have_text("1")  # one objection
    become(at, "kept", Status.FAILED)
    become(at, "sent", Status.FAILED)
    inbox.click()
    refused = page.locator(".asks li")
    expect(refused).to_contain_text("x is a bad name: call it prefix")
    expect(refused).to_contain_text("The validator objected · 2 failed")

    refused.get_by_role("link", name="sent", exact=True).click()
    expect(page.locator(".above")).to_contain_text("x is a bad name: call it prefix")
    expect(page.locator(".diff")).to_contain_text("x = 1")
    expect(page.locator("main")).to_contain_text("To comment on a line, click its number.")
    page.get_by_label("Note for the next attempt").fill("call it prefix, please")
    at.marker("again").touch()
    page.locator('[data-verb="reject"]').click()
    expect(page.locator("#dialog textarea")).to_have_value("call it prefix, please")
    page.locator("#dialog").get_by_role("button", name="Reject").click()
    become(at, "sent", Status.COMPLETED)

    inbox.click()
    refused.get_by_role("button", name="Approve kept").click()
    expect(page.locator("#dialog")).to_contain_text("although the validator objected: x is a bad name")
    page.locator("#dialog").get_by_role("button", name="Approve").click()
    expect(page.locator("main")).to_contain_text("All clear")
    become(at, "kept", Status.COMPLETED)
    with closing(TaskDatabase(at.db)) as database:
        notes = [attempt["note"] for attempt in database.tasks.attempts(database.tasks.get("sent")["seq"])]
        assert database.tasks.get("kept")["approved_by"] == "dashboard"
    assert notes == [None, "call it prefix, please"]


def test_a_reload_and_the_back_button_return_to_the_same_view(at: Harness, page: Page, seen: Watched) -> None:
    at.add(*(task(f"t{n}", "false", max_retries=0, phase="core") for n in range(3)))
    start(at, page)
    become(at, "t2", Status.FAILED)
    for address in ("/tasks?status=failed&phase=core", "/tasks/t1?tab=events", "/inbox", "/landing", "/health"):
        page.goto(page.evaluate("location.origin") + address)
        page.wait_for_selector("main .screen")
        before = page.locator("main h1").inner_text()
        page.reload()
        page.wait_for_selector("main .screen")
        assert address == page.evaluate("location.pathname + location.search")
        assert page.locator("main h1").inner_text() == before
    shows(page, "inbox")
    page.go_back()
    expect(page).to_have_url(re.compile("/health$"))
    expect(page.locator(".verdict")).to_be_visible()


def test_all_of_it_without_a_mouse(at: Harness, page: Page, seen: Watched) -> None:
    fails_once = f"[ -e {at.marker('go')} ] || exit 3"
    at.add(task("a", fails_once, max_retries=0), task("b", f"touch {at.marker('begun')}; sleep 4444"))
    start(at, page, "--workers", "2")
    at.wait_marker("begun")
    become(at, "a", Status.FAILED)
    press = page.keyboard.press
    press("g")
    press("i")
    expect(page.locator(".asks li")).to_have_count(1)
    press("j")
    expect(page.locator("a[data-row]:focus")).to_have_text("a")
    at.marker("go").touch()
    tab_to(page, "Retry…")
    press("Enter")
    page.keyboard.type("look again")
    press("Control+Enter")
    become(at, "a", Status.COMPLETED)
    press("g")
    press("n")
    expect(page.locator("table.running tbody tr")).to_have_count(1)
    tab_to(page, "Kill b")
    press("Enter")
    expect(page.locator("#dialog")).to_be_visible()
    tab_to(page, "Kill")
    press("Enter")
    become(at, "b", Status.HELD)
    press("g")
    press("i")
    expect(page.locator(".asks li")).to_have_count(1)
    press("j")
    press("r")  # the usual action: release
    at.wait_for("b to run again", lambda: at.status("b") is Status.IN_PROGRESS)
    press("?")
    expect(page.locator("#dialog")).to_contain_text("go to Landing")
    press("Escape")
    expect(page.locator("#dialog")).not_to_be_visible()


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the control of that name has the focus."""
    for _ in range(80):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent).trim()"
        )
        if found == name:
            return
    raise AssertionError(f"{name!r} cannot be reached by the keyboard")
