"""One task in a real Chromium: its change, its attempts side by side, checks, prompt, and why it waits."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace
from playwright.sync_api import Locator, Page, expect
from queue_harness import PASSED, failed
from steered_queue import SteeredQueue

from browser import RunningDashboard, Watched
from swarm_shared.domain.models import FailureClass, TaskSpec, Verb
from swarm_shared.git.plumbing.diffs import Change, Diff, FileChange
from swarm_shared.store.swarm.swarm import DRAINED, PAUSED
from swarm_shared.store.views.changes import Since

pytestmark = pytest.mark.browser

PATCH = """\
diff --git a/app.py b/app.py
index 1..2 100644
--- a/app.py
+++ b/app.py
@@ -1,3 +1,3 @@ def main():
 one
-two <script>alert(1)</script>
+zwei <img src=x onerror=alert(1)>
 three
diff --git a/big.txt b/big.txt
new file mode 100644
--- /dev/null
+++ b/big.txt
@@ -0,0 +1,900 @@
""" + "".join(f"+line {n}\n" for n in range(1, 901))
OWN = PATCH[: PATCH.index("diff --git a/big.txt")]


def a_file(path: str, added: int, deleted: int) -> FileChange:
    return FileChange(path=path, change=Change.MODIFIED, old_path=None, added=added, deleted=deleted)


@pytest.fixture
def task(harness: SteeredQueue, page: Page, running: RunningDashboard) -> Page:
    """Task 1 has failed twice with the same error, and its screen is open."""
    harness.add(TaskSpec(id="1", name="one", max_retries=1))
    for number in (1, 2):
        claim = harness.start()
        whole = Diff(files=(a_file("app.py", 1, 1), a_file("big.txt", 900, 0)), text=PATCH, truncated=number == 2)
        harness.db.changes.keep(claim.attempt, Since.BASE, base_sha="a" * 40, head_sha=str(number) * 40, change=whole)
        if number == 2:
            own = Diff(files=(a_file("app.py", 1, 1),), text=OWN, truncated=False)
            harness.db.changes.keep(claim.attempt, Since.PREVIOUS, base_sha="1" * 40, head_sha="2" * 40, change=own)
        result = failed(
            FailureClass.QUALITY,
            "tests are red",
            must_fix=("mend the order",),
            tokens=1000 * number,
            cost_usd=0.5,
            check_results=[
                {"command": "make lint", "passed": True, "exit_code": 0, "output": "fine"},
                {"command": "make test", "passed": False, "exit_code": 2, "output": "\x1b[31m1 failed\x1b[0m"},
            ],
            validator_result={"verdict": "FAIL", "critical_issues": ["order is lost"], "summary": "no"},
        )
        harness.settle(claim, result)
    page.goto(f"{running.url}/tasks/1?tab=attempts")
    page.wait_for_selector("table.attempts")
    return page


def test_a_change_is_read_file_by_file_with_line_numbers(task: Page, seen: Watched) -> None:
    task.click("text=Diff")
    files = task.locator(".diff details")
    expect(files).to_have_count(2)
    expect(files.first.locator(".line.minus")).to_have_text("-two <script>alert(1)</script>")
    expect(files.first.locator(".line.plus")).to_have_text("+zwei <img src=x onerror=alert(1)>")
    assert files.first.locator(".line.plus").get_attribute("data-new") == "2"
    expect(files.nth(1).locator(".line")).to_have_count(0)  # long ones are expanded on demand
    files.nth(1).locator("summary").click()
    expect(files.nth(1).locator(".line")).to_have_count(900)
    expect(task.locator(".diff .warning")).to_contain_text(f"git diff {'a' * 40} {'2' * 40}")


def test_expanded_parts_stay_expanded_while_the_page_updates(harness: SteeredQueue, task: Page, seen: Watched) -> None:
    task.click("text=Diff")
    task.locator(".diff details").nth(1).locator("summary").click()
    harness.add("2")
    task.wait_for_timeout(1200)
    expect(task.locator(".diff details").nth(1).locator(".line")).to_have_count(900)


def test_lines_changed_by_only_one_attempt_are_marked(task: Page, seen: Watched) -> None:
    task.click("text=Diff")
    task.click("text=This attempt only")
    expect(task.locator(".diff details")).to_have_count(1)
    expect(task).to_have_url(re.compile("since=previous"))
    task.select_option("select[aria-label='Attempt']", "1")
    expect(task.locator(".tab .empty")).to_contain_text("did not build on an earlier one")


def test_attempts_are_side_by_side_and_repetitions_are_marked(task: Page, seen: Watched) -> None:
    expect(task.locator("table.attempts .same")).to_have_count(1)
    pair = task.locator("table.pair")
    expect(pair.locator("tr", has_text="Tokens")).to_have_attribute("data-differs", "")
    expect(pair.locator("tr", has_text="Reason")).not_to_have_attribute("data-differs", "")
    expect(pair.locator("tr", has_text="Checks")).to_contain_text("1 of 2 failed: make test")
    pair.locator("select").first.select_option("2")
    expect(pair.locator("tr", has_text="Tokens")).not_to_have_attribute("data-differs", "")
    expect(task).to_have_url(re.compile("pair=2-2"))
    task.click("text=Changes of attempt 2 only")
    expect(task.locator(".diff details")).to_have_count(1)


def test_checks_and_verdict_can_be_read_at_a_glance(task: Page, seen: Watched) -> None:
    task.click("text=Checks and verdict")
    expect(task.locator(".glance")).to_contain_text("1 of 2 checks failed")
    expect(task.locator(".glance")).to_contain_text("validator: FAIL")
    expect(task.locator(".checks .ansi-red")).to_have_text("1 failed")
    expect(task.locator(".checks details")).to_have_count(1)  # the output of a passing check is collapsed
    expect(task.locator(".judged")).to_contain_text("order is lost")
    task.select_option("select[aria-label='Attempt']", "1")
    expect(task).to_have_url(re.compile("attempt=1"))


def test_an_unknown_id_links_back_to_the_list(page: Page, running: RunningDashboard) -> None:
    page.goto(f"{running.url}/tasks/nosuch")
    expect(page.locator("main")).to_contain_text("no task 'nosuch'")
    expect(page.locator("main")).not_to_contain_text("amplifier-swarm")
    page.locator("main").get_by_role("link", name="All tasks").click()
    expect(page).to_have_url(re.compile("/tasks$"))


def test_the_next_prompt_is_shown_before_the_earlier_ones(harness: SteeredQueue, task: Page, seen: Watched) -> None:
    task.click("nav >> text=Prompt")
    expect(task.locator(".tab h2").first).to_have_text("Prompt for attempt 3")
    expect(task.locator(".tab pre").first).to_contain_text("mend the order")
    expect(task.locator(".tab h2").nth(1)).to_contain_text("Prompt of the builder, attempt 2")
    expect(task.locator(".tab h2 .quiet").first).to_have_text(re.compile(r"^ · \S"))


def test_the_reason_why_it_waits_is_shown_with_advice(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add("1")
    harness.db.swarm.set_flag("paused", actor="ann", reason="lunch")
    page.goto(f"{running.url}/tasks/1")
    reasons = page.locator(".reasons")
    expect(reasons).to_contain_text(re.compile(r"The queue is paused: .* \(requested by ann, [\d:]+\): lunch"))
    expect(reasons).not_to_contain_text("amplifier-swarm")
    expect(reasons.get_by_role("link", name="Set the number of workers")).to_have_attribute("href", "/workers")
    reasons.get_by_role("button", name="Resume").click()
    assert harness.carry_out().verb is Verb.RESUME
    expect(reasons).not_to_contain_text("paused")


def test_one_resume_is_offered_for_all_reasons_that_it_removes(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add("1")
    for flag in (PAUSED, DRAINED):
        harness.db.swarm.set_flag(flag, actor="ann")
    page.goto(f"{running.url}/tasks/1")
    reasons = page.locator(".reasons")
    expect(reasons).to_contain_text("The queue is paused")
    expect(reasons).to_contain_text("The swarm is shutting down")
    expect(reasons.get_by_role("button", name="Resume")).to_have_count(1)


def test_a_task_that_waits_for_the_files_of_another_links_to_it(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="1", name="one", files=("a.py",)), TaskSpec(id="2", name="two", files=("a.py",)))
    harness.start()
    assert harness.claim("worker-2") is None
    page.goto(f"{running.url}/tasks/2")
    reasons = page.locator(".reasons")
    expect(reasons).to_contain_text("Its files overlap those of 1")
    expect(reasons).not_to_contain_text("amplifier-swarm")
    reasons.get_by_role("link", name="Show it").click()
    expect(page.locator("h1")).to_have_text("one")


def test_a_failed_task_shows_the_error_and_not_the_command_of_its_check(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="1", name="one", max_retries=0))
    error = "ModuleNotFoundError: No module named 'almanac'"
    check = {"command": "make test", "passed": False, "exit_code": 2, "output": f"Traceback\n{error}"}
    harness.run(failed(FailureClass.QUALITY, "check failed: make test (exit 2)", check_results=[check]))
    page.goto(f"{running.url}/tasks/1?tab=attempts")
    expect(page.locator(".task-head .state")).to_have_text(f"failed {error}")
    happened = page.locator("table.attempts [data-heading='What happened']")
    expect(happened.locator("strong")).to_have_text(error)
    expect(happened).to_contain_text("check failed: make test (exit 2)")


def test_a_blocked_task_names_each_dependency_once_and_without_commands(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="1", name="one", max_retries=0), TaskSpec(id="2", name="two", dependencies=("1",)))
    harness.run(failed(FailureClass.QUALITY))
    page.goto(f"{running.url}/tasks/2")
    expect(page.locator("main")).to_contain_text("waiting for 1 (failed)")
    expect(page.locator("main")).to_contain_text("Queues the failed tasks that this one waits for again")
    expect(page.locator(".reasons")).to_have_count(0)


def test_the_output_of_a_gate_and_the_reason_of_a_refused_landing_are_on_the_screen(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="1", name="one"))
    harness.settle(harness.start(), replace(PASSED, base_sha="a" * 40, head_sha="b" * 40))
    landing = harness.db.landings.claim(harness.claimant())
    assert landing is not None
    gate = {"command": "make gate", "passed": False, "exit_code": 1, "output": "no such table"}
    harness.settle(landing.claim, failed(FailureClass.QUALITY, "conflict with t2 (c0ffee)", check_results=[gate]))
    page.goto(f"{running.url}/tasks/1")
    row = page.locator("table.attempts tbody tr")
    expect(row).to_contain_text("landing refused")
    expect(row).to_contain_text("conflict with t2 (c0ffee)")
    page.click("text=Checks and verdict")
    expect(page.locator(".judged")).to_contain_text("no such table")


def current_tab(page: Page) -> Locator:
    return page.get_by_role("navigation", name="About this task").locator('[aria-current="true"]')


def test_a_running_task_opens_on_its_live_log_and_stays_there_when_it_ends(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="1", name="one"))
    claim = harness.start()
    session = harness.db.connection.value("SELECT max(id) FROM sessions")
    harness.db.output.append(session, [(1, b"working\n")], position=0, limit_bytes=10**6)
    page.goto(f"{running.url}/tasks/1")
    expect(current_tab(page)).to_have_text("Log")
    expect(page.locator(".lines .row")).to_have_text(["working\n"])
    harness.settle(claim)
    expect(page.locator(".task-head .badge")).to_have_text("completed")
    expect(current_tab(page)).to_have_text("Log")


def test_a_failed_task_opens_on_its_failure_and_a_finished_one_on_its_change(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add(TaskSpec(id="1", name="one", max_retries=0), TaskSpec(id="2", name="two"))
    check = {"command": "make test", "passed": False, "exit_code": 2, "output": "no such table: ledger"}
    harness.settle(harness.start(), failed(FailureClass.QUALITY, "tests failed", check_results=[check]))
    claim = harness.start()
    change = Diff(files=(a_file("app.py", 1, 1),), text=OWN, truncated=False)
    harness.db.changes.keep(claim.attempt, Since.BASE, base_sha="a" * 40, head_sha="b" * 40, change=change)
    harness.settle(claim)
    page.goto(f"{running.url}/tasks/1")
    expect(current_tab(page)).to_have_text("Checks and verdict")
    expect(page.locator(".judged")).to_contain_text("no such table: ledger")
    page.goto(f"{running.url}/tasks/2")
    expect(current_tab(page)).to_have_text("Diff")
    expect(page.locator(".diff")).to_contain_text("app.py")


def test_a_change_can_be_read_side_by_side_and_in_colours(task: Page, seen: Watched) -> None:
    task.click("text=Diff")
    expect(task.locator(".hunks span[class^='t-']").first).to_be_visible()
    task.click("text=Side by side")
    pair = task.locator(".two").filter(has=task.locator(".line.minus")).first
    expect(pair.locator(".line.plus")).to_have_count(1)


def test_a_comment_on_a_line_becomes_the_note_of_a_retry(harness: SteeredQueue, task: Page, seen: Watched) -> None:
    task.click("text=Diff")
    line = task.locator(".line.plus").first
    number = line.get_attribute("data-new")
    line.hover()
    line.get_by_role("button").click()
    task.fill("#dialog textarea", "keep the old order")
    task.keyboard.press("Control+Enter")
    expect(line.locator(".comment")).to_have_text("keep the old order")
    task.get_by_role("button", name="Retry with comments").click()
    row = harness.carry_out()
    assert (row.verb, dict(row.argument)) == (Verb.RETRY, {"note": f"app.py:{number}: keep the old order"})
    expect(task.locator(".comments")).to_have_count(0)


def test_two_attempts_show_which_files_they_change_differently_and_the_duration_of_each_stage(task: Page) -> None:
    differing = task.locator(".filediffs")
    expect(differing).to_contain_text("2 files changed in the same way by both.")
    expect(differing).to_contain_text("truncated")
    bars = task.locator("section.stages li")
    expect(bars).to_have_count(2)
    expect(bars.first).to_contain_text("building")


def test_a_completed_task_opens_on_its_diff_below_the_verdict(
    harness: SteeredQueue, page: Page, running: RunningDashboard, seen: Watched
) -> None:
    harness.add("1")
    claim = harness.start()
    own = Diff(files=(a_file("app.py", 1, 1),), text=OWN, truncated=False)
    harness.db.changes.keep(claim.attempt, Since.BASE, base_sha="a" * 40, head_sha="b" * 40, change=own)
    verdict = {
        "verdict": "PASS",
        "critical_issues": [],
        "recommendations": ["name the constant"],
        "summary": "It works.",
    }
    checked = [{"command": "make test", "passed": True, "exit_code": 0, "output": ""}]
    harness.settle(claim, replace(PASSED, validator_result=verdict, check_results=checked))
    page.goto(f"{running.url}/tasks/1")
    above = page.get_by_role("region", name="Verdict")
    expect(above).to_contain_text("validator: PASS")
    expect(above).to_contain_text("1 check passed")
    expect(above).to_contain_text("It works.")
    expect(above).to_contain_text("Recommendation: name the constant")
    assert above.bounding_box()["y"] < page.locator(".diff").bounding_box()["y"]
    above.get_by_role("link", name="Checks and verdict").click()
    expect(page.get_by_role("heading", name="Builder's report")).to_be_visible()
