"""When the open tasks may be done agrees with the critical path, and where nothing continues it says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_desk import QueueDesk, failed

from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import FailureClass, Status, TaskSpec
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.queue.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED
from swarm_shared.store.views import prospect

HOUR_S = 3600.0


@pytest.fixture
def desk(tmp_path: Path) -> QueueDesk:
    made = QueueDesk(tmp_path, budgets=Budgets(max_retries=0))
    made.add("short")
    claim = made.start()
    made.clock.pass_s(6)
    made.settle(claim)
    return made


def task(name: str, *needs: str, hours: float | None = None, status: Status = Status.NOT_STARTED) -> TaskSpec:
    return TaskSpec(id=name, name=name, dependencies=needs, estimated_hours=hours, status=status)


def test_it_is_never_below_what_is_left_of_a_running_task_by_its_estimate(desk: QueueDesk) -> None:
    desk.add(task("long", hours=8))
    desk.start()
    desk.clock.pass_s(HOUR_S)
    found = desk.db.prospects.now()
    assert found.eta_s == found.chain_s == pytest.approx(7 * HOUR_S)
    assert found.forecast is not None
    assert found.forecast.low_s <= found.forecast.eta_s <= found.forecast.high_s


def test_it_is_never_below_the_longest_remaining_chain(desk: QueueDesk) -> None:
    desk.add(task("a", hours=2), task("b", "a", hours=1), task("c", "b"), task("x"))
    assert desk.db.prospects.now().eta_s == pytest.approx(3 * HOUR_S + 6)


def test_where_there_are_too_many_tasks_for_their_links_running_ones_still_count(
    desk: QueueDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prospect, "LOOKED_THROUGH", 1)
    desk.add(task("gone", status=Status.FAILED), task("stuck", "gone"), task("long", hours=8), task("next"))
    desk.start()
    found = desk.db.prospects.now()
    assert (found.stuck, found.eta_s) == (1, pytest.approx(8 * HOUR_S))


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        (PAUSED, "paused"),
        (DRAINED, "shut down gracefully"),
        (EMERGENCY_STOP, "stopped by an emergency stop"),
        (DISK_LOW, "the disk is nearly full"),
    ],
)
def test_while_no_task_may_start_it_is_stalled_also_beside_a_running_one(
    desk: QueueDesk, flag: str, words: str
) -> None:
    desk.add("a", "b")
    desk.start()
    desk.db.swarm.set_flag(flag, actor="ann")
    found = desk.db.prospects.now()
    assert (found.stalled, found.eta_s) == (words, None)
    desk.db.swarm.clear_flag(flag)
    assert desk.db.prospects.now().stalled is None


def test_a_pause_does_not_stall_what_runs_as_the_last(desk: QueueDesk) -> None:
    desk.add("a")
    desk.start()
    desk.db.swarm.set_flag(PAUSED, actor="ann")
    found = desk.db.prospects.now()
    assert (found.stalled, found.eta_s) == (None, 6)


def test_tasks_behind_failures_are_stuck_and_alone_they_stall(desk: QueueDesk) -> None:
    desk.add("bad", task("behind", "bad"), task("further", "behind"), "good")
    desk.run(failed(FailureClass.QUALITY))
    found = desk.db.prospects.now()
    assert (found.stuck, found.stalled, found.eta_s) == (2, None, 6)
    desk.run()
    found = desk.db.prospects.now()
    assert (found.stalled, found.eta_s) == ("2 tasks wait for failed, held or cancelled ones", None)


@pytest.mark.parametrize(
    ("wanted", "words", "advice"),
    [
        ("drain", "no worker takes tasks: worker-1 is draining", "resume to undo the drain: amplifier-swarm resume"),
        ("retire", "no worker takes tasks: worker-1 is leaving", "amplifier-swarm start"),
    ],
)
def test_workers_that_only_leave_take_no_tasks(desk: QueueDesk, wanted: str, words: str, advice: str) -> None:
    desk.add("a")
    desk.db.workers.want("worker-1", wanted)
    assert desk.db.prospects.now().stalled == words
    first = Why(desk.db.connection, desk.clock).explain("a", default_cli="command").reasons[0]
    assert (first.kind, first.text, first.advice) == ("no_workers", words, advice)


def test_without_workers_it_is_stalled(desk: QueueDesk) -> None:
    desk.add("a")
    run = desk.db.workers.alive()[0].run
    assert desk.db.prospects.now(dead={run}).stalled == "no worker is running"
    desk.db.workers.end(run, crashed=False, remark="stopped")
    assert desk.db.prospects.now().stalled == "no worker is running"


def test_with_nothing_open_nothing_is_stalled(desk: QueueDesk) -> None:
    desk.add(task("f", status=Status.FAILED))
    desk.db.swarm.set_flag(PAUSED, actor="ann")
    found = desk.db.prospects.now()
    assert (found.stalled, found.eta_s, found.open_tasks) == (None, 0.0, 0)
