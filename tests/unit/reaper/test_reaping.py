"""Judging and ending attempts: nobody is believed dead too early, and every step is safe to crash after."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_desk import QueueDesk
from trees import wait_until

from swarm_shared.carry_out import carry_out_now
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import SystemClock
from swarm_shared.domain.models import Status, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import FOLDER, Lifeline, Lifelines
from swarm_shared.processes.sweep import marks
from swarm_shared.reaping import UNPROVEN_AFTER_MS, Limits, Reaping, sole_reaper
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.queue.recovery import crash

LEASE_S = 120
ORPHAN_TIMEOUT_S = 1800
OVERDUE_S = 30
STEP_S = 2  # the reaper looks every second; more than three seconds between two looks are a break


class ReapingDesk(QueueDesk):
    """A queue whose workers are real processes that do nothing; time is moved by hand within the real boot."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clock.boot = SystemClock().boot_id()
        self.started: list[subprocess.Popen[bytes]] = []
        self.adopted: list[ProcessId] = []
        self.lifelines = Lifelines(folder / "state")
        self.reaping = self.another()
        self.reaping.run_once()

    def another(self) -> Reaping:
        """A reaper that knows only what is stored."""
        return Reaping(
            self.db.recovery,
            self.db.workers,
            clock=self.clock,
            budgets=Budgets(max_retries=2),
            limits=Limits(orphan_timeout_ms=ORPHAN_TIMEOUT_S * 1000, overdue_ms=OVERDUE_S * 1000),
            lifelines=self.lifelines,
            adopted=lambda: [process for process in self.adopted if process.is_alive()],
        )

    def spawn(self, *descriptors: int, **env: str) -> ProcessId:
        # In a session of its own, as what a keeper starts; in the middle of its exec it shows no environment yet.
        command = ["/bin/sleep", "1000"]
        process = subprocess.Popen(command, env={"A": "B", **env}, start_new_session=True, pass_fds=descriptors)
        self.started.append(process)
        wait_until(Path(f"/proc/{process.pid}/environ").read_bytes, "its environment shows")
        found = ProcessId.of(process.pid)
        assert found is not None
        return found

    def end(self, process: ProcessId) -> None:
        """Kill it and wait for it."""
        (started,) = [each for each in self.started if each.pid == process.pid]
        started.kill()
        started.wait()

    def dead(self) -> ProcessId:
        process = self.spawn()
        self.end(process)
        return process

    def employ(self, worker: ProcessId, keeper: ProcessId, worker_id: str = "worker-1") -> None:
        run = self.db.workers.register(worker_id, worker, keeper, lease_s=LEASE_S)
        self._claimants[worker_id] = Claimant(run=run, worker_id=worker_id, agent_cli="command")

    def run_task(self, worker: ProcessId | None = None, keeper: ProcessId | None = None) -> Claim:
        self.add("t")
        self.employ(worker or self.spawn(), keeper or self.dead())
        return self.start()

    def beat(self, claim: Claim) -> None:
        assert self.db.workers.heartbeat(claim.run, began_mono_ms=self.clock.mono, lease_s=LEASE_S)

    def watch(self, seconds: float) -> int:
        """Let the reaper look every few seconds for so long; how many attempts it closed."""
        closed = 0
        for _ in range(round(seconds / STEP_S)):
            self.clock.pass_s(STEP_S)
            closed += self.reaping.run_once()
        return closed

    def reap(self, reaping: Reaping | None = None) -> None:
        """Rounds until nothing is open; the gap between two passes over all processes goes by hand."""

        def closed() -> bool:
            self.clock.pass_s(0.5)
            (reaping or self.reaping).run_once()
            return not self.db.recovery.open_attempts()

        wait_until(closed, "the attempt is closed")

    def is_fenced(self, claim: Claim) -> bool:
        return not self.db.queue.owns(claim)


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


def test_a_persons_word_lets_a_task_go_on_whose_worker_nobody_can_see(desk: ReapingDesk) -> None:
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
