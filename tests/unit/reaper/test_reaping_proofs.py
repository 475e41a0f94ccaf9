"""Proving an attempt gone by locks and records, across containers, or by the user's confirmation."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from reaping_harness import LEASE_S, OVERDUE_S, STEP_S, ReapingHarness
from trees import wait_until

from swarm_shared.carry_out import carry_out_now
from swarm_shared.domain.models import Status, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import FOLDER, Lifeline
from swarm_shared.reaping import UNPROVEN_AFTER_MS
from swarm_shared.store.queue.claims import Claim


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReapingHarness]:
    harness = ReapingHarness(tmp_path)
    yield harness
    for process in harness.started:
        process.kill()
        process.wait()
    harness.db.close()


def run_with_lifeline(harness: ReapingHarness, *, of_another_container: bool = False) -> tuple[Claim, Lifeline]:
    """A task whose worker and keeper have died, and the lock file that the keeper made."""
    worker, keeper = harness.dead(), harness.dead()
    if of_another_container:
        worker, keeper = elsewhere(worker), elsewhere(keeper)
    claim = harness.run_task(worker=worker, keeper=keeper)
    return claim, Lifeline(harness.path.parent / "state", keeper)


def test_a_process_without_a_mark_is_found_by_the_lock_that_it_holds(harness: ReapingHarness) -> None:
    claim, lifeline = run_with_lifeline(harness)
    daemon = harness.spawn(lifeline.descriptor)
    os.close(lifeline.descriptor)
    harness.reap()
    assert daemon.is_alive() is False
    assert harness.task("t")["status"] == Status.NOT_STARTED
    assert harness.is_fenced(claim)


def test_a_process_that_closed_all_files_is_found_by_its_workers_record(harness: ReapingHarness) -> None:
    _, lifeline = run_with_lifeline(harness)
    daemon = harness.spawn()
    lifeline.record([daemon])
    os.close(lifeline.descriptor)
    harness.reap()
    assert daemon.is_alive() is False


def test_an_unrelated_process_with_a_recorded_pid_is_left_alone(harness: ReapingHarness) -> None:
    _, lifeline = run_with_lifeline(harness)
    stranger = harness.spawn()
    lifeline.record([replace(stranger, start_time=stranger.start_time - 1)])
    os.close(lifeline.descriptor)
    harness.reap()
    assert stranger.is_alive()


def test_a_held_lock_keeps_the_task_although_no_process_is_visible(
    harness: ReapingHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, lifeline = run_with_lifeline(harness)
    monkeypatch.setattr(harness.lifelines, "holders", lambda _: [])  # of another container, or hidden by hidepid
    assert harness.watch(UNPROVEN_AFTER_MS / 1000 + 10) == 0
    task = harness.task("t")
    assert (task["status"], task["hold_reason"]) == (Status.HELD, "not_proven_dead")
    assert any("holds the lock file" in (event["message"] or "") for event in harness.db.events.newest(5))
    os.close(lifeline.descriptor)
    harness.watch(12)
    assert harness.db.recovery.open_attempts() == []


def test_a_container_that_is_gone_is_proven_by_its_lock_file(harness: ReapingHarness) -> None:
    claim, lifeline = run_with_lifeline(harness, of_another_container=True)
    assert harness.watch(4) == 0, "a process there holds the lock"
    assert not harness.is_fenced(claim)
    os.close(lifeline.descriptor)
    harness.reap()
    (attempt,) = harness.db.tasks.attempts(harness.task("t")["seq"])
    assert "its container is gone" in attempt["error"]
    assert harness.db.workers.alive() == []


@pytest.mark.parametrize("known", [True, False], ids=["ancestors known", "ancestors unknown"])
def test_processes_of_an_older_daemon_prevent_the_proof_only_if_the_workers_ancestors_are_unknown(
    harness: ReapingHarness, known: bool
) -> None:
    """This process is that daemon: it is older than the worker, and none of the recorded ancestors."""
    _, lifeline = run_with_lifeline(harness)
    if not known:
        (record,) = (harness.path.parent / "state" / FOLDER).glob("*.above")
        record.unlink()
    helper = subprocess.Popen(["/bin/sleep", "1000"], env={}, start_new_session=True)
    harness.started.append(helper)
    wait_until(lambda: Path(f"/proc/{helper.pid}/comm").read_text() == "sleep\n", "it runs")
    os.close(lifeline.descriptor)
    harness.watch(UNPROVEN_AFTER_MS / 1000 + 10)
    assert harness.task("t")["status"] == (Status.NOT_STARTED if known else Status.HELD)
    assert helper.poll() is None


def test_lock_files_are_removed_when_nothing_is_left_to_prove(harness: ReapingHarness) -> None:
    _, lifeline = run_with_lifeline(harness)
    os.close(lifeline.descriptor)
    harness.reap()
    harness.reaping.run_once()
    assert list((harness.path.parent / "state" / FOLDER).iterdir()) == []


def elsewhere(process: ProcessId) -> ProcessId:
    return replace(process, pid_ns=1)


def test_a_worker_of_another_namespace_is_not_judged_while_it_renews(harness: ReapingHarness) -> None:
    claim = harness.run_task(worker=elsewhere(harness.dead()), keeper=elsewhere(harness.dead()))
    harness.watch(LEASE_S - 2 * STEP_S)
    harness.beat(claim)
    harness.watch(LEASE_S - 2 * STEP_S)
    assert not harness.is_fenced(claim)


def test_a_silent_worker_of_another_namespace_is_over_and_its_task_is_held_not_run_again(
    harness: ReapingHarness,
) -> None:
    claim = harness.run_task(worker=elsewhere(harness.dead()), keeper=elsewhere(harness.dead()))
    harness.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    assert harness.is_fenced(claim)
    assert harness.db.workers.alive() == []
    task = harness.task("t")
    assert (task["status"], task["hold_reason"]) == ("held", "not_proven_dead")
    assert "another pid namespace" in task["last_error"]
    harness.watch(60)
    assert harness.status("t") is Status.HELD


def test_a_confirmation_lets_a_task_continue_whose_worker_cannot_be_checked(harness: ReapingHarness) -> None:
    harness.run_task(worker=elsewhere(harness.dead()), keeper=elsewhere(harness.dead()))
    harness.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    for verb in (Verb.RELEASE, Verb.RETRY):
        refused = carry_out_now(harness.db, verb, "t", {}, actor="ann")
        assert refused.status == "refused"
        assert f"{verb} t --gone" in str(refused.result)
    assert carry_out_now(harness.db, Verb.RELEASE, "t", {"gone": True}, actor="ann").status == "done"
    assert harness.db.recovery.open_attempts() == []
    assert harness.status("t") is Status.NOT_STARTED
    assert "ann confirmed" in str(harness.db.events.newest(5))
    harness.watch(10)
    assert harness.take("worker-2").number == 2


def test_a_task_that_was_cancelled_meanwhile_is_retried_after_a_users_confirmation(harness: ReapingHarness) -> None:
    harness.run_task(worker=elsewhere(harness.dead()), keeper=elsewhere(harness.dead()))
    harness.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    carry_out_now(harness.db, Verb.CANCEL, "t", {}, actor="ann")
    assert carry_out_now(harness.db, Verb.RETRY, "t", {}, actor="ann").status == "refused"
    assert carry_out_now(harness.db, Verb.RETRY, "t", {"gone": True}, actor="ann").status == "done"
    harness.watch(10)
    assert harness.take("worker-2").number == 2


def test_no_confirmation_overrides_a_process_that_is_visibly_alive(harness: ReapingHarness) -> None:
    claim = harness.run_task(worker=elsewhere(harness.dead()), keeper=elsewhere(harness.dead()))
    harness.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    living = harness.spawn()
    with harness.db.connection.transaction():
        change = "UPDATE workers SET keeper_pid = ?, keeper_start = ?, pid_ns = ?"
        harness.db.connection.change(change, (living.pid, living.start_time, living.pid_ns))
    refused = carry_out_now(harness.db, Verb.RELEASE, "t", {"gone": True}, actor="ann")
    assert (refused.status, harness.status("t")) == ("refused", Status.HELD)
    assert str(living.pid) in str(refused.result)
    assert [each.attempt for each in harness.db.recovery.open_attempts()] == [claim.attempt]


def test_a_confirmation_is_requested_only_if_a_proof_is_missing(harness: ReapingHarness) -> None:
    harness.add("held")
    carry_out_now(harness.db, Verb.HOLD, "held", {}, actor="ann")
    assert carry_out_now(harness.db, Verb.RELEASE, "held", {"gone": True}, actor="ann").result == "released"


def test_a_task_cancelled_while_it_is_not_proven_dead_stays_cancelled(harness: ReapingHarness) -> None:
    worker, keeper = elsewhere(harness.dead()), elsewhere(harness.dead())
    harness.run_task(worker=worker, keeper=keeper)
    harness.watch(LEASE_S + OVERDUE_S + UNPROVEN_AFTER_MS / 1000 + 10)
    harness.db.steering.apply(Verb.CANCEL, "t", {}, actor="ann")
    harness.db.workers.record_tree_gone(keeper)  # the keeper is visible again and reports it
    harness.watch(10)
    assert harness.db.recovery.open_attempts() == []
    assert harness.status("t") is Status.CANCELLED
