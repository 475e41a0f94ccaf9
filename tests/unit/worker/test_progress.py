"""Which signs of an agent are measured, and when."""

from __future__ import annotations

import pytest

from swarm_worker import lease
from swarm_worker.lease import ProgressMeter

PATIENCE_S = 1800.0
POLL_S = lease.PROGRESS_POLL_S


class Bench:
    """A meter with two signs that the test changes, in a time that the test moves."""

    def __init__(self, patience_s: float | None = PATIENCE_S, **more: float) -> None:
        self.now, self.output, self.cpu, self.cpu_polls, self.notes = 0.0, 0.0, 0.0, 0, 0
        self.meter = ProgressMeter(
            [lambda: self.output],
            cpu_s=self._look_at_cpu,
            patience_s=patience_s,
            note=self._note,
            now=lambda: self.now,
            **more,
        )

    def pass_s(self, seconds: float, *, output: float = 0.0, cpu: float = 0.0) -> None:
        """Let time pass, with so much output and CPU time each second."""
        end = self.now + seconds
        while self.now < end and not self.meter.is_stuck():
            self.now += POLL_S
            self.output += output * POLL_S
            self.cpu += cpu * POLL_S
            self.meter.check_if_due()

    def _look_at_cpu(self) -> float:
        self.cpu_polls += 1
        return self.cpu

    def _note(self) -> None:
        self.notes += 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_cpu_time_is_not_measured_while_a_cheaper_sign_changes(bench: Bench) -> None:
    bench.pass_s(3600, output=1.0, cpu=0.5)
    assert bench.cpu_polls == 0
    assert not bench.meter.is_stuck()


def test_an_agent_that_only_computes_is_not_stuck_and_is_measured_once_a_minute(bench: Bench) -> None:
    bench.pass_s(2 * PATIENCE_S, cpu=0.5)
    assert not bench.meter.is_stuck()
    assert bench.cpu_polls <= 2 * PATIENCE_S / lease.COSTLY_POLL_S
    assert bench.meter.silent_s() <= lease.COSTLY_POLL_S


def test_an_agent_that_does_nothing_at_all_is_stuck_after_the_timeout(bench: Bench) -> None:
    bench.pass_s(60, output=1.0, cpu=0.5)
    quiet_since = bench.now
    bench.pass_s(2 * PATIENCE_S)
    assert bench.meter.is_stuck()
    assert bench.now - quiet_since <= PATIENCE_S + 2 * POLL_S


@pytest.mark.parametrize("idle_s_a_minute", [0.02, 0.16, 0.4])
def test_an_idle_runtime_that_waits_for_its_provider_is_stuck(bench: Bench, idle_s_a_minute: float) -> None:
    bench.pass_s(60, output=1.0, cpu=0.5)
    bench.pass_s(2 * PATIENCE_S, cpu=idle_s_a_minute / 60)
    assert bench.meter.is_stuck()


def test_an_agent_that_works_two_seconds_of_each_minute_is_not_stuck(bench: Bench) -> None:
    bench.pass_s(2 * PATIENCE_S, cpu=2 / 60)
    assert not bench.meter.is_stuck()


def test_a_process_that_ends_unseen_is_a_sign(bench: Bench) -> None:
    bench.pass_s(300, cpu=0.5)
    noted = bench.notes
    bench.cpu -= 100
    bench.pass_s(lease.COSTLY_POLL_S)
    assert bench.notes == noted + 1


def test_work_before_the_silence_is_no_sign_of_life_during_it(bench: Bench) -> None:
    bench.pass_s(300, cpu=0.5)
    bench.pass_s(60, output=1.0, cpu=0.5)
    noted = bench.notes
    bench.pass_s(600)
    assert bench.notes == noted


def test_a_short_timeout_is_checked_often_enough() -> None:
    bench = Bench(patience_s=4 * POLL_S)
    bench.pass_s(600, cpu=0.5)
    assert not bench.meter.is_stuck()


def test_an_agent_without_signs_has_only_its_session_limit_and_nothing_costly_is_measured() -> None:
    bench = Bench(patience_s=None)
    bench.pass_s(7200)
    assert (bench.meter.is_stuck(), bench.cpu_polls) == (False, 0)


def test_cpu_time_of_an_idle_runtime_is_no_progress_however_much_it_is() -> None:
    hungry = Bench(idle_cpu_s=30)
    hungry.pass_s(2 * PATIENCE_S, cpu=16 / 60)
    assert hungry.meter.is_stuck()
    hungry = Bench(idle_cpu_s=30)
    hungry.pass_s(2 * PATIENCE_S, cpu=0.9)
    assert not hungry.meter.is_stuck()
