"""Requests of users after an attempt has ended badly, and while others wait for the task."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness

from swarm_shared.domain.errors import StateError
from swarm_shared.domain.models import Outcome, Status, TaskSpec, Verb
from swarm_shared.store.queue.recovery import Ending

BUILT = replace(PASSED, base_sha="base", head_sha="head", validator_result={"verdict": "PASS"})
KILLED = Ending(outcome=Outcome.KILLED, failure_class=None, error="killed by anna")


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


def apply(harness: QueueHarness, verb: Verb, task_id: str, **argument: object) -> None:
    with harness.db.connection.transaction():
        harness.db.steering.apply(verb, task_id, argument, actor="anna")


def leave_unproven(harness: QueueHarness) -> None:
    """Reclaim the only open attempt, and hold its task because its processes are not proven gone."""
    [attempt] = harness.db.recovery.open_attempts()
    harness.db.recovery.fence(attempt, KILLED)
    harness.db.recovery.hold_unproven(attempt, "pid 7 is still there")


@pytest.mark.parametrize("first", [None, Verb.CANCEL])
def test_a_task_whose_processes_are_not_proven_gone_cannot_be_made_ready_even_after_a_cancel(
    harness: QueueHarness, first: Verb | None
) -> None:
    harness.add("a")
    harness.start()
    leave_unproven(harness)
    if first:
        apply(harness, first, "a")
    with pytest.raises(StateError, match="not proven gone"):
        apply(harness, Verb.RETRY, "a", note="again")
    [attempt] = harness.db.recovery.open_attempts()
    assert harness.db.recovery.close(attempt, KILLED, harness.budgets)
    apply(harness, Verb.RETRY, "a", note="again")
    assert (harness.status("a"), harness.task("a")["note"]) == (Status.NOT_STARTED, "again")


def test_a_landing_that_is_not_proven_gone_cannot_be_approved(harness: QueueHarness) -> None:
    harness.add("a")
    harness.run(BUILT)
    assert harness.db.landings.claim(harness.claimant()) is not None
    leave_unproven(harness)
    with pytest.raises(StateError, match="not proven gone"):
        apply(harness, Verb.APPROVE, "a")
    assert harness.status("a") is Status.HELD


def test_a_task_that_waits_for_files_is_ready_as_soon_as_the_other_task_is_cancelled(harness: QueueHarness) -> None:
    first, second = (TaskSpec(id=task_id, name=task_id, files=("x",)) for task_id in "ab")
    harness.add(first, second, "c")
    harness.run(BUILT)
    assert harness.take("worker-2").task_id == "c"
    assert harness.status("b") is Status.WAITING_FILES
    apply(harness, Verb.CANCEL, "a")
    assert harness.status("b") is Status.NOT_STARTED
