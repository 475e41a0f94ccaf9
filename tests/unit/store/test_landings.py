"""The landing queue as rows: turns, refusals, the point of no return, and what a dead lander leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.errors import LeaseLost, StateError
from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Role, Stage, Status, TaskSpec, Verb
from swarm_shared.store.queue import landings
from swarm_shared.store.queue.landings import LandingClaim
from swarm_shared.store.queue.policy import AttemptResult, Budgets
from swarm_shared.store.views.pulse import Pulse

BUILT = replace(PASSED, base_sha="base", head_sha="head")
CONFLICT = failed(FailureClass.QUALITY, "conflict in a.txt", must_fix=("resolve a.txt",))


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


def take(harness: QueueHarness, worker_id: str = "worker-1") -> LandingClaim:
    landing = harness.db.landings.claim(harness.claimant(worker_id))
    assert landing is not None, "no task is waiting to land"
    return landing


def adopt(harness: QueueHarness) -> None:
    harness.db.landings.adopt(repository="/r/.git", ref="refs/heads/swarm/integration", person_ref=None, tip="t0")


def test_a_pass_with_a_commit_waits_to_land_and_unblocks_no_dependents(harness: QueueHarness) -> None:
    harness.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    harness.run(BUILT)
    assert (harness.status("a"), harness.status("b")) == (Status.APPROVED, Status.BLOCKED)
    assert "completed" not in harness.events()


def test_a_pass_without_a_commit_is_completed_immediately(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(PASSED)
    assert harness.status("a") is Status.COMPLETED


def test_landing_completes_the_task_and_unblocks_its_dependents(harness: QueueHarness) -> None:
    harness.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    harness.run(BUILT)
    landing = take(harness)
    assert (landing.base_sha, landing.head_sha, landing.name) == ("base", "head", "task a")
    assert harness.status("a") is Status.LANDING
    harness.settle(landing.claim, BUILT)
    assert (harness.status("a"), harness.status("b")) == (Status.COMPLETED, Status.NOT_STARTED)
    assert harness.task("a")["attempt_count"] == 1
    assert [a["kind"] for a in harness.db.tasks.attempts(harness.task("a")["seq"])] == ["work"]


def test_a_retry_of_landed_work_that_changes_nothing_leaves_the_task_completed(harness: QueueHarness) -> None:
    harness.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    harness.run(BUILT)
    harness.settle(take(harness).claim, BUILT)
    harness.db.steering.apply(Verb.RETRY, "a", {}, actor="ann")
    assert (harness.status("a"), harness.status("b")) == (Status.NOT_STARTED, Status.BLOCKED)
    harness.run(failed(FailureClass.QUALITY, "check failed: nothing was changed", base_sha="t1", head_sha="t1"))
    task = harness.task("a")
    assert (task["status"], task["last_error"], task["has_landed"]) == ("completed", None, True)
    assert harness.status("b") is Status.NOT_STARTED
    assert "the landed work stays" in harness.db.events.newest(1)[0]["message"]


def test_an_attempt_that_changes_nothing_fails_unless_its_work_has_already_landed(
    harness: QueueHarness,
) -> None:
    harness.budgets = Budgets(max_retries=0)
    harness.add("a", "c")
    unchanged = failed(FailureClass.QUALITY, "nothing was changed", base_sha="t1", head_sha="t1")
    harness.run(unchanged)
    assert harness.status("a") is Status.FAILED
    harness.run(BUILT)
    harness.settle(take(harness).claim, BUILT)
    harness.db.steering.apply(Verb.RETRY, "c", {}, actor="ann")
    harness.run(replace(unchanged, diff_id="d1"))
    assert harness.status("c") is Status.FAILED


def test_there_is_one_lander_at_a_time_and_the_first_approved_task_comes_first(harness: QueueHarness) -> None:
    harness.add("a", "b")
    first, second = harness.start("worker-1"), harness.start("worker-2")
    harness.settle(second, BUILT)
    harness.clock.pass_s(1)
    harness.settle(first, BUILT)
    landing = take(harness)
    assert landing.claim.task_id == "b"
    assert harness.db.landings.claim(harness.claimant("worker-2")) is None
    with pytest.raises(Exception, match="UNIQUE"), harness.db.connection.transaction():
        harness.db.connection.change("UPDATE tasks SET status = 'landing' WHERE id = 'a'")


def test_a_worker_that_looked_just_before_another_began_to_land_gets_nothing(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.add("a", "b")
    harness.run(BUILT)
    harness.run(BUILT)
    monkeypatch.setattr(landings, "SQL", {**landings.SQL, "anything_to_land": "SELECT 1"})
    assert take(harness, "worker-1").claim.task_id == "a"
    assert harness.db.landings.claim(harness.claimant("worker-2")) is None


def test_a_refused_landing_is_requeued_with_the_reason_and_costs_no_retry(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(BUILT)
    harness.settle(take(harness).claim, CONFLICT)
    task = harness.task("a")
    assert (task["status"], task["failures"]) == (Status.NOT_STARTED, 0)
    assert harness.db.tasks.history(task["seq"])[-1]["must_fix"] == ["resolve a.txt"]
    assert harness.db.landings.failures(harness.take()) == 1
    assert "landing_failed" in harness.events()


def test_the_second_refusal_holds_the_task_and_a_retry_starts_fresh(harness: QueueHarness) -> None:
    harness.add("a")
    for _ in range(2):
        harness.run(BUILT)
        harness.settle(take(harness).claim, CONFLICT)
    assert harness.task("a")["hold_reason"] == HoldReason.NOT_LANDED
    harness.db.steering.apply(Verb.RETRY, "a", {}, actor="a user")
    assert harness.db.landings.failures(harness.take()) == 0


def reasons(harness: QueueHarness) -> list[str]:
    return [
        reason.kind for reason in Why(harness.db.connection, harness.clock).explain("a", default_cli="command").reasons
    ]


@pytest.mark.parametrize("claimed", [False, True])
def test_work_that_has_not_landed_for_ten_minutes_is_reported_once(harness: QueueHarness, claimed: bool) -> None:
    harness.add("a", "b")
    harness.run(BUILT)
    harness.run(BUILT)
    pulse = Pulse(harness.db.connection, harness.clock)
    if claimed:
        take(harness)
    harness.clock.pass_s(600)
    assert harness.db.landings.log_late() is None
    assert (pulse.to_land().is_late(harness.clock.wall_ms()), pulse.to_land().tasks) == (False, 2 - claimed)
    assert "landing_late" not in reasons(harness)
    harness.clock.pass_s(1)
    assert harness.db.landings.log_late() == "a"
    assert harness.db.landings.log_late() is None
    assert harness.events().count("landing_late") == 1
    assert pulse.to_land().is_late(harness.clock.wall_ms())
    assert reasons(harness)[-1] == "landing_late"


def test_work_that_landed_in_time_is_never_reported(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(BUILT)
    harness.settle(take(harness).claim, BUILT)
    harness.clock.pass_s(3600)
    assert harness.db.landings.log_late() is None
    assert Pulse(harness.db.connection, harness.clock).to_land().since is None


def test_a_dead_lander_leaves_the_task_approved_with_the_commit_to_look_for(harness: QueueHarness) -> None:
    adopt(harness)
    harness.add("a")
    harness.run(BUILT)
    landing = take(harness)
    assert harness.db.landings.pass_point_of_no_return(landing.claim, new="t1", old="t0")
    harness.settle(landing.claim, failed(FailureClass.CRASH))
    assert harness.status("a") is Status.APPROVED
    assert take(harness).landing_commit == "t1"
    row = harness.db.landings.integration()
    assert row is not None
    assert (row.tip, row.next_tip) == ("t0", "t1")


def test_repeated_deaths_of_landers_are_stopped_by_the_crash_limit(harness: QueueHarness) -> None:
    harness.budgets = Budgets(max_retries=2, crash_budget=2)
    harness.add("a")
    harness.run(BUILT)
    for _ in range(2):
        harness.settle(take(harness).claim, failed(FailureClass.CRASH))
    assert harness.task("a")["hold_reason"] == HoldReason.CRASHED


def test_a_stale_lander_cannot_pass_the_point_of_no_return(harness: QueueHarness) -> None:
    adopt(harness)
    harness.add("a")
    harness.run(BUILT)
    stale = take(harness)
    harness.settle(stale.claim, failed(FailureClass.INTERRUPTED))
    take(harness, "worker-2")
    with pytest.raises(LeaseLost):
        harness.db.landings.pass_point_of_no_return(stale.claim, new="t1", old="t0")


def test_a_cancel_before_the_point_of_no_return_prevents_landing_and_a_later_one_is_refused(
    harness: QueueHarness,
) -> None:
    adopt(harness)
    harness.add("a", "b")
    harness.run(BUILT)
    landing = take(harness)
    harness.db.control.request(Verb.CANCEL, "a", actor="a user")
    assert not harness.db.landings.pass_point_of_no_return(landing.claim, new="t1", old="t0")
    harness.settle(landing.claim, AttemptResult(outcome=Outcome.CANCELLED))
    assert harness.status("a") is Status.CANCELLED

    harness.run(BUILT)
    landing = take(harness)
    assert harness.db.landings.pass_point_of_no_return(landing.claim, new="t1", old="t0")
    with pytest.raises(StateError, match="point of no return"):
        harness.db.steering.apply(Verb.CANCEL, "b", {}, actor="a user")


def test_the_session_of_a_landing_is_not_mistaken_for_work(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(BUILT)
    landing = take(harness)
    harness.db.queue.open_session(landing.claim, role=Role.CHECK, name="gate", stage=Stage.CHECKING, prompt=None)
    assert harness.status("a") is Status.LANDING


def test_the_head_of_an_attempt_is_stored_only_with_its_own_token(harness: QueueHarness) -> None:
    harness.add("a")
    claim = harness.start()
    harness.db.landings.note_head(claim, base_sha="b", head_sha="h")
    assert harness.db.tasks.attempts(claim.task)[0]["head_sha"] == "h"
    with pytest.raises(LeaseLost):
        harness.db.landings.note_head(replace(claim, token=claim.token + 1), base_sha="b", head_sha="x")


def test_safe_ids_are_unique_ignoring_case(harness: QueueHarness) -> None:
    harness.add("Task", "task")
    one, other = harness.take("worker-1"), harness.take("worker-2")
    names = [harness.db.landings.safe_id(claim, take=lambda _: True) for claim in (one, other)]
    assert names[0] == "Task"
    assert names[1].startswith("task-")
    assert harness.db.landings.safe_id(one, take=lambda _: False) == "Task"


def test_a_branch_of_an_earlier_queue_is_not_adopted(harness: QueueHarness) -> None:
    harness.add("a")
    assert harness.db.landings.safe_id(harness.take(), take=lambda name: name != "a").startswith("a-")


def test_the_cause_that_stops_the_queue_is_reported_once_and_resume_accepts_the_branch_as_it_is(
    harness: QueueHarness,
) -> None:
    adopt(harness)
    for worker in ("worker-1", "worker-2"):
        harness.db.landings.stop_queue("it was moved", actor=worker)
    assert harness.events().count("paused") == 1
    harness.db.swarm.resume(actor="a user")
    row = harness.db.landings.integration()
    assert row is not None
    assert row.accepting
    harness.db.landings.note_tip("t9")
    row = harness.db.landings.integration()
    assert row is not None
    assert (row.tip, row.accepting) == ("t9", False)


def test_why_reports_the_turn(harness: QueueHarness) -> None:
    harness.add("a", "b")
    harness.run(BUILT)
    harness.run(BUILT)
    from swarm_shared.diagnosis.why import Why

    why = Why(harness.db.connection, harness.clock)
    assert "next in turn" in why.explain("a", default_cli="command").reasons[-1].text
    assert "1 come before it" in why.explain("b", default_cli="command").reasons[-1].text
