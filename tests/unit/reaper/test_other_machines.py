"""Workers of another machine: neither dead nor alive, so nothing of theirs is killed, requeued or cleared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from reaping_desk import OVERDUE_S, ReapingDesk

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
def desk(tmp_path: Path) -> Iterator[ReapingDesk]:
    desk = ReapingDesk(tmp_path)
    yield desk
    for process in desk.started:
        process.kill()
        process.wait()
    desk.db.close()


@pytest.fixture(autouse=True)
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines and containers without an id cannot be told apart; these tests need one."""
    monkeypatch.setattr("swarm_shared.processes.identity.own_host_id", lambda: "here")


def abroad(process: ProcessId) -> ProcessId:
    return replace(process, boot_id="11111111-2222", host_id="there")


def run_abroad(desk: ReapingDesk, worker: ProcessId | None = None) -> Claim:
    return desk.run_task(worker=abroad(worker or desk.dead()), keeper=abroad(desk.dead()))


def hostname(desk: ReapingDesk) -> str:
    return desk.db.workers.alive()[0].hostname


def test_another_boot_of_this_machine_is_a_restart_and_the_task_runs_again(desk: ReapingDesk) -> None:
    here = replace(abroad(desk.dead()), host_id="here")
    desk.run_task(worker=here, keeper=here)
    desk.reap()
    assert desk.status("t") is Status.NOT_STARTED


def test_a_task_of_another_machine_is_not_requeued_however_old_its_lease_is(desk: ReapingDesk) -> None:
    claim = run_abroad(desk)
    desk.watch(SILENT_S - 10)
    assert not desk.is_fenced(claim)
    assert (desk.status("t"), len(desk.db.workers.alive())) == (Status.IN_PROGRESS, 1)


def test_heartbeats_from_another_machine_count_although_its_clocks_are_not_ours(desk: ReapingDesk) -> None:
    claim = run_abroad(desk)
    for _ in range(3):
        desk.watch(SILENT_S - 10)
        desk.beat(claim)
    assert not desk.is_fenced(claim)


def test_a_silent_worker_of_another_machine_leaves_its_task_held_not_run_again(desk: ReapingDesk) -> None:
    claim = run_abroad(desk)
    host = hostname(desk)
    desk.watch(HELD_AFTER_S)
    task = desk.task("t")
    assert (task["status"], task["hold_reason"]) == (Status.HELD, "not_proven_dead")
    assert f"another machine, {host}; whether it still runs is not known here" in task["last_error"]
    assert desk.is_fenced(claim), "its worker finds that it has lost the task"
    desk.watch(60)
    assert desk.status("t") is Status.HELD
    assert carry_out_now(desk.db, Verb.RELEASE, "t", {}, actor="ann").status == "refused"
    assert carry_out_now(desk.db, Verb.RELEASE, "t", {"gone": True}, actor="ann").status == "done"
    desk.employ(desk.spawn(), desk.dead(), "worker-2")
    assert desk.take("worker-2").number == 2


def test_a_process_here_that_has_the_number_of_one_there_is_never_killed(desk: ReapingDesk) -> None:
    living = desk.spawn()
    run_abroad(desk, living)
    desk.watch(HELD_AFTER_S)
    assert living.is_alive()
    assert not abroad(living).kill(9)
    assert living.is_alive()


def test_a_lock_file_of_another_machine_proves_nothing_and_is_kept(desk: ReapingDesk) -> None:
    keeper = abroad(desk.dead())
    claim = desk.run_task(worker=abroad(desk.dead()), keeper=keeper)
    lifeline = Lifeline(desk.path.parent / "state", keeper)
    os.close(lifeline.descriptor)  # locks of another machine need not show here
    desk.watch(OVERDUE_S)
    assert not desk.is_fenced(claim)
    desk.lifelines.clear(needed=desk.db.recovery.to_be_proven())
    desk.watch(HELD_AFTER_S)
    assert desk.lifelines.recorded(keeper) == []
    assert (desk.path.parent / "state" / "alive").exists()
    assert list((desk.path.parent / "state" / "alive").iterdir())


def test_the_proof_of_a_keeper_there_counts(desk: ReapingDesk) -> None:
    keeper = abroad(desk.dead())
    desk.run_task(worker=abroad(desk.dead()), keeper=keeper)
    desk.watch(HELD_AFTER_S)
    desk.db.workers.record_tree_gone(keeper)
    desk.watch(10)
    assert desk.db.recovery.open_attempts() == []


def test_a_worker_here_may_have_the_name_of_one_there(desk: ReapingDesk) -> None:
    run_abroad(desk)
    desk.employ(desk.spawn(), desk.dead(), "worker-1")
    assert len(desk.db.workers.alive()) == 2
    assert desk.db.workers.staff(dead=desk.db.workers.absent()).takers == ("worker-1",)


def test_rows_from_before_the_column_are_judged_by_their_boot(desk: ReapingDesk) -> None:
    old = replace(abroad(desk.dead()), host_id="")
    desk.run_task(worker=old, keeper=old)
    desk.reap()
    assert desk.status("t") is Status.NOT_STARTED


def test_a_container_of_this_boot_is_of_this_machine_whatever_its_id(desk: ReapingDesk) -> None:
    worker = desk.dead()
    desk.run_task(worker=replace(worker, host_id="the container's"), keeper=desk.dead())
    desk.reap()
    assert desk.status("t") is Status.NOT_STARTED


def test_why_and_the_diagnosis_say_that_it_is_unknown(desk: ReapingDesk) -> None:
    run_abroad(desk)
    (reason,) = Why(desk.db.connection, desk.clock).explain("t", default_cli="command").reasons
    (finding,) = [each for each in diagnose(desk.db) if each.code == "workers_elsewhere"]
    assert reason.kind == finding.code
    assert reason.text.startswith(finding.text)
    assert (reason.advice, finding.target) == (finding.advice, "worker-1")
    assert f"another machine, {hostname(desk)}; whether it runs is not known here" in finding.text


def test_a_reaper_of_another_machine_is_believed_only_while_its_signs_of_life_are_fresh(desk: ReapingDesk) -> None:
    desk.db.swarm.register_service("reaper", abroad(desk.dead()), {"supervised": True})
    assert desk.db.swarm.services()["reaper"].is_up(desk.clock.wall_ms())
    desk.clock.pass_s(61)
    assert not desk.db.swarm.services()["reaper"].is_up(desk.clock.wall_ms())
    (finding,) = [each for each in diagnose(desk.db) if each.name == "reaper"]
    assert (finding.code, "another machine is not known" in finding.text) == ("reaper_down", True)
