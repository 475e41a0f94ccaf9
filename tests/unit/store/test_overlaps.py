"""Tasks whose files overlap run one after the other, and a claim costs the same however many are waiting."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_harness import QueueHarness, failed

from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.store.queue import claiming
from swarm_shared.store.queue.claims import Claimant


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


def spec(task_id: str, *files: str, **more: object) -> TaskSpec:
    return TaskSpec(id=task_id, name=task_id, files=files, **more)  # type: ignore[arg-type]


def test_a_task_whose_files_overlap_a_running_task_waits_and_the_next_is_claimed(harness: QueueHarness) -> None:
    harness.add(spec("a", "src/**"), spec("b", "src/door.py"), spec("c", "docs/door.md"))
    assert harness.take("worker-1").task_id == "a"
    assert harness.take("worker-2").task_id == "c"
    assert harness.claim("worker-3") is None
    assert harness.status("b") is Status.WAITING_FILES
    assert harness.task("b")["attempt_count"] == 0


def test_it_becomes_ready_in_the_transaction_that_ends_the_other_task(harness: QueueHarness) -> None:
    harness.add(spec("a", "x"), spec("b", "x"))
    first = harness.start("worker-1")
    assert harness.claim("worker-2") is None
    harness.settle(first)
    assert harness.status("b") is Status.NOT_STARTED
    assert harness.take("worker-1").task_id == "b"


@pytest.mark.parametrize("fault", [FailureClass.QUALITY, FailureClass.CRASH, FailureClass.UNREADABLE])
def test_any_end_of_the_other_task_frees_it(harness: QueueHarness, fault: FailureClass) -> None:
    harness.add(spec("a", "x", max_retries=0, priority=1), spec("b", "x"))
    first = harness.start("worker-1")
    assert harness.claim("worker-2") is None
    harness.settle(first, failed(fault))
    assert harness.status("b") is Status.NOT_STARTED


def test_tasks_without_files_never_wait(harness: QueueHarness) -> None:
    harness.add(spec("a"), spec("b"), spec("c", "x"))
    assert [harness.take(f"worker-{n}").task_id for n in (1, 2, 3)] == ["a", "b", "c"]


def test_a_worker_that_ignores_overlaps_gets_such_tasks_immediately(harness: QueueHarness) -> None:
    harness.add(spec("a", "x"), spec("b", "x"))
    harness.take("worker-1")
    plain = harness.claimant("worker-2")
    careless = Claimant(run=plain.run, worker_id=plain.worker_id, agent_cli=plain.agent_cli, serialize=False)
    assert harness.db.queue.claim(careless) is not None


def test_many_overlapping_tasks_are_skipped_and_run_one_after_the_other(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "CLASHES_PER_CLAIM", 7)
    harness.add(*(spec(f"a{n}", "same.py") for n in range(150)), spec("other", "else.py", priority=4))
    assert harness.take("worker-1").task_id == "a0"
    assert harness.take("worker-2").task_id == "other"
    assert harness.db.tasks.counts()[Status.WAITING_FILES][0] == 149


def test_many_overlapping_tasks_are_all_completed_in_the_end(harness: QueueHarness) -> None:
    harness.add(*(spec(f"a{n}", "same.py") for n in range(100)))
    order = [harness.run() for _ in range(100)]
    assert order == [f"a{n}" for n in range(100)]
    claims = [harness.claim("worker-1"), harness.claim("worker-2")]
    assert claims == [None, None]


def test_why_names_the_task_that_it_overlaps_with(harness: QueueHarness) -> None:
    harness.add(spec("a", "x"), spec("b", "x"))
    harness.start("worker-1")
    harness.claim("worker-2")
    shown = Why(harness.db.connection, harness.clock).explain("b", default_cli="command")
    assert "overlap those of a" in shown.reasons[0].text


@pytest.mark.parametrize(("verb", "status"), [(Verb.HOLD, Status.HELD), (Verb.CANCEL, Status.CANCELLED)])
def test_a_user_can_cancel_a_task_that_waits_for_files(harness: QueueHarness, verb: Verb, status: Status) -> None:
    harness.add(spec("a", "x"), spec("b", "x"))
    harness.start("worker-1")
    harness.claim("worker-2")
    with harness.db.connection.transaction():
        harness.db.steering.apply(verb, "b", {}, actor="test")
    assert harness.status("b") is status


def test_a_task_that_waits_for_a_cleared_task_is_freed(harness: QueueHarness) -> None:
    harness.add(spec("a", "x"), spec("b", "x"))
    harness.start("worker-1")
    harness.claim("worker-2")
    with harness.db.connection.transaction():
        harness.db.connection.change("DELETE FROM tasks WHERE id = 'a'")
    assert harness.take("worker-2").task_id == "b"
