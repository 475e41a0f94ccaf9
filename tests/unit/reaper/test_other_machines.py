"""Workers of another machine: neither dead nor alive, so nothing of theirs is killed, requeued or removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from reaping_harness import OVERDUE_S, ReapingHarness

from swarm_shared.carry_out import carry_out_now
from swarm_shared.diagnosis import diagnose
from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import Status, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import Lifeline
from swarm_shared.reaping import ABROAD_SILENT_MS, UNPROVEN_AFTER_MS
from swarm_shared.store.queue.claims import Claim

SILENT_S = ABROAD_SILENT_MS / 1000
HELD_AFTER_S = SILENT_S + UNPROVEN_AFTER_MS / 1000 + 10


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReapingHarness]:
    harness = ReapingHarness(tmp_path)
    yield harness
    for process in harness.started:
        process.kill()
        process.wait()
    harness.db.close()


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines and containers without an id cannot be distinguished; these tests need one."""
    monkeypatch.setattr("swarm_shared.processes.identity.own_host_id", lambda: "here")


def abroad(process: ProcessId) -> ProcessId:
    return replace(process, boot_id="11111111-2222", host_id="there")


def run_abroad(harness: ReapingHarness, worker: ProcessId | None = None) -> Claim:
    return harness.run_task(worker=abroad(worker or harness.dead()), keeper=abroad(harness.dead()))


def hostname(harness: ReapingHarness) -> str:
    return harness.db.workers.alive()[0].hostname


def test_another_boot_of_this_machine_is_a_restart_and_the_task_runs_again(harness: ReapingHarness) -> None:
    here = replace(abroad(harness.dead()), host_id="here")
    harness.run_task(worker=here, keeper=here)
    harness.reap()
    assert harness.status("t") is Status.NOT_STARTED


def test_a_task_of_another_machine_is_not_requeued_however_old_its_lease_is(harness: ReapingHarness) -> None:
    claim = run_abroad(harness)
    harness.watch(SILENT_S - 10)
    assert not harness.is_fenced(claim)
    assert (harness.status("t"), len(harness.db.workers.alive())) == (Status.IN_PROGRESS, 1)


def test_heartbeats_from_another_machine_count_although_its_clock_is_not_ours(harness: ReapingHarness) -> None:
    claim = run_abroad(harness)
    for _ in range(3):
        harness.watch(SILENT_S - 10)
        harness.beat(claim)
    assert not harness.is_fenced(claim)


def test_a_silent_worker_of_another_machine_leaves_its_task_held_not_run_again(harness: ReapingHarness) -> None:
    claim = run_abroad(harness)
    host = hostname(harness)
    harness.watch(HELD_AFTER_S)
    task = harness.task("t")
    assert (task["status"], task["hold_reason"]) == (Status.HELD, "not_proven_dead")
    assert f"another machine, {host}; whether it still runs is not known here" in task["last_error"]
    assert harness.is_fenced(claim), "its worker notices that it has lost the task"
    harness.watch(60)
    assert harness.status("t") is Status.HELD
    assert carry_out_now(harness.db, Verb.RELEASE, "t", {}, actor="ann").status == "refused"
    assert carry_out_now(harness.db, Verb.RELEASE, "t", {"gone": True}, actor="ann").status == "done"
    harness.employ(harness.spawn(), harness.dead(), "worker-2")
    assert harness.take("worker-2").number == 2


def test_a_process_here_with_the_pid_of_one_there_is_never_killed(harness: ReapingHarness) -> None:
    living = harness.spawn()
    run_abroad(harness, living)
    harness.watch(HELD_AFTER_S)
    assert living.is_alive()
    assert not abroad(living).kill(9)
    assert living.is_alive()


def test_a_lock_file_of_another_machine_proves_nothing_and_is_kept(harness: ReapingHarness) -> None:
    keeper = abroad(harness.dead())
    claim = harness.run_task(worker=abroad(harness.dead()), keeper=keeper)
    lifeline = Lifeline(harness.path.parent / "state", keeper)
    os.close(lifeline.descriptor)  # locks of another machine need not show here
    harness.watch(OVERDUE_S)
    assert not harness.is_fenced(claim)
    harness.lifelines.clear(needed=harness.db.recovery.to_be_proven())
    harness.watch(HELD_AFTER_S)
    assert harness.lifelines.recorded(keeper) == []
    assert (harness.path.parent / "state" / "alive").exists()
    assert list((harness.path.parent / "state" / "alive").iterdir())


def test_the_proof_of_a_keeper_there_counts(harness: ReapingHarness) -> None:
    keeper = abroad(harness.dead())
    harness.run_task(worker=abroad(harness.dead()), keeper=keeper)
    harness.watch(HELD_AFTER_S)
    harness.db.workers.record_tree_gone(keeper)
    harness.watch(10)
    assert harness.db.recovery.open_attempts() == []


def test_a_worker_here_may_have_the_name_of_one_there(harness: ReapingHarness) -> None:
    run_abroad(harness)
    harness.employ(harness.spawn(), harness.dead(), "worker-1")
    assert len(harness.db.workers.alive()) == 2
    assert harness.db.workers.staff(dead=harness.db.workers.absent()).takers == ("worker-1",)


def test_rows_from_before_the_column_are_judged_by_their_boot(harness: ReapingHarness) -> None:
    old = replace(abroad(harness.dead()), host_id="")
    harness.run_task(worker=old, keeper=old)
    harness.reap()
    assert harness.status("t") is Status.NOT_STARTED


def test_a_container_of_this_boot_belongs_to_this_machine_whatever_its_id(harness: ReapingHarness) -> None:
    worker = harness.dead()
    harness.run_task(worker=replace(worker, host_id="the container's"), keeper=harness.dead())
    harness.reap()
    assert harness.status("t") is Status.NOT_STARTED


def test_why_and_the_diagnosis_say_that_it_is_unknown(harness: ReapingHarness) -> None:
    run_abroad(harness)
    (reason,) = Why(harness.db.connection, harness.clock).explain("t", default_cli="command").reasons
    (finding,) = [each for each in diagnose(harness.db) if each.code == "workers_elsewhere"]
    assert reason.kind == finding.code
    assert reason.text.startswith(finding.text)
    assert (reason.advice, finding.target) == (finding.advice, "worker-1")
    assert f"another machine, {hostname(harness)}; whether it runs is not known here" in finding.text


def test_a_reaper_of_another_machine_counts_only_while_its_heartbeats_are_fresh(
    harness: ReapingHarness,
) -> None:
    harness.db.swarm.register_service("reaper", abroad(harness.dead()), {"supervised": True})
    assert harness.db.swarm.services()["reaper"].is_up(harness.clock.wall_ms())
    harness.clock.pass_s(61)
    assert not harness.db.swarm.services()["reaper"].is_up(harness.clock.wall_ms())
    (finding,) = [each for each in diagnose(harness.db) if each.name == "reaper"]
    assert (finding.code, "another machine is not known" in finding.text) == ("reaper_down", True)
