"""`why` names what a task waits for."""

from __future__ import annotations

import pytest
from cli_harness import CliHarness, ended_process

from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Status, TaskSpec
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.sql import SQL
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP

FAILED = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error="tests fail")


def reasons(harness: CliHarness, task_id: str) -> dict[str, str]:
    shown = harness.run("why", task_id, "--json").json
    assert set(shown) == {"id", "status", "reasons", "same_problem"}
    return {reason["kind"]: reason["text"] for reason in shown["reasons"]}


def test_why_shows_the_position_in_the_queue(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B"), TaskSpec(id="c", name="C", priority=1))
    assert "next in the queue" in reasons(harness, "c")["queue"]
    assert "2 ready tasks come before it" in reasons(harness, "b")["queue"]
    assert "no_workers" in reasons(harness, "b")


def test_why_shows_which_dependencies_are_missing_and_which_ended(harness: CliHarness) -> None:
    harness.queue(
        TaskSpec(id="done", name="D", status=Status.COMPLETED),
        TaskSpec(id="bad", name="B", status=Status.FAILED),
        TaskSpec(id="open", name="O"),
        TaskSpec(id="c", name="C", dependencies=("done", "bad", "open")),
    )
    found = reasons(harness, "c")
    assert "bad (failed)" in found["dependency_ended"]
    assert "open (not_started)" in found["dependency"]
    assert "done" not in " ".join(found.values())


@pytest.mark.parametrize("flag", ["paused", DRAINED, EMERGENCY_STOP, DISK_LOW])
def test_why_shows_what_stops_the_whole_queue(harness: CliHarness, flag: str) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    with harness.open() as database:
        database.swarm.set_flag(flag, actor="anna", reason="because")
    found = reasons(harness, "a")[flag]
    assert "anna" in found
    assert "because" in found


def test_why_shows_a_providers_hold_and_its_end(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B", agent_cli="other"))
    with harness.open() as database:
        names = {"route": "amplifier", "agent_cli": "amplifier"}
        values = {**names, "kind": "throttled", "reason": "429", "wall": database.clock.wall_ms()}
        times = {"until_at": values["wall"] + 60_000, "until_mono": database.clock.mono_ms() + 60_000, "step": 1}
        with database.connection.transaction():
            database.connection.change(SQL["put_hold"], values | times)
    assert "429" in reasons(harness, "a")["provider_hold"]
    found = reasons(harness, "b")
    assert "provider_hold" not in found
    assert "next in the queue" in found["queue"]  # tasks on hold are skipped


def test_why_shows_a_running_attempt_and_its_last_sign_of_progress(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    found = reasons(harness, "a")["running"]
    assert "building by worker-1, attempt 1" in found
    assert "progress" in found


def test_why_shows_that_the_worker_of_a_task_is_gone(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim(worker=ended_process())
    assert "worker-1 is gone" in reasons(harness, "a")["orphaned"]


@pytest.mark.parametrize("status", list(Status))
def test_why_has_an_answer_for_every_status(harness: CliHarness, status: Status) -> None:
    harness.queue(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B", dependencies=("a",)))
    if status in (Status.CLAIMED, Status.IN_PROGRESS):
        harness.claim(stage=None)
    with harness.open() as database, database.connection.transaction():
        database.connection.change(
            "UPDATE tasks SET status = :s, due_at = :due, due_mono = :due, hold_reason = :hold WHERE id = 'a'",
            {
                "s": status,
                "due": 1_900_000_000_000 if status is Status.SCHEDULED else None,
                "hold": HoldReason.CRASHED if status is Status.HELD else None,
            },
        )
    ran = harness.run("why", "b" if status is Status.BLOCKED else "a")
    assert ran.code == 0
    assert len(ran.out.splitlines()) > 1
