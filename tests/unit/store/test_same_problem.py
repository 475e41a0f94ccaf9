"""A repeated problem is marked, shown, and may hold the task; a user may approve work despite an objection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.carry_out import carry_out_now
from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import FailureClass, HoldReason, Status, Verb
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.views.verdicts import same_problem

QUALITY = FailureClass.QUALITY


def harness_with(folder: Path, *, retries: int = 2, stop: bool = False) -> QueueHarness:
    harness = QueueHarness(folder, budgets=Budgets(max_retries=retries, stop_on_same_problem=stop))
    harness.add("a")
    return harness


def objection(*issues: str, **more: Any) -> AttemptResult:
    verdict = {"verdict": "FAIL", "summary": "no"}
    return failed(QUALITY, f"objects: {issues[0]}", validator_result=verdict, must_fix=issues, **more)


def marks(harness: QueueHarness) -> list[tuple[int | None, str | None]]:
    return [(a["same_as"], a["same_what"]) for a in harness.db.tasks.attempts(harness.task("a")["seq"])]


# ───── marked ─────


def test_a_repeated_problem_is_marked_and_reported(tmp_path: Path) -> None:
    harness = harness_with(tmp_path)
    harness.run(failed(QUALITY, "boom on line 3"))
    harness.run(failed(QUALITY, "boom on line 8"))
    assert marks(harness) == [(None, None), (1, "problem")]
    events = [event for event in harness.db.events.newest(50) if event["event_type"] == "same_problem"]
    assert [event["data"] for event in events] == [{"attempt": 2, "same_as": 1, "what": "problem"}]


def test_a_repeated_change_is_marked_whatever_the_verdict_says(tmp_path: Path) -> None:
    harness = harness_with(tmp_path)
    harness.run(failed(QUALITY, "one thing", diff_id="d"))
    harness.run(failed(QUALITY, "another thing", diff_id="d"))
    assert marks(harness)[1] == (1, "diff")


def test_a_repeated_problem_with_a_repeated_change_is_reported_as_both(tmp_path: Path) -> None:
    harness = harness_with(tmp_path)
    harness.run(failed(QUALITY, "boom", diff_id="d"))
    harness.run(failed(QUALITY, "boom", diff_id="d"))
    assert marks(harness)[1] == (1, "both")


def test_a_problem_that_returns_after_another_one_is_recognized(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, retries=5)
    for error in ("boom", "bang", "boom"):
        harness.run(failed(QUALITY, error))
    assert marks(harness) == [(None, None), (None, None), (1, "problem")]


def test_different_problems_and_unknown_changes_are_not_marked(tmp_path: Path) -> None:
    harness = harness_with(tmp_path)
    harness.run(failed(QUALITY, "boom"))
    harness.run(failed(QUALITY, "bang"))
    assert marks(harness) == [(None, None), (None, None)]


@pytest.mark.parametrize("nobodys", [FailureClass.CRASH, FailureClass.INTERRUPTED, FailureClass.PROVIDER])
def test_failures_with_their_own_limits_are_never_the_same_problem(tmp_path: Path, nobodys: FailureClass) -> None:
    harness = harness_with(tmp_path, stop=True)
    harness.run(failed(nobodys, "boom"))
    harness.run(failed(nobodys, "boom"))
    assert marks(harness) == [(None, None), (None, None)]
    assert harness.status("a") is not Status.HELD


# ───── shown ─────


def test_both_verdicts_are_shown_side_by_side_until_an_attempt_ends_differently(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, retries=5)
    harness.run(objection("a.py:3 leaks"))
    harness.run(objection("a.py:9 leaks"))
    shown = same_problem(harness.db.tasks.attempts(harness.task("a")["seq"]))
    assert shown is not None
    assert shown["what"] == "problem"
    assert [(v["number"], v["verdict"], v["must_fix"]) for v in shown["attempts"]] == [
        (1, "FAIL", ["a.py:3 leaks"]),
        (2, "FAIL", ["a.py:9 leaks"]),
    ]
    explained = Why(harness.db.connection, harness.clock).explain("a", default_cli="command")
    assert explained.shown()["same_problem"] == shown
    harness.run(failed(QUALITY, "something else"))
    assert same_problem(harness.db.tasks.attempts(harness.task("a")["seq"])) is None


# ───── held ─────


def test_a_task_is_held_instead_of_spending_its_last_retry_on_the_same_problem(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, stop=True)
    harness.run(failed(QUALITY, "boom"))
    assert harness.status("a") is Status.NOT_STARTED
    harness.run(failed(QUALITY, "boom"))
    assert (harness.status("a"), harness.task("a")["hold_reason"]) == (Status.HELD, HoldReason.SAME_PROBLEM)
    assert harness.db.failures.totals()["tasks"] == 1


def test_without_the_setting_the_retries_are_spent(tmp_path: Path) -> None:
    harness = harness_with(tmp_path)
    for _ in range(3):
        harness.run(failed(QUALITY, "boom"))
    assert harness.status("a") is Status.FAILED


def test_a_repeated_objection_is_held_as_an_objection_that_a_user_may_overrule(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, stop=True)
    harness.run(objection("too slow"))
    harness.run(objection("too slow"))
    assert harness.task("a")["hold_reason"] == HoldReason.OBJECTION
    assert carry_out_now(harness.db, Verb.APPROVE, "a", {}, actor="me").status == "done"
    assert harness.status("a") is Status.COMPLETED


# ───── approved ─────


def test_a_failed_task_with_only_objections_is_approved_and_lands(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, retries=0)
    harness.run(objection("too slow", base_sha="base", head_sha="head"))
    assert harness.status("a") is Status.FAILED
    advice = Why(harness.db.connection, harness.clock).explain("a", default_cli="command").reasons[0].advice
    assert "amplifier-swarm approve a" in str(advice)
    assert carry_out_now(harness.db, Verb.APPROVE, "a", {}, actor="ada").status == "done"
    assert (harness.status("a"), harness.task("a")["approved_by"]) == (Status.APPROVED, "ada")
    landing = harness.db.landings.claim(harness.claimant())
    assert landing is not None
    assert landing.head_sha == "head"
    harness.settle(landing.claim, replace(PASSED, base_sha="base", head_sha="head"))
    assert (harness.status("a"), harness.task("a")["approved_by"]) == (Status.COMPLETED, "ada")
    assert "approved by ada" in [event["message"] for event in harness.db.events.newest(50)]


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (failed(QUALITY, "gave up"), "objection"),
        (failed(QUALITY, "red", check_results=[{"command": "t", "passed": False}]), "a check failed"),
        (failed(QUALITY, "late", out_of_time=True, validator_result={"verdict": "FAIL"}), "objection"),
    ],
)
def test_only_an_objection_can_be_overruled_and_never_a_failing_check(
    tmp_path: Path, end: AttemptResult, why: str
) -> None:
    harness = harness_with(tmp_path, retries=0)
    harness.run(end)
    refused = carry_out_now(harness.db, Verb.APPROVE, "a", {}, actor="me")
    assert refused.status == "refused"
    assert why in str(refused.result)
    assert harness.status("a") is Status.FAILED


def test_an_approval_does_not_apply_to_work_that_was_built_again(tmp_path: Path) -> None:
    harness = harness_with(tmp_path, retries=0)
    commit = {"base_sha": "base", "head_sha": "head"}
    harness.run(objection("too slow", **commit))
    carry_out_now(harness.db, Verb.APPROVE, "a", {}, actor="ada")
    landing = harness.db.landings.claim(harness.claimant())
    assert landing is not None
    harness.settle(landing.claim, failed(QUALITY, "conflict", **commit))
    assert harness.task("a")["approved_by"] is None
