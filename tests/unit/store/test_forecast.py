"""The time left: running tasks count by their remaining time, and waiting ones go to the first free worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_harness import QueueHarness

from swarm_shared.store.views.estimates.forecast import foresee

TENS = [10.0] * 8


@pytest.mark.parametrize(
    ("passes_s", "ages_s", "waiting", "workers", "eta_s"),
    [
        pytest.param(TENS, [], 8, 4, 20, id="what waits is shared out"),
        pytest.param(TENS, [9, 9, 9, 9], 0, 4, 1, id="what is nearly done takes a moment"),
        pytest.param(TENS, [0, 9], 0, 2, 10, id="the last one to begin decides the end"),
        pytest.param(TENS, [], 1, 4, 10, id="four workers do one task no faster"),
        pytest.param(TENS, [5, 5], 1, 2, 15, id="what no worker has yet begins when one is free"),
        pytest.param(TENS, [0, 0, 0, 0], 1, 4, 20, id="one too many takes another round"),
        pytest.param(TENS, [8], 1, 2, 10, id="who is idle takes what waits"),
        pytest.param(TENS, [5, 5], 9, 2, 55, id="halves at work and many that wait"),
        pytest.param(TENS, [5, 5, 5], 0, 1, 5, id="workers that shall leave go on with what they have"),
        pytest.param(TENS, [50], 0, 1, 10, id="past all others it may take as long again"),
        pytest.param([10, 10, 40], [15], 0, 1, 25, id="past the short ones it is one of the long ones"),
    ],
)
def test_the_time_left_is_what_a_user_would_reckon(
    passes_s: list[float], ages_s: list[float], waiting: int, workers: int, eta_s: float
) -> None:
    assert foresee(passes_s, ages_s=ages_s, waiting=waiting, workers=workers).eta_s == eta_s


def test_it_is_unsure_by_how_much_the_passes_differ() -> None:
    same = foresee(TENS, ages_s=[], waiting=20, workers=2)
    assert same.low_s == same.eta_s == same.high_s
    few = foresee([5.0, 15.0, 10.0], ages_s=[], waiting=20, workers=2)
    many = foresee([5.0, 15.0, 10.0] * 20, ages_s=[], waiting=20, workers=2)
    assert few.low_s < many.low_s < many.eta_s < many.high_s < few.high_s
    assert foresee([10.0], ages_s=[], waiting=1, workers=1).low_s == 0


def test_the_time_left_shrinks_while_a_task_runs(tmp_path: Path) -> None:
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
