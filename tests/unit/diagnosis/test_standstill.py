"""When a reaper counts as silent, and when its supervisord kills it for that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from queue_harness import QueueHarness

from swarm_shared.diagnosis.standstill import Standstills
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.swarm.swarm import SEEN_MONO
from swarm_shared.supervisor.plugin.heartbeat import SILENT_AFTER_S, Heartbeat

TICK_S = 5.0


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    harness = QueueHarness(tmp_path)
    harness.clock.boot = ProcessId.mine().boot_id
    harness.db.swarm.register_service("reaper", ProcessId.mine(), {SEEN_MONO: harness.clock.mono_ms()})
    yield harness
    harness.db.close()


def found(harness: QueueHarness) -> list[str]:
    return [each.text for each in Standstills(harness.db.connection, harness.clock).found()]


def test_a_reaper_without_a_sign_of_life_is_named_with_the_time(harness: QueueHarness) -> None:
    harness.clock.pass_s(19)
    assert found(harness) == []
    harness.clock.pass_s(6)
    [text] = found(harness)
    assert "has been silent for 25 s" in text


@pytest.mark.parametrize("step_s", [86_400, -86_400])
def test_steps_of_the_wall_clock_make_nothing_silent(harness: QueueHarness, step_s: int) -> None:
    harness.clock.wall += step_s * 1000
    assert found(harness) == []


def test_a_reaper_that_has_signed_off_is_not_silent(harness: QueueHarness) -> None:
    harness.db.swarm.end_service("reaper", ProcessId.mine())
    harness.clock.pass_s(60)
    assert found(harness) == []


# ───── inside supervisord ─────


def ticks(heartbeat: Heartbeat, *, start: float, until: float, step: float = TICK_S) -> float | None:
    """Check every few seconds; returns the first silence that is too long."""
    now = start
    while now <= until:
        silent = heartbeat.silent_s(7, now)
        if silent is not None:
            return silent
        now += step
    return None


def test_silence_is_noticed_within_20_seconds() -> None:
    for first_tick in (100.0, 101.0, 104.9):
        heartbeat = Heartbeat()
        heartbeat.hear(7, 100.0)
        silent = ticks(heartbeat, start=first_tick, until=200.0)
        assert silent is not None
        assert SILENT_AFTER_S <= silent < 20.0


def test_a_reaper_that_sends_heartbeats_is_never_silent() -> None:
    heartbeat = Heartbeat()
    for now in range(100, 200, 5):
        heartbeat.hear(7, float(now))
        assert heartbeat.silent_s(7, now + 4.0) is None


def test_a_reaper_that_has_sent_no_heartbeat_yet_is_not_judged() -> None:
    heartbeat = Heartbeat()
    assert ticks(heartbeat, start=100.0, until=200.0) is None
    heartbeat.hear(6, 100.0)  # its predecessor
    assert ticks(heartbeat, start=100.0, until=200.0) is None


def test_after_a_standstill_of_everything_it_gets_its_time_again() -> None:
    heartbeat = Heartbeat()
    heartbeat.hear(7, 100.0)
    assert heartbeat.silent_s(7, 101.0) is None
    assert heartbeat.silent_s(7, 500.0) is None, "supervisord itself did not check for so long"
    assert heartbeat.silent_s(7, 505.0) is None
    assert ticks(heartbeat, start=510.0, until=600.0) is not None


def test_a_reaper_that_asked_for_time_gets_it() -> None:
    heartbeat = Heartbeat()
    heartbeat.hear(7, 100.0, grace_s=60.0)
    assert ticks(heartbeat, start=100.0, until=170.0) is None
    assert ticks(heartbeat, start=175.0, until=200.0) is not None
