"""Judging and ending attempts: no one is believed dead too early, and every step is safe to crash after."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from reaping_desk import LEASE_S, ORPHAN_TIMEOUT_S, OVERDUE_S, STEP_S, ReapingDesk
from trees import wait_until

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status
from swarm_shared.processes.sweep import marks
from swarm_shared.reaping import Limits, Reaping, sole_reaper
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.queue.recovery import crash


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ReapingDesk]:
    desk = ReapingDesk(tmp_path)
    yield desk
    for process in desk.started:
        process.kill()
        process.wait()
    desk.db.close()


def test_an_expired_lease_is_believed_only_after_it_was_watched(desk: ReapingDesk) -> None:
    claim = desk.run_task()
    desk.watch(LEASE_S + OVERDUE_S - STEP_S)
    assert not desk.is_fenced(claim)
    desk.watch(2 * STEP_S)
    assert desk.is_fenced(claim)
    desk.reap()
    assert desk.status("t") is Status.NOT_STARTED
    assert desk.started[0].wait(5) < 0


def test_after_a_standstill_of_the_machine_workers_get_time_to_renew(desk: ReapingDesk) -> None:
    claim = desk.run_task()
    desk.watch(LEASE_S + OVERDUE_S - 2 * STEP_S)  # the watch has nearly ended …
    desk.clock.pass_s(3600)  # … when everything stands still for an hour
    desk.watch(OVERDUE_S - 2 * STEP_S)
    assert not desk.is_fenced(claim)
    desk.beat(claim)
    desk.watch(OVERDUE_S)
    assert not desk.is_fenced(claim)


def test_silence_during_a_standstill_is_no_lack_of_progress(desk: ReapingDesk) -> None:
    claim = desk.run_task()
    desk.clock.pass_s(ORPHAN_TIMEOUT_S + 3600)
    desk.beat(claim)
    desk.watch(2 * STEP_S)
    assert not desk.is_fenced(claim)
    desk.db.queue.note_progress(claim)
    desk.watch(OVERDUE_S + STEP_S)
    assert not desk.is_fenced(claim)


def test_an_agent_without_progress_is_ended_as_a_failure_of_the_task(desk: ReapingDesk) -> None:
    claim = desk.run_task()
    desk.clock.pass_s(ORPHAN_TIMEOUT_S + 1)
    desk.beat(claim)
    desk.watch(OVERDUE_S + 2 * STEP_S)
    desk.reap()
    (attempt,) = desk.db.tasks.attempts(desk.task("t")["seq"])
    assert attempt["failure_class"] == "quality"
    assert "no sign of progress" in attempt["error"]


def test_while_nobody_can_write_no_lease_is_called_overdue(desk: ReapingDesk) -> None:
    claim = desk.run_task()
    desk.watch(LEASE_S)
    with desk.db.connection.transaction(), TaskDatabase(desk.path, clock=desk.clock) as other:
        judge = Reaping(
            other.recovery,
            other.workers,
            clock=desk.clock,
            budgets=Budgets(max_retries=2),
            limits=Limits(orphan_timeout_ms=10**9, overdue_ms=3_000),
            lifelines=desk.lifelines,
        )
        for _ in range(4):
            desk.clock.pass_s(STEP_S)
            judge.run_once()  # would wait for the write lock, and then fence, if it believed
    judge_again = desk.another()
    desk.clock.pass_s(STEP_S)
    judge_again.run_once()
    assert not desk.is_fenced(claim)


def test_a_renewal_between_the_look_and_the_fence_wins(desk: ReapingDesk) -> None:
    claim = desk.run_task()
    (attempt,) = desk.db.recovery.open_attempts()
    desk.clock.pass_s(1)
    desk.beat(claim)
    assert not desk.db.recovery.fence(attempt, crash("late"), if_unmoved=True)
    assert not desk.is_fenced(claim)


def test_a_stored_fence_is_finished_by_another_reaper(desk: ReapingDesk) -> None:
    claim = desk.run_task()
    (attempt,) = desk.db.recovery.open_attempts()
    desk.db.recovery.fence(attempt, crash("as stored"))
    desk.reap(desk.another())
    assert desk.db.tasks.attempts(claim.task)[0]["error"] == "as stored"
    assert desk.started[0].wait(5) < 0


def test_a_reaper_killed_after_the_kill_is_succeeded_by_one_that_proves(desk: ReapingDesk) -> None:
    worker = desk.spawn()
    claim = desk.run_task(worker=worker)
    agent = desk.spawn(**marks(claim.attempt))
    desk.end(worker)
    desk.reaping.run_once()
    assert desk.is_fenced(claim)
    desk.reap(desk.another())
    assert agent.is_alive() is False
    assert desk.status("t") is Status.NOT_STARTED


def test_one_empty_pass_is_no_proof(desk: ReapingDesk) -> None:
    claim = desk.run_task(worker=desk.dead())
    desk.reaping.run_once()
    late = desk.spawn(**marks(claim.attempt))  # was between fork and exec when all processes were looked at
    desk.clock.pass_s(0.6)
    desk.reaping.run_once()
    assert desk.db.recovery.open_attempts()
    desk.reap()
    assert late.is_alive() is False


def test_a_living_keeper_is_waited_for(desk: ReapingDesk) -> None:
    keeper = desk.spawn()
    desk.run_task(worker=desk.dead(), keeper=keeper)
    desk.db.workers.record_tree_gone(keeper)  # its last act, before it ends
    desk.watch(10)
    assert keeper.is_alive()
    assert desk.db.recovery.open_attempts()
    desk.end(keeper)
    desk.reaping.run_once()
    assert desk.status("t") is Status.NOT_STARTED


def test_a_keeper_that_does_not_end_is_killed_with_what_is_below_it(desk: ReapingDesk) -> None:
    keeper = desk.spawn()
    desk.run_task(worker=desk.dead(), keeper=keeper)
    desk.watch(10)
    assert keeper.is_alive()
    desk.watch(6)
    wait_until(lambda: keeper.is_alive() is False, "the keeper is dead")
    desk.reap()
    assert desk.status("t") is Status.NOT_STARTED


# ───── lock files ─────


def test_after_a_reboot_everything_old_is_gone_at_once(desk: ReapingDesk) -> None:
    before = replace(desk.dead(), boot_id="an earlier boot")
    desk.run_task(worker=before, keeper=before)
    desk.reaping.run_once()
    assert desk.status("t") is Status.NOT_STARTED
    assert "restarted" in desk.db.tasks.attempts(desk.task("t")["seq"])[0]["error"]


def test_what_supervisord_inherited_is_ended_but_not_the_keepers_of_others(desk: ReapingDesk) -> None:
    older = desk.spawn()
    # Start times count in hundredths: the worker must not be born in the same one as what is older.
    wait_until(lambda: desk.spawn().start_time > older.start_time, "a moment has passed")
    desk.run_task(worker=desk.dead())
    other_keeper = desk.spawn()
    desk.employ(desk.dead(), other_keeper, "worker-2")
    unmarked = desk.spawn()
    desk.adopted = [older, other_keeper, unmarked]
    desk.reap()
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
