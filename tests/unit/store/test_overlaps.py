"""Tasks whose files overlap run one after the other, and a claim costs the same however many wait."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_desk import QueueDesk, failed

from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.store.queue import claiming
from swarm_shared.store.queue.claims import Claimant


@pytest.fixture
def desk(tmp_path: Path) -> QueueDesk:
    return QueueDesk(tmp_path)


def spec(task_id: str, *files: str, **more: object) -> TaskSpec:
    return TaskSpec(id=task_id, name=task_id, files=files, **more)  # type: ignore[arg-type]


def test_a_task_whose_files_overlap_a_running_ones_waits_and_the_next_is_claimed(desk: QueueDesk) -> None:
    desk.add(spec("a", "src/**"), spec("b", "src/door.py"), spec("c", "docs/door.md"))
    assert desk.take("worker-1").task_id == "a"
    assert desk.take("worker-2").task_id == "c"
    assert desk.claim("worker-3") is None
    assert desk.status("b") is Status.WAITING_FILES
    assert desk.task("b")["attempt_count"] == 0


def test_it_is_ready_in_the_transaction_that_ends_the_other(desk: QueueDesk) -> None:
    desk.add(spec("a", "x"), spec("b", "x"))
    first = desk.start("worker-1")
    assert desk.claim("worker-2") is None
    desk.settle(first)
    assert desk.status("b") is Status.NOT_STARTED
    assert desk.take("worker-1").task_id == "b"


@pytest.mark.parametrize("fault", [FailureClass.QUALITY, FailureClass.CRASH, FailureClass.UNREADABLE])
def test_any_end_of_the_other_lets_it_go(desk: QueueDesk, fault: FailureClass) -> None:
    desk.add(spec("a", "x", max_retries=0, priority=1), spec("b", "x"))
    first = desk.start("worker-1")
    assert desk.claim("worker-2") is None
    desk.settle(first, failed(fault))
    assert desk.status("b") is Status.NOT_STARTED


def test_tasks_without_files_never_wait(desk: QueueDesk) -> None:
    desk.add(spec("a"), spec("b"), spec("c", "x"))
    assert [desk.take(f"worker-{n}").task_id for n in (1, 2, 3)] == ["a", "b", "c"]


def test_whoever_ignores_overlaps_gets_them_at_once(desk: QueueDesk) -> None:
    desk.add(spec("a", "x"), spec("b", "x"))
    desk.take("worker-1")
    plain = desk.claimant("worker-2")
    careless = Claimant(run=plain.run, worker_id=plain.worker_id, agent_cli=plain.agent_cli, serialize=False)
    assert desk.db.queue.claim(careless) is not None


def test_many_that_clash_are_passed_over_and_run_one_after_the_other(
    desk: QueueDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claiming, "CLASHES_PER_CLAIM", 7)
    desk.add(*(spec(f"a{n}", "same.py") for n in range(150)), spec("other", "else.py", priority=4))
    assert desk.take("worker-1").task_id == "a0"
    assert desk.take("worker-2").task_id == "other"
    assert desk.db.tasks.counts()[Status.WAITING_FILES][0] == 149


def test_all_of_many_that_clash_are_completed_in_the_end(desk: QueueDesk) -> None:
    desk.add(*(spec(f"a{n}", "same.py") for n in range(100)))
    order = [desk.run() for _ in range(100)]
    assert order == [f"a{n}" for n in range(100)]
    claims = [desk.claim("worker-1"), desk.claim("worker-2")]
    assert claims == [None, None]


def test_why_names_the_task_that_it_clashes_with(desk: QueueDesk) -> None:
    desk.add(spec("a", "x"), spec("b", "x"))
    desk.start("worker-1")
    desk.claim("worker-2")
    told = Why(desk.db.connection, desk.clock).explain("b", default_cli="command")
    assert "overlap those of a" in told.reasons[0].text


@pytest.mark.parametrize(("verb", "status"), [(Verb.HOLD, Status.HELD), (Verb.CANCEL, Status.CANCELLED)])
def test_a_user_can_take_it_out_while_it_waits(desk: QueueDesk, verb: Verb, status: Status) -> None:
    desk.add(spec("a", "x"), spec("b", "x"))
    desk.start("worker-1")
    desk.claim("worker-2")
    with desk.db.connection.transaction():
        desk.db.steering.apply(verb, "b", {}, actor="test")
    assert desk.status("b") is status


def test_what_waits_for_a_task_that_was_cleared_away_is_let_go(desk: QueueDesk) -> None:
    desk.add(spec("a", "x"), spec("b", "x"))
    desk.start("worker-1")
    desk.claim("worker-2")
    with desk.db.connection.transaction():
        desk.db.connection.change("DELETE FROM tasks WHERE id = 'a'")
    assert desk.take("worker-2").task_id == "b"
