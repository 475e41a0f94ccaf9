"""Reaping attempts with containers: their engine must prove them gone, whatever the process tree shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from reaping_harness import ReapingHarness
from scripted_engine import IDENTITY, ScriptedEngine
from trees import wait_until

from swarm_shared.carry_out import Carried, carry_out, carry_out_now
from swarm_shared.domain.models import HoldReason, Role, Stage, Status, Verb
from swarm_shared.domain.runners import Run
from swarm_shared.reaping import UNPROVEN_AFTER_MS
from swarm_shared.runners.containers import follower as container_follower
from swarm_shared.store.queue.claims import Claim, ClosedSession
from swarm_shared.store.requests.bulk import Bulk

RUN = Run(runner="docker", name="swarm-1", engine=IDENTITY)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    engine = ScriptedEngine("docker", tmp_path, monkeypatch)
    engine.has(RUN.name)
    return engine


@pytest.fixture
def harness(tmp_path: Path, engine: ScriptedEngine) -> Iterator[ReapingHarness]:
    harness = ReapingHarness(tmp_path)
    yield harness
    for process in harness.started:
        process.kill()
        process.wait()
    harness.db.close()


def run_and_die(harness: ReapingHarness) -> tuple[Claim, int]:
    """A worker that dies while its runner has something running outside; returns the claim and the session."""
    worker = harness.spawn()
    claim = harness.run_task(worker=worker)
    session = harness.db.queue.open_session(
        claim, role=Role.BUILDER, name="b", stage=Stage.BUILDING, prompt="p", run=RUN
    )
    harness.end(worker)
    return claim, session


def watch_until_held(harness: ReapingHarness, engine: ScriptedEngine) -> None:
    def asked_in_vain() -> bool:
        harness.clock.pass_s(0.05)
        harness.reaping.run_once()
        return engine.calls.count("rm") > 1

    wait_until(asked_in_vain, "the engine has given no proof")
    harness.clock.pass_s(UNPROVEN_AFTER_MS / 1000)
    harness.reaping.run_once()
    assert harness.status("t") is Status.HELD


def test_a_container_of_a_dead_worker_is_removed_before_the_task_is_requeued(
    harness: ReapingHarness, engine: ScriptedEngine
) -> None:
    run_and_die(harness)
    harness.reap()
    assert harness.status("t") is Status.NOT_STARTED
    assert engine.calls[0] == "rm"
    assert not (engine.state / "containers" / RUN.name).exists()


def test_an_engine_that_does_not_answer_holds_the_task_with_the_reason(
    harness: ReapingHarness, engine: ScriptedEngine
) -> None:
    engine.does("silent")
    run_and_die(harness)
    watch_until_held(harness, engine)
    task = harness.task("t")
    assert task["hold_reason"] == HoldReason.NOT_PROVEN_DEAD
    assert "Cannot connect to the engine" in task["last_error"]
    assert len(harness.db.recovery.open_attempts()) == 1
    engine.stops("silent")
    harness.reap()
    assert harness.status("t") is Status.NOT_STARTED
    assert not (engine.state / "containers" / RUN.name).exists()


def test_a_different_engine_proves_nothing(harness: ReapingHarness, engine: ScriptedEngine) -> None:
    (engine.state / "containers" / RUN.name).unlink()
    (engine.state / "identity").write_text("elsewhere")
    run_and_die(harness)
    watch_until_held(harness, engine)
    assert "another engine" in harness.task("t")["last_error"]


def test_a_reaper_that_takes_over_asks_again(harness: ReapingHarness, engine: ScriptedEngine) -> None:
    engine.does("hangs")
    run_and_die(harness)
    for _ in range(5):
        harness.clock.pass_s(0.5)
        assert harness.reaping.run_once() == 0
    engine.stops("hangs")
    harness.reap(harness.another())
    assert harness.status("t") is Status.NOT_STARTED


def test_a_run_whose_end_its_worker_saw_is_not_asked_about(harness: ReapingHarness, engine: ScriptedEngine) -> None:
    _, session = run_and_die(harness)
    closed = ClosedSession(pid=None, pid_start=None, exit_code=0, signal=None, output_bytes=0, ended_at=1)
    harness.db.queue.close_session(session, closed)
    harness.reap()
    assert engine.calls == []


def test_a_confirmation_does_not_override_a_container_that_its_engine_sees_running(
    harness: ReapingHarness, engine: ScriptedEngine
) -> None:
    engine.does("rm-fails")
    run_and_die(harness)
    watch_until_held(harness, engine)
    for verb in (Verb.RELEASE, Verb.RETRY):
        refused = carry_out_now(harness.db, verb, "t", {"gone": True}, actor="ann")
        assert refused.status == "refused"
        assert "docker rm --force --volumes swarm-1" in str(refused.result)
    row = harness.db.control.request(Verb.RELEASE, "t", {"gone": True}, actor="ann")
    assert carry_out(harness.db, harness.db.control.get(row), by="reaper") is Carried.ANSWERED
    assert harness.db.control.get(row).status == "refused"
    assert len(harness.db.recovery.open_attempts()) == 1
    assert harness.status("t") is Status.HELD


def test_a_bulk_action_leaves_the_confirmation_to_a_request_for_each_task(
    harness: ReapingHarness, engine: ScriptedEngine
) -> None:
    engine.does("rm-fails")
    run_and_die(harness)
    watch_until_held(harness, engine)
    bulk = Bulk(harness.db.connection, harness.db.clock)
    row = harness.db.control.get(bulk.request_ids(Verb.RELEASE, ["t"], {"gone": True}, actor="ann", key=None))
    assert bulk.step(row)
    assert harness.status("t") is Status.HELD
    [request] = [each for each in harness.db.control.pending() if each.verb is Verb.RELEASE]
    carry_out(harness.db, request, by="reaper")
    assert harness.db.control.get(request.id).status == "refused"


@pytest.mark.parametrize("fault", ["silent", "hangs", "exited"])
def test_a_confirmation_counts_if_the_engine_does_not_see_it_running(
    harness: ReapingHarness, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    engine.does("rm-fails")
    run_and_die(harness)
    watch_until_held(harness, engine)
    if fault == "exited":
        engine.has(RUN.name, "exited 137")
    else:
        engine.does(fault)
    monkeypatch.setattr(container_follower, "LOOK_TIMEOUT_S", 0.2)
    assert carry_out_now(harness.db, Verb.RELEASE, "t", {"gone": True}, actor="ann").status == "done"
    assert harness.db.recovery.open_attempts() == []
    assert harness.status("t") is Status.NOT_STARTED


def test_a_confirmation_frees_a_task_whose_engine_never_answers(
    harness: ReapingHarness, engine: ScriptedEngine
) -> None:
    engine.does("silent")
    claim, _ = run_and_die(harness)
    watch_until_held(harness, engine)
    with harness.db.connection.transaction():
        harness.db.recovery.take_word(claim.attempt)
    assert harness.db.recovery.open_attempts() == []
