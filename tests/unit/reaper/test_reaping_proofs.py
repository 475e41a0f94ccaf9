"""Proving an attempt gone by locks and records, across containers, or on the user's word where nothing can be seen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from reaping_desk import LEASE_S, OVERDUE_S, STEP_S, ReapingDesk

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import Status, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import FOLDER, Lifeline
from swarm_shared.reaping import UNPROVEN_AFTER_MS
from swarm_shared.store.queue.claims import Claim


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ReapingDesk]:
    desk = ReapingDesk(tmp_path)
    yield desk
    for process in desk.started:
        process.kill()
        process.wait()
    desk.db.close()


def run_with_lifeline(desk: ReapingDesk, *, of_another_container: bool = False) -> tuple[Claim, Lifeline]:
    """A task whose worker and keeper have died, and the lock file that the keeper made."""
    worker, keeper = desk.dead(), desk.dead()
    if of_another_container:
        worker, keeper = elsewhere(worker), elsewhere(keeper)
    claim = desk.run_task(worker=worker, keeper=keeper)
    return claim, Lifeline(desk.path.parent / "state", keeper)


def test_what_bears_no_mark_is_found_by_the_lock_that_it_holds(desk: ReapingDesk) -> None:
    claim, lifeline = run_with_lifeline(desk)
    daemon = desk.spawn(lifeline.descriptor)
    os.close(lifeline.descriptor)
    desk.reap()
    assert daemon.is_alive() is False
    assert desk.task("t")["status"] == Status.NOT_STARTED
    assert desk.is_fenced(claim)


def test_what_closed_all_files_is_found_by_the_record_of_its_worker(desk: ReapingDesk) -> None:
    _, lifeline = run_with_lifeline(desk)
    daemon = desk.spawn()
    lifeline.record([daemon])
    os.close(lifeline.descriptor)
    desk.reap()
    assert daemon.is_alive() is False


def test_a_stranger_that_has_a_recorded_number_now_is_left_alone(desk: ReapingDesk) -> None:
    _, lifeline = run_with_lifeline(desk)
    stranger = desk.spawn()
    lifeline.record([replace(stranger, start_time=stranger.start_time - 1)])
    os.close(lifeline.descriptor)
    desk.reap()
    assert stranger.is_alive()


def test_a_lock_that_is_held_by_whoever_keeps_the_task_though_nobody_is_seen(
    desk: ReapingDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lifeline = run_with_lifeline(desk)
    monkeypatch.setattr(desk.lifelines, "holders", lambda _: [])  # of another container, or hidden by hidepid
    assert desk.watch(UNPROVEN_AFTER_MS / 1000 + 10) == 0
    task = desk.task("t")
    assert (task["status"], task["hold_reason"]) == (Status.HELD, "not_proven_dead")
    assert any("holds the lock file" in (told["message"] or "") for told in desk.db.events.newest(5))
    os.close(lifeline.descriptor)
    desk.watch(12)
    assert desk.db.recovery.open_attempts() == []


def test_a_container_that_is_gone_is_proven_by_its_lock_file(desk: ReapingDesk) -> None:
    claim, lifeline = run_with_lifeline(desk, of_another_container=True)
    assert desk.watch(4) == 0, "somebody there holds the lock"
    assert not desk.is_fenced(claim)
    os.close(lifeline.descriptor)
    desk.reap()
    (attempt,) = desk.db.tasks.attempts(desk.task("t")["seq"])
    assert "its container is gone" in attempt["error"]
    assert desk.db.workers.alive() == []


def test_lock_files_go_when_nothing_is_left_to_prove(desk: ReapingDesk) -> None:
    _, lifeline = run_with_lifeline(desk)
    os.close(lifeline.descriptor)
    desk.reap()
    desk.reaping.run_once()
    assert list((desk.path.parent / "state" / FOLDER).iterdir()) == []


def elsewhere(process: ProcessId) -> ProcessId:
    return replace(process, pid_ns=1)


def test_a_worker_of_another_namespace_is_not_judged_while_it_renews(desk: ReapingDesk) -> None:
    claim = desk.run_task(worker=elsewhere(desk.dead()), keeper=elsewhere(desk.dead()))
    desk.watch(LEASE_S - 2 * STEP_S)
    desk.beat(claim)
    desk.watch(LEASE_S - 2 * STEP_S)
    assert not desk.is_fenced(claim)


def test_a_silent_worker_of_another_namespace_is_over_and_its_task_is_held_not_run_again(desk: ReapingDesk) -> None:
    claim = desk.run_task(worker=elsewhere(desk.dead()), keeper=elsewhere(desk.dead()))
    desk.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    assert desk.is_fenced(claim)
    assert desk.db.workers.alive() == []
    task = desk.task("t")
    assert (task["status"], task["hold_reason"]) == ("held", "not_proven_dead")
    assert "another pid namespace" in task["last_error"]
    desk.watch(60)
    assert desk.status("t") is Status.HELD


def test_a_confirmation_lets_a_task_continue_whose_worker_nobody_can_see(desk: ReapingDesk) -> None:
    desk.run_task(worker=elsewhere(desk.dead()), keeper=elsewhere(desk.dead()))
    desk.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    for verb in (Verb.RELEASE, Verb.RETRY):
        refused = carry_out_now(desk.db, verb, "t", {}, actor="ann")
        assert refused.status == "refused"
        assert f"{verb} t --gone" in str(refused.result)
    assert carry_out_now(desk.db, Verb.RELEASE, "t", {"gone": True}, actor="ann").status == "done"
    assert desk.db.recovery.open_attempts() == []
    assert desk.status("t") is Status.NOT_STARTED
    assert "ann confirmed" in str(desk.db.events.newest(5))
    desk.watch(10)
    assert desk.take("worker-2").number == 2


def test_a_task_that_was_cancelled_meanwhile_is_tried_again_on_a_persons_word(desk: ReapingDesk) -> None:
    desk.run_task(worker=elsewhere(desk.dead()), keeper=elsewhere(desk.dead()))
    desk.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    carry_out_now(desk.db, Verb.CANCEL, "t", {}, actor="ann")
    assert carry_out_now(desk.db, Verb.RETRY, "t", {}, actor="ann").status == "refused"
    assert carry_out_now(desk.db, Verb.RETRY, "t", {"gone": True}, actor="ann").status == "done"
    desk.watch(10)
    assert desk.take("worker-2").number == 2


def test_nobodys_word_holds_against_a_process_that_is_seen_to_live(desk: ReapingDesk) -> None:
    claim = desk.run_task(worker=elsewhere(desk.dead()), keeper=elsewhere(desk.dead()))
    desk.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    living = desk.spawn()
    with desk.db.connection.transaction():
        change = "UPDATE workers SET keeper_pid = ?, keeper_start = ?, pid_ns = ?"
        desk.db.connection.change(change, (living.pid, living.start_time, living.pid_ns))
    refused = carry_out_now(desk.db, Verb.RELEASE, "t", {"gone": True}, actor="ann")
    assert (refused.status, desk.status("t")) == ("refused", Status.HELD)
    assert str(living.pid) in str(refused.result)
    assert [each.attempt for each in desk.db.recovery.open_attempts()] == [claim.attempt]


def test_the_word_is_asked_for_only_where_a_proof_is_missing(desk: ReapingDesk) -> None:
    desk.add("held")
    carry_out_now(desk.db, Verb.HOLD, "held", {}, actor="ann")
    assert carry_out_now(desk.db, Verb.RELEASE, "held", {"gone": True}, actor="ann").result == "released"


def test_a_task_cancelled_while_it_is_not_proven_dead_stays_cancelled(desk: ReapingDesk) -> None:
    worker, keeper = elsewhere(desk.dead()), elsewhere(desk.dead())
    desk.run_task(worker=worker, keeper=keeper)
    desk.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    desk.db.steering.apply(Verb.CANCEL, "t", {}, actor="ann")
    desk.db.workers.record_tree_gone(keeper)  # the keeper has come back and tells
    desk.watch(10)
    assert desk.db.recovery.open_attempts() == []
    assert desk.status("t") is Status.CANCELLED
