"""The remaining time: running tasks count with their remaining time, and waiting ones go to the first free worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_harness import QueueHarness

from swarm_shared.store.views.estimates.forecast import foresee

TENS = [10.0] * 8


@pytest.mark.parametrize(
    ("passes_s", "ages_s", "waiting", "workers", "eta_s"),
    [
        pytest.param(TENS, [], 8, 4, 20, id="waiting tasks are spread over the workers"),
        pytest.param(TENS, [9, 9, 9, 9], 0, 4, 1, id="a task that is nearly done takes a moment"),
        pytest.param(TENS, [0, 9], 0, 2, 10, id="the last task to start determines the end"),
        pytest.param(TENS, [], 1, 4, 10, id="four workers do not speed up a single task"),
        pytest.param(TENS, [5, 5], 1, 2, 15, id="an unassigned task starts when a worker is free"),
        pytest.param(TENS, [0, 0, 0, 0], 1, 4, 20, id="one task too many takes another round"),
        pytest.param(TENS, [8], 1, 2, 10, id="idle workers take waiting tasks"),
        pytest.param(TENS, [5, 5], 9, 2, 55, id="half-done tasks and many waiting ones"),
        pytest.param(TENS, [5, 5, 5], 0, 1, 5, id="retiring workers finish their tasks"),
        pytest.param(TENS, [50], 0, 1, 10, id="a task that exceeds all others may take as long again"),
        pytest.param([10, 10, 40], [15], 0, 1, 25, id="a task that exceeds the short ones is one of the long ones"),
    ],
)
def test_the_remaining_time_is_what_a_user_would_calculate(
    passes_s: list[float], ages_s: list[float], waiting: int, workers: int, eta_s: float
) -> None:
    assert foresee(passes_s, ages_s=ages_s, waiting=waiting, workers=workers).eta_s == eta_s


def test_the_uncertainty_is_the_spread_of_past_durations() -> None:
    same = foresee(TENS, ages_s=[], waiting=20, workers=2)
    assert same.low_s == same.eta_s == same.high_s
    few = foresee([5.0, 15.0, 10.0], ages_s=[], waiting=20, workers=2)
    many = foresee([5.0, 15.0, 10.0] * 20, ages_s=[], waiting=20, workers=2)
    assert few.low_s < many.low_s < many.eta_s < many.high_s < few.high_s
    assert foresee([10.0], ages_s=[], waiting=1, workers=1).low_s == 0


def test_the_remaining_time_shrinks_while_a_task_runs(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path)
    harness.add("a", "b")
    claim = harness.start()
    assert harness.db.prospects.now().eta_s is None
    harness.clock.pass_s(100)
    harness.settle(claim)
    assert harness.db.prospects.now().eta_s == 100
    harness.start()
    harness.clock.pass_s(70)
    assert harness.db.prospects.now().eta_s == 30
    harness.clock.wall -= 1000_000
    assert harness.db.prospects.now().eta_s == 100
