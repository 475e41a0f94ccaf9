"""The estimated completion agrees with the critical path, and when nothing continues, the reason is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_harness import QueueHarness, failed

from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.models import FailureClass, Status, TaskSpec
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED
from swarm_shared.store.views.estimates import prospect

HOUR_S = 3600.0


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    made = QueueHarness(tmp_path, budgets=Budgets(max_retries=0))
    made.add("short")
    claim = made.start()
    made.clock.pass_s(6)
    made.settle(claim)
    return made


def task(name: str, *needs: str, hours: float | None = None, status: Status = Status.NOT_STARTED) -> TaskSpec:
    return TaskSpec(id=name, name=name, dependencies=needs, estimated_hours=hours, status=status)


def test_it_is_never_less_than_the_estimated_remainder_of_a_running_task(harness: QueueHarness) -> None:
    harness.add(task("long", hours=8))
    harness.start()
    harness.clock.pass_s(HOUR_S)
    found = harness.db.prospects.now()
    assert found.eta_s == found.chain_s == pytest.approx(7 * HOUR_S)
    assert found.forecast is not None
    assert found.forecast.low_s <= found.forecast.eta_s <= found.forecast.high_s


def test_it_is_never_less_than_the_longest_remaining_chain(harness: QueueHarness) -> None:
    harness.add(task("a", hours=2), task("b", "a", hours=1), task("c", "b"), task("x"))
    assert harness.db.prospects.now().eta_s == pytest.approx(3 * HOUR_S + 6)


def test_running_tasks_still_count_if_there_are_too_many_tasks_for_their_links(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prospect, "LOOKED_THROUGH", 1)
    harness.add(task("gone", status=Status.FAILED), task("stuck", "gone"), task("long", hours=8), task("next"))
    harness.start()
    found = harness.db.prospects.now()
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
def test_the_queue_is_stalled_while_no_task_may_start_even_if_one_is_running(
    harness: QueueHarness, flag: str, words: str
) -> None:
    harness.add("a", "b")
    harness.start()
    harness.db.swarm.set_flag(flag, actor="ann")
    found = harness.db.prospects.now()
    assert (found.stalled, found.eta_s) == (words, None)
    harness.db.swarm.clear_flag(flag)
    assert harness.db.prospects.now().stalled is None


def test_a_pause_does_not_stall_the_last_running_task(harness: QueueHarness) -> None:
    harness.add("a")
    harness.start()
    harness.db.swarm.set_flag(PAUSED, actor="ann")
    found = harness.db.prospects.now()
    assert (found.stalled, found.eta_s) == (None, 6)


def test_tasks_behind_failures_are_stuck_and_stall_the_queue_if_there_are_no_others(harness: QueueHarness) -> None:
    harness.add("bad", task("behind", "bad"), task("further", "behind"), "good")
    harness.run(failed(FailureClass.QUALITY))
    found = harness.db.prospects.now()
    assert (found.stuck, found.stalled, found.eta_s) == (2, None, 6)
    harness.run()
    found = harness.db.prospects.now()
    assert (found.stalled, found.eta_s) == ("2 tasks wait for failed, held or cancelled ones", None)


@pytest.mark.parametrize(
    ("wanted", "words", "advice"),
    [
        ("drain", "no worker takes tasks: worker-1 is draining", "resume to undo the drain: amplifier-swarm resume"),
        ("retire", "no worker takes tasks: worker-1 is leaving", "start the swarm: amplifier-swarm start --db {db}"),
    ],
)
def test_retiring_workers_take_no_tasks(harness: QueueHarness, wanted: str, words: str, advice: str) -> None:
    harness.add("a")
    harness.db.workers.want("worker-1", wanted)
    assert harness.db.prospects.now().stalled == words
    first = Why(harness.db.connection, harness.clock).explain("a", default_cli="command").reasons[0]
    assert (first.kind, first.text) == ("no_workers", words)
    assert first.advice == advice.format(db=harness.db.path)


def test_without_workers_it_is_stalled(harness: QueueHarness) -> None:
    harness.add("a")
    run = harness.db.workers.alive()[0].run
    assert harness.db.prospects.now(dead={run}).stalled == "no worker is running"
    harness.db.workers.end(run, crashed=False, reason="stopped")
    assert harness.db.prospects.now().stalled == "no worker is running"


def test_with_no_open_task_nothing_is_stalled(harness: QueueHarness) -> None:
    harness.add(task("f", status=Status.FAILED))
    harness.db.swarm.set_flag(PAUSED, actor="ann")
    found = harness.db.prospects.now()
    assert (found.stalled, found.eta_s, found.open_tasks) == (None, 0.0, 0)
