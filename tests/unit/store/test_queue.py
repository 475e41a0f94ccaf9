"""Claims, fences and limits: what the queue guarantees."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.domain.errors import DatabaseError, LeaseLost
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, Status, TaskSpec
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.store.engine.connection import check_engine
from swarm_shared.store.queue.policy import AttemptResult, Budgets


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


def spec(task_id: str, *needs: str, **more: object) -> TaskSpec:
    return TaskSpec(id=task_id, name=task_id, dependencies=needs, **more)  # type: ignore[arg-type]


# ───── claiming ─────


def test_a_task_is_given_to_only_one_worker(harness: QueueHarness) -> None:
    harness.add("a")
    assert harness.claim("worker-1") is not None
    assert harness.claim("worker-2") is None


def test_tasks_are_claimed_by_priority_then_longest_chain_then_file_order(harness: QueueHarness) -> None:
    harness.add(
        spec("plain"), spec("root"), spec("below", "root"), spec("urgent", priority=1), spec("later", priority=4)
    )
    order = [harness.run() for _ in range(5)]
    assert order == ["urgent", "root", "plain", "below", "later"]


def test_every_claim_raises_the_fencing_token(harness: QueueHarness) -> None:
    harness.add("a")
    first = harness.start()
    harness.settle(first, failed(FailureClass.QUALITY))
    assert harness.take().token > first.token


def test_nothing_is_claimed_while_a_flag_forbids_it(harness: QueueHarness) -> None:
    harness.add("a")
    for flag in ("paused", "drained", "emergency_stop", "disk_low", "runner_down"):
        harness.db.swarm.set_flag(flag, actor="test")
        assert harness.claim() is None, flag
        harness.db.swarm.clear_flag(flag)
    assert harness.claim() is not None


def test_a_retiring_worker_gets_no_task(harness: QueueHarness) -> None:
    harness.add("a")
    harness.claimant()
    with harness.db.connection.transaction():
        assert harness.db.workers.want("worker-1", "retire")
    assert harness.claim() is None


def test_a_claimed_task_is_in_progress_once_its_session_is_open(harness: QueueHarness) -> None:
    harness.add("a")
    claim = harness.take()
    assert harness.status("a") is Status.CLAIMED
    harness.db.queue.open_session(claim, role=Role.BUILDER, name="agent", stage=Stage.BUILDING, prompt="do it")
    assert harness.status("a") is Status.IN_PROGRESS
    assert [s["prompt"] for s in harness.db.tasks.sessions(claim.attempt)] == ["do it"]


def test_a_session_whose_end_could_not_be_stored_ends_with_its_attempt(harness: QueueHarness) -> None:
    harness.add("a")
    claim = harness.start()
    harness.clock.pass_s(5)
    harness.settle(claim)
    (session,) = harness.db.tasks.sessions(claim.attempt)
    assert session["ended_at"] == harness.clock.wall


# ───── fencing ─────


def test_a_stale_token_cannot_complete_a_task(harness: QueueHarness) -> None:
    harness.add("a")
    claim = harness.start()
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE tasks SET lease_token = lease_token + 1")
    with pytest.raises(LeaseLost):
        harness.settle(claim)
    assert harness.status("a") is Status.IN_PROGRESS
    assert "stale_write_refused" in harness.events()


def test_a_stale_token_cannot_open_a_session(harness: QueueHarness) -> None:
    harness.add("a")
    claim = harness.take()
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE tasks SET lease_token = lease_token + 1")
    with pytest.raises(LeaseLost):
        harness.db.queue.open_session(claim, role=Role.BUILDER, name="x", stage=Stage.BUILDING, prompt=None)
    assert not harness.db.queue.owns(claim)


def test_a_lease_counts_from_the_start_of_its_renewal(harness: QueueHarness) -> None:
    run = harness.claimant().run
    began = harness.clock.mono
    harness.clock.pass_s(50)  # the write lock came late: others may have judged by the old lease for that long
    assert harness.db.workers.heartbeat(run, began_mono_ms=began, lease_s=120)
    worker = harness.db.workers.get(run)
    assert worker is not None
    assert worker.lease_until_mono == began + 120_000


def test_a_second_settle_of_the_same_attempt_is_refused(harness: QueueHarness) -> None:
    harness.add("a")
    claim = harness.start()
    harness.settle(claim, failed(FailureClass.QUALITY))
    with pytest.raises(LeaseLost):
        harness.settle(claim)
    assert harness.status("a") is Status.NOT_STARTED


def test_an_attempt_whose_tree_is_not_proven_gone_blocks_its_task_for_every_worker(harness: QueueHarness) -> None:
    harness.add("a")
    harness.start()
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE tasks SET status = 'not_started', stage = NULL")
    assert harness.claim("worker-2") is None


# ───── dependencies ─────


def test_dependents_become_ready_when_their_dependencies_are_completed(harness: QueueHarness) -> None:
    harness.add(spec("c", "a", "b"), spec("a"), spec("b"))
    assert harness.status("c") is Status.BLOCKED
    assert {harness.run(), harness.run()} == {"a", "b"}
    assert harness.status("c") is Status.NOT_STARTED


def test_a_failed_dependency_leaves_its_dependents_blocked(harness: QueueHarness) -> None:
    harness.add(spec("a", max_retries=0), spec("b", "a"))
    harness.run(failed(FailureClass.QUALITY))
    assert harness.status("a") is Status.FAILED
    assert harness.status("b") is Status.BLOCKED
    assert harness.claim() is None


# ───── limits ─────


@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_max_retries_allows_one_attempt_more_than_retries_and_then_the_task_fails(tmp_path: Path, retries: int) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=retries))
    harness.add("a")
    for _ in range(retries + 1):
        harness.run(failed(FailureClass.QUALITY))
    assert harness.status("a") is Status.FAILED
    assert harness.task("a")["attempt_count"] == retries + 1


def test_a_tasks_own_max_retries_takes_precedence(harness: QueueHarness) -> None:
    harness.add(spec("a", max_retries=0))
    harness.run(failed(FailureClass.QUALITY))
    assert harness.status("a") is Status.FAILED


@pytest.mark.parametrize("free", [FailureClass.INTERRUPTED, FailureClass.PROVIDER, FailureClass.SETUP])
def test_a_failure_that_is_not_the_tasks_fault_costs_nothing(harness: QueueHarness, free: FailureClass) -> None:
    harness.add(spec("a", max_retries=0))
    for _ in range(5):
        harness.run(failed(free))
    assert harness.status("a") is Status.NOT_STARTED


def test_the_third_crash_in_a_row_holds_the_task_and_the_second_delays_it(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(failed(FailureClass.CRASH))
    assert harness.status("a") is Status.NOT_STARTED
    harness.run(failed(FailureClass.CRASH))
    assert harness.status("a") is Status.SCHEDULED
    assert harness.claim() is None
    harness.clock.pass_s(23)
    harness.run(failed(FailureClass.CRASH))
    assert harness.status("a") is Status.HELD
    assert harness.task("a")["hold_reason"] == "crashed_repeatedly"


def test_a_crash_uses_up_no_retry_and_a_judged_attempt_resets_the_crash_count(harness: QueueHarness) -> None:
    harness.add(spec("a", max_retries=1))
    harness.run(failed(FailureClass.CRASH))
    harness.run(failed(FailureClass.QUALITY))
    assert harness.task("a")["crashes"] == 0
    assert harness.status("a") is Status.NOT_STARTED


def test_a_retry_delay_postpones_a_quality_retry(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=2, retry_delay_s=60))
    harness.add("a")
    harness.run(failed(FailureClass.QUALITY))
    assert harness.status("a") is Status.SCHEDULED
    assert harness.db.queue.ms_to_next_due() == 60_000
    harness.clock.pass_s(60)
    assert harness.claim() is not None


def test_the_limits_of_one_task_do_not_apply_to_another(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=2, retry_delay_s=60))
    harness.add("a", "b")
    harness.run(failed(FailureClass.QUALITY))
    harness.clock.pass_s(30)
    harness.run(failed(FailureClass.QUALITY))
    harness.clock.pass_s(30)
    assert harness.take().task_id == "a"
    assert harness.status("b") is Status.SCHEDULED
    assert harness.claim("worker-2") is None


def test_a_clock_step_of_a_day_neither_frees_nor_delays_a_scheduled_task(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path, budgets=Budgets(max_retries=2, retry_delay_s=60))
    harness.add("a")
    harness.run(failed(FailureClass.QUALITY))
    harness.clock.wall += 86_400_000
    assert harness.claim() is None
    harness.clock.wall -= 2 * 86_400_000
    harness.clock.mono += 60_000
    assert harness.claim() is not None


def test_an_unreadable_answer_holds_the_task(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(failed(FailureClass.UNREADABLE))
    assert harness.task("a")["hold_reason"] == "unreadable_answer"


def test_a_killed_task_is_held_and_a_cancelled_one_is_not_run_again(harness: QueueHarness) -> None:
    harness.add("a", "b")
    harness.settle(harness.start(), AttemptResult(outcome=Outcome.KILLED, error="killed by me"))
    harness.settle(harness.start(), AttemptResult(outcome=Outcome.CANCELLED, error="cancelled by me"))
    assert (harness.status("a"), harness.status("b")) == (Status.HELD, Status.CANCELLED)


def test_a_users_note_is_kept_until_an_attempt_was_judged(harness: QueueHarness) -> None:
    harness.add(spec("a", max_retries=5))
    harness.run(failed(FailureClass.QUALITY))
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE tasks SET note = 'mind the gap'")
    harness.run(failed(FailureClass.INTERRUPTED))
    again = harness.start()
    assert again.note == "mind the gap"
    harness.settle(again, failed(FailureClass.QUALITY))
    assert harness.take().note is None


# ───── providers ─────


def throttled(wait_s: float | None = None, kind: TroubleKind = TroubleKind.THROTTLED) -> AttemptResult:
    return failed(FailureClass.PROVIDER, "429", trouble=Trouble(kind=kind, text="429 slow down", wait_s=wait_s))


def test_provider_trouble_holds_its_agent_cli_and_then_lets_one_attempt_probe(
    harness: QueueHarness,
) -> None:
    harness.add("a", "b")
    harness.run(throttled(wait_s=50))
    assert harness.claim("worker-2") is None
    harness.clock.pass_s(51)
    probe = harness.start("worker-1")
    assert harness.claim("worker-2") is None, "only one attempt may probe whether the provider is back"
    harness.settle(probe)
    assert harness.db.swarm.holds() == []
    assert harness.claim("worker-2") is not None


def test_the_wait_doubles_while_the_trouble_lasts(harness: QueueHarness) -> None:
    harness.add("a")
    waits = []
    for _ in range(3):
        harness.run(throttled())
        waits.append((harness.db.swarm.holds()[0].until_at or 0) - harness.clock.wall)
        harness.clock.pass_s(2000)
    assert 24_000 <= waits[0] <= 36_000
    assert waits[1] > 1.3 * waits[0]
    assert waits[2] > 1.3 * waits[1]


def test_several_sessions_that_hit_one_limit_cause_one_hold(harness: QueueHarness) -> None:
    harness.add("a", "b")
    first, second = harness.start("worker-1"), harness.start("worker-2")
    harness.clock.pass_s(1)
    harness.settle(first, throttled())
    harness.settle(second, throttled())
    assert harness.db.swarm.holds()[0].step == 1


def test_an_exhausted_quota_holds_until_a_user_resumes(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(throttled(kind=TroubleKind.QUOTA))
    harness.clock.pass_s(10_000_000)
    assert harness.claim() is None
    harness.db.swarm.resume(actor="test")
    assert harness.claim() is not None


def test_other_agent_clis_continue_while_one_is_on_hold(harness: QueueHarness) -> None:
    harness.add("a", spec("b", agent_cli="codex"))
    harness.run(throttled(wait_s=50))
    claim = harness.claim()
    assert claim is not None
    assert (claim.task_id, claim.agent_cli) == ("b", "codex")


def test_a_cli_that_cannot_start_is_tried_once_more_alone_and_then_held(harness: QueueHarness) -> None:
    harness.add("a", "b")
    setup = failed(
        FailureClass.SETUP, "no such program", trouble=Trouble(kind=TroubleKind.STARTUP, text="no such program")
    )
    harness.run(setup)
    probe = harness.start("worker-1")
    assert harness.claim("worker-2") is None
    harness.settle(probe, setup)
    harness.clock.pass_s(10_000_000)
    assert harness.claim() is None
    hold = harness.db.swarm.holds()[0]
    assert (hold.kind, hold.until_at) == ("startup", None)
    assert harness.status("a") is Status.NOT_STARTED


# ───── the database engine ─────


@pytest.mark.parametrize("version", ["3.40.1", "3.51.2", "3.50.6", "3.44.5", "3.52.0", "3.45.0"])
def test_an_engine_that_can_lose_commits_is_refused(version: str) -> None:
    with pytest.raises(DatabaseError, match="lose"):
        check_engine(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.50.7", "3.44.6", "3.53.4", "3.54.1"])
def test_a_fixed_engine_is_accepted(version: str) -> None:
    check_engine(version)


def test_a_worker_name_cannot_be_taken_while_its_process_lives(harness: QueueHarness) -> None:
    harness.claimant("worker-1")
    from swarm_shared.domain.errors import ConfigError
    from swarm_shared.processes.identity import ProcessId

    with pytest.raises(ConfigError, match="already runs"):
        harness.db.workers.register("worker-1", ProcessId.mine(), ProcessId.mine(), lease_s=10)


def test_counters_agree_with_the_rows_after_many_changes(harness: QueueHarness) -> None:
    harness.add(*[spec(f"t{n}", phase=f"p{n % 3}", estimated_hours=0.5) for n in range(30)])
    for n in range(20):
        harness.run(PASSED if n % 2 else failed(FailureClass.QUALITY))
    counted = harness.db.connection.rows(
        "SELECT phase, status, count(*), sum(estimated_hours) FROM tasks GROUP BY 1, 2 ORDER BY 1, 2"
    )
    kept = [
        tuple(row)
        for row in harness.db.connection.rows(
            "SELECT phase, status, tasks, hours FROM counters WHERE tasks > 0 ORDER BY 1, 2"
        )
    ]
    assert kept == [tuple(row) for row in counted]
