"""The landing queue as rows: turns, refusals, the point of no return, and what a dead lander leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_desk import PASSED, QueueDesk, failed

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
def desk(tmp_path: Path) -> QueueDesk:
    return QueueDesk(tmp_path)


def take(desk: QueueDesk, worker_id: str = "worker-1") -> LandingClaim:
    landing = desk.db.landings.claim(desk.claimant(worker_id))
    assert landing is not None, "nothing waits to land"
    return landing


def adopt(desk: QueueDesk) -> None:
    desk.db.landings.adopt(repository="/r/.git", ref="refs/heads/swarm/integration", person_ref=None, tip="t0")


def test_a_pass_with_a_commit_waits_to_land_and_frees_nobody(desk: QueueDesk) -> None:
    desk.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    desk.run(BUILT)
    assert (desk.status("a"), desk.status("b")) == (Status.APPROVED, Status.BLOCKED)
    assert "completed" not in desk.events()


def test_a_pass_without_a_commit_is_completed_at_once(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(PASSED)
    assert desk.status("a") is Status.COMPLETED


def test_landing_completes_the_task_and_frees_what_needs_it(desk: QueueDesk) -> None:
    desk.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    desk.run(BUILT)
    landing = take(desk)
    assert (landing.base_sha, landing.head_sha, landing.name) == ("base", "head", "task a")
    assert desk.status("a") is Status.LANDING
    desk.settle(landing.claim, BUILT)
    assert (desk.status("a"), desk.status("b")) == (Status.COMPLETED, Status.NOT_STARTED)
    assert desk.task("a")["attempt_count"] == 1
    assert [a["kind"] for a in desk.db.tasks.attempts(desk.task("a")["seq"])] == ["work"]


def test_a_retry_of_landed_work_that_changes_nothing_leaves_the_task_completed(desk: QueueDesk) -> None:
    desk.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    desk.run(BUILT)
    desk.settle(take(desk).claim, BUILT)
    desk.db.steering.apply(Verb.RETRY, "a", {}, actor="ann")
    assert (desk.status("a"), desk.status("b")) == (Status.NOT_STARTED, Status.BLOCKED)
    desk.run(failed(FailureClass.QUALITY, "check failed: nothing was changed", base_sha="t1", head_sha="t1"))
    task = desk.task("a")
    assert (task["status"], task["last_error"], task["has_landed"]) == ("completed", None, True)
    assert desk.status("b") is Status.NOT_STARTED
    assert "the landed work stays" in desk.db.events.newest(1)[0]["message"]


def test_an_attempt_that_changes_nothing_is_a_failure_where_nothing_has_landed_or_something_was_changed(
    desk: QueueDesk,
) -> None:
    desk.budgets = Budgets(max_retries=0)
    desk.add("a", "c")
    unchanged = failed(FailureClass.QUALITY, "nothing was changed", base_sha="t1", head_sha="t1")
    desk.run(unchanged)
    assert desk.status("a") is Status.FAILED
    desk.run(BUILT)
    desk.settle(take(desk).claim, BUILT)
    desk.db.steering.apply(Verb.RETRY, "c", {}, actor="ann")
    desk.run(replace(unchanged, diff_id="d1"))
    assert desk.status("c") is Status.FAILED


def test_one_lander_at_a_time_and_the_first_approved_comes_first(desk: QueueDesk) -> None:
    desk.add("a", "b")
    first, second = desk.start("worker-1"), desk.start("worker-2")
    desk.settle(second, BUILT)
    desk.clock.pass_s(1)
    desk.settle(first, BUILT)
    landing = take(desk)
    assert landing.claim.task_id == "b"
    assert desk.db.landings.claim(desk.claimant("worker-2")) is None
    with pytest.raises(Exception, match="UNIQUE"), desk.db.connection.transaction():
        desk.db.connection.change("UPDATE tasks SET status = 'landing' WHERE id = 'a'")


def test_who_looked_just_before_another_began_to_land_gets_nothing(
    desk: QueueDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.add("a", "b")
    desk.run(BUILT)
    desk.run(BUILT)
    monkeypatch.setattr(landings, "SQL", {**landings.SQL, "anything_to_land": "SELECT 1"})
    assert take(desk, "worker-1").claim.task_id == "a"
    assert desk.db.landings.claim(desk.claimant("worker-2")) is None


def test_a_refused_landing_goes_back_with_the_reason_and_costs_no_retry(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(BUILT)
    desk.settle(take(desk).claim, CONFLICT)
    task = desk.task("a")
    assert (task["status"], task["failures"]) == (Status.NOT_STARTED, 0)
    assert desk.db.tasks.history(task["seq"])[-1]["must_fix"] == ["resolve a.txt"]
    assert desk.db.landings.failures(desk.take()) == 1
    assert "landing_failed" in desk.events()


def test_the_second_refusal_holds_the_task_and_a_retry_is_fresh(desk: QueueDesk) -> None:
    desk.add("a")
    for _ in range(2):
        desk.run(BUILT)
        desk.settle(take(desk).claim, CONFLICT)
    assert desk.task("a")["hold_reason"] == HoldReason.NOT_LANDED
    desk.db.steering.apply(Verb.RETRY, "a", {}, actor="a person")
    assert desk.db.landings.failures(desk.take()) == 0


def reasons(desk: QueueDesk) -> list[str]:
    return [reason.kind for reason in Why(desk.db.connection, desk.clock).explain("a", default_cli="command").reasons]


@pytest.mark.parametrize("claimed", [False, True])
def test_work_that_has_not_landed_for_ten_minutes_is_reported_once(desk: QueueDesk, claimed: bool) -> None:
    desk.add("a", "b")
    desk.run(BUILT)
    desk.run(BUILT)
    pulse = Pulse(desk.db.connection, desk.clock)
    if claimed:
        take(desk)
    desk.clock.pass_s(600)
    assert desk.db.landings.log_late() is None
    assert (pulse.to_land().is_late(desk.clock.wall_ms()), pulse.to_land().tasks) == (False, 2 - claimed)
    assert "landing_late" not in reasons(desk)
    desk.clock.pass_s(1)
    assert desk.db.landings.log_late() == "a"
    assert desk.db.landings.log_late() is None
    assert desk.events().count("landing_late") == 1
    assert pulse.to_land().is_late(desk.clock.wall_ms())
    assert reasons(desk)[-1] == "landing_late"


def test_what_landed_in_time_is_never_reported(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(BUILT)
    desk.settle(take(desk).claim, BUILT)
    desk.clock.pass_s(3600)
    assert desk.db.landings.log_late() is None
    assert Pulse(desk.db.connection, desk.clock).to_land().since is None


def test_a_lander_that_died_leaves_the_task_approved_with_the_commit_to_look_for(desk: QueueDesk) -> None:
    adopt(desk)
    desk.add("a")
    desk.run(BUILT)
    landing = take(desk)
    assert desk.db.landings.pass_point_of_no_return(landing.claim, new="t1", old="t0")
    desk.settle(landing.claim, failed(FailureClass.CRASH))
    assert desk.status("a") is Status.APPROVED
    assert take(desk).landing_commit == "t1"
    row = desk.db.landings.integration()
    assert row is not None
    assert (row.tip, row.next_tip) == ("t0", "t1")


def test_landers_that_die_again_and_again_are_stopped_by_the_crash_budget(desk: QueueDesk) -> None:
    desk.budgets = Budgets(max_retries=2, crash_budget=2)
    desk.add("a")
    desk.run(BUILT)
    for _ in range(2):
        desk.settle(take(desk).claim, failed(FailureClass.CRASH))
    assert desk.task("a")["hold_reason"] == HoldReason.CRASHED


def test_a_stale_lander_cannot_pass_the_point_of_no_return(desk: QueueDesk) -> None:
    adopt(desk)
    desk.add("a")
    desk.run(BUILT)
    stale = take(desk)
    desk.settle(stale.claim, failed(FailureClass.INTERRUPTED))
    take(desk, "worker-2")
    with pytest.raises(LeaseLost):
        desk.db.landings.pass_point_of_no_return(stale.claim, new="t1", old="t0")


def test_a_cancel_that_came_first_keeps_it_from_landing_and_one_that_came_later_is_refused(desk: QueueDesk) -> None:
    adopt(desk)
    desk.add("a", "b")
    desk.run(BUILT)
    landing = take(desk)
    desk.db.control.request(Verb.CANCEL, "a", actor="a person")
    assert not desk.db.landings.pass_point_of_no_return(landing.claim, new="t1", old="t0")
    desk.settle(landing.claim, AttemptResult(outcome=Outcome.CANCELLED))
    assert desk.status("a") is Status.CANCELLED

    desk.run(BUILT)
    landing = take(desk)
    assert desk.db.landings.pass_point_of_no_return(landing.claim, new="t1", old="t0")
    with pytest.raises(StateError, match="point of no return"):
        desk.db.steering.apply(Verb.CANCEL, "b", {}, actor="a person")


def test_a_session_of_a_landing_does_not_look_like_work(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(BUILT)
    landing = take(desk)
    desk.db.queue.open_session(landing.claim, role=Role.CHECK, name="gate", stage=Stage.CHECKING, prompt=None)
    assert desk.status("a") is Status.LANDING


def test_the_head_of_an_attempt_is_stored_only_under_its_own_token(desk: QueueDesk) -> None:
    desk.add("a")
    claim = desk.start()
    desk.db.landings.note_head(claim, base_sha="b", head_sha="h")
    assert desk.db.tasks.attempts(claim.task)[0]["head_sha"] == "h"
    with pytest.raises(LeaseLost):
        desk.db.landings.note_head(replace(claim, token=claim.token + 1), base_sha="b", head_sha="x")


def test_safe_ids_are_given_once_and_never_meet_ignoring_case(desk: QueueDesk) -> None:
    desk.add("Task", "task")
    one, other = desk.take("worker-1"), desk.take("worker-2")
    names = [desk.db.landings.safe_id(claim, take=lambda _: True) for claim in (one, other)]
    assert names[0] == "Task"
    assert names[1].startswith("task-")
    assert desk.db.landings.safe_id(one, take=lambda _: False) == "Task"


def test_a_branch_of_an_earlier_queue_is_not_taken_over(desk: QueueDesk) -> None:
    desk.add("a")
    assert desk.db.landings.safe_id(desk.take(), take=lambda name: name != "a").startswith("a-")


def test_what_stops_the_queue_is_reported_once_and_resume_accepts_the_branch_as_it_is(desk: QueueDesk) -> None:
    adopt(desk)
    for worker in ("worker-1", "worker-2"):
        desk.db.landings.stop_queue("it was moved", actor=worker)
    assert desk.events().count("paused") == 1
    desk.db.swarm.resume(actor="a person")
    row = desk.db.landings.integration()
    assert row is not None
    assert row.accepting
    desk.db.landings.note_tip("t9")
    row = desk.db.landings.integration()
    assert row is not None
    assert (row.tip, row.accepting) == ("t9", False)


def test_why_reports_the_turn(desk: QueueDesk) -> None:
    desk.add("a", "b")
    desk.run(BUILT)
    desk.run(BUILT)
    from swarm_shared.diagnosis.why import Why

    why = Why(desk.db.connection, desk.clock)
    assert "next in turn" in why.explain("a", default_cli="command").reasons[-1].text
    assert "1 come before it" in why.explain("b", default_cli="command").reasons[-1].text
