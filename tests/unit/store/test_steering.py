"""A user's verbs where an attempt has ended badly, and where others wait for the task."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_desk import PASSED, QueueDesk

from swarm_shared.domain.errors import StateError
from swarm_shared.domain.models import Outcome, Status, TaskSpec, Verb
from swarm_shared.store.queue.recovery import Ending

BUILT = replace(PASSED, base_sha="base", head_sha="head", validator_result={"verdict": "PASS"})
KILLED = Ending(outcome=Outcome.KILLED, failure_class=None, error="killed by anna")


@pytest.fixture
def desk(tmp_path: Path) -> QueueDesk:
    return QueueDesk(tmp_path)


def apply(desk: QueueDesk, verb: Verb, task_id: str, **argument: object) -> None:
    with desk.db.connection.transaction():
        desk.db.steering.apply(verb, task_id, argument, actor="anna")


def leave_unproven(desk: QueueDesk) -> None:
    """Take the one open attempt away, and hold its task because its processes cannot be proven gone."""
    [attempt] = desk.db.recovery.open_attempts()
    desk.db.recovery.fence(attempt, KILLED)
    desk.db.recovery.hold_unproven(attempt, "pid 7 is still there")


@pytest.mark.parametrize("first", [None, Verb.CANCEL])
def test_what_is_not_proven_gone_cannot_be_made_ready_even_when_it_was_cancelled(
    desk: QueueDesk, first: Verb | None
) -> None:
    desk.add("a")
    desk.start()
    leave_unproven(desk)
    if first:
        apply(desk, first, "a")
    with pytest.raises(StateError, match="not proven gone"):
        apply(desk, Verb.RETRY, "a", note="again")
    [attempt] = desk.db.recovery.open_attempts()
    assert desk.db.recovery.close(attempt, KILLED, desk.budgets)
    apply(desk, Verb.RETRY, "a", note="again")
    assert (desk.status("a"), desk.task("a")["note"]) == (Status.NOT_STARTED, "again")


def test_a_landing_that_is_not_proven_gone_is_not_approved_beside_it(desk: QueueDesk) -> None:
    desk.add("a")
    desk.run(BUILT)
    assert desk.db.landings.claim(desk.claimant()) is not None
    leave_unproven(desk)
    with pytest.raises(StateError, match="not proven gone"):
        apply(desk, Verb.APPROVE, "a")
    assert desk.status("a") is Status.HELD


def test_who_waits_for_the_files_of_a_task_is_ready_as_soon_as_that_is_cancelled(desk: QueueDesk) -> None:
    first, second = (TaskSpec(id=task_id, name=task_id, files=("x",)) for task_id in "ab")
    desk.add(first, second, "c")
    desk.run(BUILT)
    assert desk.take("worker-2").task_id == "c"
    assert desk.status("b") is Status.WAITING_FILES
    apply(desk, Verb.CANCEL, "a")
    assert desk.status("b") is Status.NOT_STARTED
