"""Claims, fences, budgets: what the queue promises."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_desk import PASSED, QueueDesk, failed

from swarm_shared.domain.errors import DatabaseError, LeaseLost
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, Status, TaskSpec
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.store.engine.connection import check_engine
from swarm_shared.store.queue.policy import AttemptResult, Budgets


@pytest.fixture
def desk(tmp_path: Path) -> QueueDesk:
    return QueueDesk(tmp_path)


def spec(task_id: str, *needs: str, **more: object) -> TaskSpec:
    return TaskSpec(id=task_id, name=task_id, dependencies=needs, **more)  # type: ignore[arg-type]


# ───── claiming ─────


def test_a_task_is_given_to_one_worker_only(desk: QueueDesk) -> None:
    desk.add("a")
    assert desk.claim("worker-1") is not None
    assert desk.claim("worker-2") is None


def test_tasks_go_out_by_priority_then_longest_chain_then_file_order(desk: QueueDesk) -> None:
    desk.add(spec("plain"), spec("root"), spec("below", "root"), spec("urgent", priority=1), spec("later", priority=4))
    order = [desk.run() for _ in range(5)]
    assert order == ["urgent", "root", "plain", "below", "later"]


def test_every_claim_raises_the_fencing_token(desk: QueueDesk) -> None:
    desk.add("a")
    first = desk.start()
    desk.settle(first, failed(FailureClass.QUALITY))
    assert desk.take().token > first.token


def test_nothing_is_claimed_while_a_flag_says_so(desk: QueueDesk) -> None:
    desk.add("a")
    for flag in ("paused", "drained", "emergency_stop", "disk_low", "runner_down"):
        desk.db.swarm.set_flag(flag, actor="test")
        assert desk.claim() is None, flag
        desk.db.swarm.clear_flag(flag)
    assert desk.claim() is not None


def test_a_worker_that_shall_leave_gets_nothing(desk: QueueDesk) -> None:
    desk.add("a")
    desk.claimant()
    with desk.db.connection.transaction():
        assert desk.db.workers.want("worker-1", "retire")
    assert desk.claim() is None


def test_a_claimed_task_is_in_progress_once_its_session_is_open(desk: QueueDesk) -> None:
    desk.add("a")
    claim = desk.take()
    assert desk.status("a") is Status.CLAIMED
    desk.db.queue.open_session(claim, role=Role.BUILDER, name="agent", stage=Stage.BUILDING, prompt="do it")
    assert desk.status("a") is Status.IN_PROGRESS
    assert [s["prompt"] for s in desk.db.tasks.sessions(claim.attempt)] == ["do it"]


def test_a_session_whose_end_could_not_be_stored_ends_with_its_attempt(desk: QueueDesk) -> None:
    desk.add("a")
    claim = desk.start()
    desk.clock.pass_s(5)
    desk.settle(claim)
    (session,) = desk.db.tasks.sessions(claim.attempt)
    assert session["ended_at"] == desk.clock.wall


# ───── fencing ─────


def test_a_stale_token_cannot_complete_a_task(desk: QueueDesk) -> None:
    desk.add("a")
    claim = desk.start()
    with desk.db.connection.transaction():
        desk.db.connection.change("UPDATE tasks SET lease_token = lease_token + 1")
    with pytest.raises(LeaseLost):
        desk.settle(claim)
    assert desk.status("a") is Status.IN_PROGRESS
    assert "stale_write_refused" in desk.events()


def test_a_stale_token_cannot_open_a_session(desk: QueueDesk) -> None:
    desk.add("a")
    claim = desk.take()
    with desk.db.connection.transaction():
        desk.db.connection.change("UPDATE tasks SET lease_token = lease_token + 1")
    with pytest.raises(LeaseLost):
        desk.db.queue.open_session(claim, role=Role.BUILDER, name="x", stage=Stage.BUILDING, prompt=None)
    assert not desk.db.queue.owns(claim)


def test_a_lease_counts_from_when_its_renewal_began(desk: QueueDesk) -> None:
    run = desk.claimant().run
    began = desk.clock.mono
    desk.clock.pass_s(50)  # the write lock came late: so long others may have judged by the old lease
    assert desk.db.workers.heartbeat(run, began_mono_ms=began, lease_s=120)
    worker = desk.db.workers.get(run)
    assert worker is not None
    assert worker.lease_until_mono == began + 120_000


def test_a_second_settle_of_the_same_attempt_is_refused(desk: QueueDesk) -> None:
    desk.add("a")
    claim = desk.start()
    desk.settle(claim, failed(FailureClass.QUALITY))
    with pytest.raises(LeaseLost):
        desk.settle(claim)
    assert desk.status("a") is Status.NOT_STARTED


def test_an_attempt_whose_tree_is_not_proven_gone_keeps_its_task_from_everybody(desk: QueueDesk) -> None:
    desk.add("a")
    desk.start()
    with desk.db.connection.transaction():
        desk.db.connection.change("UPDATE tasks SET status = 'not_started', stage = NULL")
    assert desk.claim("worker-2") is None


# ───── dependencies ─────


def test_dependents_become_ready_when_what_they_need_is_completed(desk: QueueDesk) -> None:
    desk.add(spec("c", "a", "b"), spec("a"), spec("b"))
    assert desk.status("c") is Status.BLOCKED
    assert {desk.run(), desk.run()} == {"a", "b"}
    assert desk.status("c") is Status.NOT_STARTED


def test_a_failed_dependency_leaves_its_dependents_blocked(desk: QueueDesk) -> None:
    desk.add(spec("a", max_retries=0), spec("b", "a"))
    desk.run(failed(FailureClass.QUALITY))
    assert desk.status("a") is Status.FAILED
    assert desk.status("b") is Status.BLOCKED
    assert desk.claim() is None


# ───── budgets ─────


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_max_retries_gives_one_attempt_more_than_retries_and_then_the_task_fails(tmp_path: Path, retries: int) -> None:
    desk = QueueDesk(tmp_path, budgets=Budgets(max_retries=retries))
    desk.add("a")
    for _ in range(retries + 1):
        desk.run(failed(FailureClass.QUALITY))
    assert desk.status("a") is Status.FAILED
    assert desk.task("a")["attempt_count"] == retries + 1


def test_a_tasks_own_max_retries_wins(desk: QueueDesk) -> None:
    desk.add(spec("a", max_retries=0))
    desk.run(failed(FailureClass.QUALITY))
    assert desk.status("a") is Status.FAILED


@pytest.mark.parametrize("free", [FailureClass.INTERRUPTED, FailureClass.PROVIDER, FailureClass.SETUP])
def test_what_is_not_the_tasks_fault_costs_nothing(desk: QueueDesk, free: FailureClass) -> None:
    desk.add(spec("a", max_retries=0))
    for _ in range(5):
        desk.run(failed(free))
    assert desk.status("a") is Status.NOT_STARTED


def test_the_third_crash_in_a_row_holds_the_task_and_the_second_waits_first(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(failed(FailureClass.CRASH))
    assert desk.status("a") is Status.NOT_STARTED
    desk.run(failed(FailureClass.CRASH))
    assert desk.status("a") is Status.SCHEDULED
    assert desk.claim() is None
    desk.clock.pass_s(23)
    desk.run(failed(FailureClass.CRASH))
    assert desk.status("a") is Status.HELD
    assert desk.task("a")["hold_reason"] == "crashed_repeatedly"


def test_a_crash_does_not_use_up_a_retry_and_a_judged_attempt_ends_the_row_of_crashes(desk: QueueDesk) -> None:
    desk.add(spec("a", max_retries=1))
    desk.run(failed(FailureClass.CRASH))
    desk.run(failed(FailureClass.QUALITY))
    assert desk.task("a")["crashes"] == 0
    assert desk.status("a") is Status.NOT_STARTED


def test_a_retry_delay_makes_a_quality_retry_wait(tmp_path: Path) -> None:
    desk = QueueDesk(tmp_path, budgets=Budgets(max_retries=2, retry_delay_s=60))
    desk.add("a")
    desk.run(failed(FailureClass.QUALITY))
    assert desk.status("a") is Status.SCHEDULED
    assert desk.db.queue.ms_to_next_due() == 60_000
    desk.clock.pass_s(60)
    assert desk.claim() is not None


def test_the_time_of_one_task_is_not_that_of_another(tmp_path: Path) -> None:
    desk = QueueDesk(tmp_path, budgets=Budgets(max_retries=2, retry_delay_s=60))
    desk.add("a", "b")
    desk.run(failed(FailureClass.QUALITY))
    desk.clock.pass_s(30)
    desk.run(failed(FailureClass.QUALITY))
    desk.clock.pass_s(30)
    assert desk.take().task_id == "a"
    assert desk.status("b") is Status.SCHEDULED
    assert desk.claim("worker-2") is None


def test_a_clock_step_of_a_day_neither_frees_nor_delays_a_scheduled_task(tmp_path: Path) -> None:
    desk = QueueDesk(tmp_path, budgets=Budgets(max_retries=2, retry_delay_s=60))
    desk.add("a")
    desk.run(failed(FailureClass.QUALITY))
    desk.clock.wall += 86_400_000
    assert desk.claim() is None
    desk.clock.wall -= 2 * 86_400_000
    desk.clock.mono += 60_000
    assert desk.claim() is not None


def test_an_unreadable_answer_holds_the_task(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(failed(FailureClass.UNREADABLE))
    assert desk.task("a")["hold_reason"] == "unreadable_answer"


def test_a_killed_task_is_held_and_a_cancelled_one_is_out(desk: QueueDesk) -> None:
    desk.add("a", "b")
    desk.settle(desk.start(), AttemptResult(outcome=Outcome.KILLED, error="killed by me"))
    desk.settle(desk.start(), AttemptResult(outcome=Outcome.CANCELLED, error="cancelled by me"))
    assert (desk.status("a"), desk.status("b")) == (Status.HELD, Status.CANCELLED)


def test_a_persons_note_stays_until_an_attempt_was_judged(desk: QueueDesk) -> None:
    desk.add(spec("a", max_retries=5))
    desk.run(failed(FailureClass.QUALITY))
    with desk.db.connection.transaction():
        desk.db.connection.change("UPDATE tasks SET note = 'mind the gap'")
    desk.run(failed(FailureClass.INTERRUPTED))
    again = desk.start()
    assert again.note == "mind the gap"
    desk.settle(again, failed(FailureClass.QUALITY))
    assert desk.take().note is None


# ───── providers ─────


def throttled(wait_s: float | None = None, kind: TroubleKind = TroubleKind.THROTTLED) -> AttemptResult:
    return failed(FailureClass.PROVIDER, "429", trouble=Trouble(kind=kind, text="429 slow down", wait_s=wait_s))


def test_provider_trouble_holds_its_agent_cli_for_everybody_and_then_lets_one_attempt_probe(desk: QueueDesk) -> None:
    desk.add("a", "b")
    desk.run(throttled(wait_s=50))
    assert desk.claim("worker-2") is None
    desk.clock.pass_s(51)
    probe = desk.start("worker-1")
    assert desk.claim("worker-2") is None, "only one attempt may find out whether the provider is back"
    desk.settle(probe)
    assert desk.db.swarm.holds() == []
    assert desk.claim("worker-2") is not None


def test_the_wait_doubles_while_the_trouble_lasts(desk: QueueDesk) -> None:
    desk.add("a")
    waits = []
    for _ in range(3):
        desk.run(throttled())
        waits.append((desk.db.swarm.holds()[0].until_at or 0) - desk.clock.wall)
        desk.clock.pass_s(2000)
    assert 24_000 <= waits[0] <= 36_000
    assert waits[1] > 1.3 * waits[0]
    assert waits[2] > 1.3 * waits[1]


def test_several_sessions_that_hit_one_limit_make_one_hold(desk: QueueDesk) -> None:
    desk.add("a", "b")
    first, second = desk.start("worker-1"), desk.start("worker-2")
    desk.clock.pass_s(1)
    desk.settle(first, throttled())
    desk.settle(second, throttled())
    assert desk.db.swarm.holds()[0].step == 1


def test_a_used_up_quota_holds_until_a_user_resumes(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(throttled(kind=TroubleKind.QUOTA))
    desk.clock.pass_s(10_000_000)
    assert desk.claim() is None
    desk.db.swarm.resume(actor="test")
    assert desk.claim() is not None


def test_another_agent_cli_continues_while_one_is_held(desk: QueueDesk) -> None:
    desk.add("a", spec("b", agent_cli="codex"))
    desk.run(throttled(wait_s=50))
    claim = desk.claim()
    assert claim is not None
    assert (claim.task_id, claim.agent_cli) == ("b", "codex")


def test_a_cli_that_cannot_start_gets_one_serial_repeat_and_is_then_held(desk: QueueDesk) -> None:
    desk.add("a", "b")
    setup = failed(
        FailureClass.SETUP, "no such program", trouble=Trouble(kind=TroubleKind.STARTUP, text="no such program")
    )
    desk.run(setup)
    probe = desk.start("worker-1")
    assert desk.claim("worker-2") is None
    desk.settle(probe, setup)
    desk.clock.pass_s(10_000_000)
    assert desk.claim() is None
    hold = desk.db.swarm.holds()[0]
    assert (hold.kind, hold.until_at) == ("startup", None)
    assert desk.status("a") is Status.NOT_STARTED


# ───── the engine ─────


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.50.6", "3.44.5", "3.52.0", "3.45.0"])
def test_an_engine_that_can_lose_commits_is_refused(version: str) -> None:
    with pytest.raises(DatabaseError, match="lose"):
        check_engine(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.50.7", "3.44.6", "3.53.4", "3.54.1"])
def test_a_fixed_engine_is_taken(version: str) -> None:
    check_engine(version)


def test_a_worker_name_whose_process_lives_cannot_be_taken(desk: QueueDesk) -> None:
    desk.claimant("worker-1")
    from swarm_shared.domain.errors import ConfigError
    from swarm_shared.processes.identity import ProcessId

    with pytest.raises(ConfigError, match="already runs"):
        desk.db.workers.register("worker-1", ProcessId.mine(), ProcessId.mine(), lease_s=10)


def test_counters_agree_with_the_rows_after_many_moves(desk: QueueDesk) -> None:
    desk.add(*[spec(f"t{n}", phase=f"p{n % 3}", estimated_hours=0.5) for n in range(30)])
    for n in range(20):
        desk.run(PASSED if n % 2 else failed(FailureClass.QUALITY))
    counted = desk.db.connection.rows(
        "SELECT phase, status, count(*), sum(estimated_hours) FROM tasks GROUP BY 1, 2 ORDER BY 1, 2"
    )
    kept = [
        tuple(row)
        for row in desk.db.connection.rows(
            "SELECT phase, status, tasks, hours FROM counters WHERE tasks > 0 ORDER BY 1, 2"
        )
    ]
    assert kept == [tuple(row) for row in counted]
