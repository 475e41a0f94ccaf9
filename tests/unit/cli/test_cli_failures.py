"""`failures`, and requests for all tasks that one problem has stopped."""

from __future__ import annotations

import pytest
from cli_harness import CliHarness

from swarm_shared.domain.models import FailureClass, Outcome, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult


@pytest.fixture
def stopped(harness: CliHarness) -> CliHarness:
    """Three tasks: two failed with one problem, one with another."""
    harness.queue(*(TaskSpec(id=name, name=name) for name in "abc"))
    for error in ("no module named x on line 3", "no module named x on line 44", "a \x1b[31mred\x1b[0m test"):
        failed = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error=error)
        harness.settle(harness.claim(), failed)
    return harness


def test_each_problem_is_one_row_with_the_number_of_its_tasks(stopped: CliHarness) -> None:
    ran = stopped.run("failures")
    assert ran.code == 0
    rows = ran.out.splitlines()
    assert [row.split()[1] for row in rows] == ["tasks", "2", "1"]
    assert "no module named x" in rows[1]
    assert "\x1b" not in ran.out
    assert "2 of 2 problems, 3 tasks in total" in ran.err


def test_the_json_shows_more(stopped: CliHarness) -> None:
    shown = stopped.run("failures", "--json", "--limit", "1").json
    assert (shown["total"], shown["tasks"], shown["limit"]) == (2, 3, 1)
    group = shown["failures"][0]
    assert set(group) == {
        "fingerprint", "cause", "sample", "tasks", "failed", "held", "blocked", "attempts", "newest_at", "task_ids",
        "output",
    }  # fmt: skip
    assert (group["cause"], group["tasks"], group["task_ids"]) == ("builder", 2, ["a", "b"])


def test_a_queue_without_failures_reports_that_there_are_none(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    ran = harness.run("failures")
    assert (ran.code, ran.out) == (0, "")
    assert "0 of 0 problems" in ran.err


def test_a_whole_group_is_retried_after_confirmation(stopped: CliHarness) -> None:
    fingerprint = stopped.run("failures", "--json").json["failures"][0]["fingerprint"]
    asked = stopped.run("retry", "--failure", fingerprint)
    assert asked.code == 2
    assert "2 tasks match, and nothing was changed" in asked.err
    assert stopped.run("retry", "--failure", fingerprint, "--note", "install x", "--yes").code == 0
    assert [stopped.status_of(name) for name in "abc"] == ["not_started", "not_started", "failed"]
    with stopped.open() as database:
        assert [row.target for row in database.control.newest(limit=10)] == ["b", "a"]
        assert database.tasks.get("a")["note"] == "install x"


def test_a_problem_that_stops_no_task_is_an_error_and_changes_nothing(stopped: CliHarness) -> None:
    ran = stopped.run("retry", "--failure", "0" * 16, "--yes")
    assert (ran.code, "no task has the problem" in ran.err) == (5, True)
    assert {stopped.status_of(name) for name in "abc"} == {"failed"}


def test_tasks_can_be_selected_in_only_one_way_at_a_time(stopped: CliHarness) -> None:
    for words in (("a", "--failure", "f"), ("--status", "failed", "--failure", "f"), ()):
        assert stopped.run("retry", *words).code == 2
