"""Judging and ending attempts: none is declared dead too early, and every step is safe to crash after."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from reaping_harness import LEASE_S, ORPHAN_TIMEOUT_S, OVERDUE_S, STEP_S, ReapingHarness
from trees import wait_until

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status
from swarm_shared.processes.sweep import marks
from swarm_shared.reaping import Limits, Reaping, sole_reaper
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.queue.recovery import crash


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReapingHarness]:
    harness = ReapingHarness(tmp_path)
    yield harness
    for process in harness.started:
        process.kill()
        process.wait()
    harness.db.close()


def test_an_expired_lease_counts_only_after_it_was_watched(harness: ReapingHarness) -> None:
    claim = harness.run_task()
    harness.watch(LEASE_S + OVERDUE_S - STEP_S)
    assert not harness.is_fenced(claim)
    harness.watch(2 * STEP_S)
    assert harness.is_fenced(claim)
    harness.reap()
    assert harness.status("t") is Status.NOT_STARTED
    assert harness.started[0].wait(5) < 0


def test_after_a_standstill_of_the_machine_workers_get_time_to_renew(harness: ReapingHarness) -> None:
    claim = harness.run_task()
    harness.watch(LEASE_S + OVERDUE_S - 2 * STEP_S)  # the watch has nearly ended …
    harness.clock.pass_s(3600)  # … when everything stands still for an hour
    harness.watch(OVERDUE_S - 2 * STEP_S)
    assert not harness.is_fenced(claim)
    harness.beat(claim)
    harness.watch(OVERDUE_S)
    assert not harness.is_fenced(claim)


def test_silence_during_a_standstill_is_not_a_lack_of_progress(harness: ReapingHarness) -> None:
    claim = harness.run_task()
    harness.clock.pass_s(ORPHAN_TIMEOUT_S + 3600)
    harness.beat(claim)
    harness.watch(2 * STEP_S)
    assert not harness.is_fenced(claim)
    harness.db.queue.note_progress(claim)
    harness.watch(OVERDUE_S + STEP_S)
    assert not harness.is_fenced(claim)


def test_an_agent_without_progress_is_ended_as_a_failure_of_the_task(harness: ReapingHarness) -> None:
    claim = harness.run_task()
    harness.clock.pass_s(ORPHAN_TIMEOUT_S + 1)
    harness.beat(claim)
    harness.watch(OVERDUE_S + 2 * STEP_S)
    harness.reap()
    (attempt,) = harness.db.tasks.attempts(harness.task("t")["seq"])
    assert attempt["failure_class"] == "quality"
    assert "no sign of progress" in attempt["error"]


def test_while_the_database_is_locked_no_lease_is_called_overdue(harness: ReapingHarness) -> None:
    claim = harness.run_task()
    harness.watch(LEASE_S)
    with harness.db.connection.transaction(), TaskDatabase(harness.path, clock=harness.clock) as other:
        judge = Reaping(
            other.recovery,
            other.workers,
            clock=harness.clock,
            budgets=Budgets(max_retries=2),
            limits=Limits(orphan_timeout_ms=10**9, overdue_ms=3_000),
            lifelines=harness.lifelines,
        )
        for _ in range(4):
            harness.clock.pass_s(STEP_S)
            judge.run_once()  # would wait for the write lock and then fence if it trusted the old lease
    judge_again = harness.another()
    harness.clock.pass_s(STEP_S)
    judge_again.run_once()
    assert not harness.is_fenced(claim)


def test_a_renewal_between_the_check_and_the_fence_takes_precedence(harness: ReapingHarness) -> None:
    claim = harness.run_task()
    (attempt,) = harness.db.recovery.open_attempts()
    harness.clock.pass_s(1)
    harness.beat(claim)
    assert not harness.db.recovery.fence(attempt, crash("late"), if_unmoved=True)
    assert not harness.is_fenced(claim)


def test_a_stored_fence_is_completed_by_another_reaper(harness: ReapingHarness) -> None:
    claim = harness.run_task()
    (attempt,) = harness.db.recovery.open_attempts()
    harness.db.recovery.fence(attempt, crash("as stored"))
    harness.reap(harness.another())
    assert harness.db.tasks.attempts(claim.task)[0]["error"] == "as stored"
    assert harness.started[0].wait(5) < 0


def test_the_successor_of_a_reaper_killed_after_the_kill_proves_the_end(harness: ReapingHarness) -> None:
    worker = harness.spawn()
    claim = harness.run_task(worker=worker)
    agent = harness.spawn(**marks(claim.attempt))
    harness.end(worker)
    harness.reaping.run_once()
    assert harness.is_fenced(claim)
    harness.reap(harness.another())
    assert agent.is_alive() is False
    assert harness.status("t") is Status.NOT_STARTED


def test_one_empty_scan_is_no_proof(harness: ReapingHarness) -> None:
    claim = harness.run_task(worker=harness.dead())
    harness.reaping.run_once()
    late = harness.spawn(**marks(claim.attempt))  # was between fork and exec during the scan of all processes
    harness.clock.pass_s(0.6)
    harness.reaping.run_once()
    assert harness.db.recovery.open_attempts()
    harness.reap()
    assert late.is_alive() is False


def test_a_living_keeper_is_waited_for(harness: ReapingHarness) -> None:
    keeper = harness.spawn()
    harness.run_task(worker=harness.dead(), keeper=keeper)
    harness.db.workers.record_tree_gone(keeper)  # its last action before it ends
    harness.watch(10)
    assert keeper.is_alive()
    assert harness.db.recovery.open_attempts()
    harness.end(keeper)
    harness.reaping.run_once()
    assert harness.status("t") is Status.NOT_STARTED


def test_a_keeper_that_does_not_end_is_killed_with_what_is_below_it(harness: ReapingHarness) -> None:
    keeper = harness.spawn()
    harness.run_task(worker=harness.dead(), keeper=keeper)
    harness.watch(10)
    assert keeper.is_alive()
    harness.watch(6)
    wait_until(lambda: keeper.is_alive() is False, "the keeper is dead")
    harness.reap()
    assert harness.status("t") is Status.NOT_STARTED


# ───── lock files ─────


def test_after_a_reboot_everything_old_is_gone_at_once(harness: ReapingHarness) -> None:
    before = replace(harness.dead(), boot_id="an earlier boot")
    harness.run_task(worker=before, keeper=before)
    harness.reaping.run_once()
    assert harness.status("t") is Status.NOT_STARTED
    assert "restarted" in harness.db.tasks.attempts(harness.task("t")["seq"])[0]["error"]


def test_processes_inherited_by_supervisord_are_ended_but_not_the_keepers_of_others(harness: ReapingHarness) -> None:
    older = harness.spawn()
    # Start times are in hundredths: the worker must not start in the same one as older processes.
    wait_until(lambda: harness.spawn().start_time > older.start_time, "a moment has passed")
    harness.run_task(worker=harness.dead())
    other_keeper = harness.spawn()
    harness.employ(harness.dead(), other_keeper, "worker-2")
    unmarked = harness.spawn()
    harness.adopted = [older, other_keeper, unmarked]
    harness.reap()
    assert unmarked.is_alive() is False
    assert older.is_alive()
    assert other_keeper.is_alive()


def test_only_one_reaper_works_at_a_time(tmp_path: Path) -> None:
    with sole_reaper(tmp_path, wait=False) as first, sole_reaper(tmp_path, wait=False) as second:
        assert (first, second) == (True, False)
    taken = threading.Event()
    with sole_reaper(tmp_path, wait=True):

        def second_one() -> None:
            with sole_reaper(tmp_path, wait=True) as alone:
                assert alone
                taken.set()

        thread = threading.Thread(target=second_one)
        thread.start()
        assert not taken.wait(0.05)
    assert taken.wait(5)
    thread.join()
