"""Waiting: a death ends it at once, and is reported once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest

from swarm_reaper.deaths import Deaths, WakeReason
from swarm_shared.processes.identity import ProcessId

LONG_S = 20.0


@pytest.fixture
def deaths() -> Iterator[Deaths]:
    found = Deaths()
    yield found
    found.close()


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/sleep", "1000"])
    yield process
    process.kill()
    process.wait()


def identity(process: subprocess.Popen[bytes]) -> ProcessId:
    found = ProcessId.of(process.pid)
    assert found is not None
    return found


def test_a_death_ends_the_wait_and_is_reported_once(deaths: Deaths, sleeper: subprocess.Popen[bytes]) -> None:
    process = identity(sleeper)
    assert not deaths.follow([process])
    sleeper.kill()
    began = time.monotonic()
    assert deaths.wait(LONG_S) is WakeReason.DEATH
    assert time.monotonic() - began < LONG_S / 2
    assert deaths.has_ended(process)
    deaths.follow([process])  # its row still exists, and it is not yet waited for
    assert deaths.wait(0) is WakeReason.TIME


def test_a_process_that_died_before_it_was_followed_is_reported(
    deaths: Deaths, sleeper: subprocess.Popen[bytes]
) -> None:
    process = identity(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert deaths.follow([process])
    assert not deaths.follow([process])
    assert deaths.has_ended(process)


def test_a_process_that_is_no_longer_followed_costs_no_descriptor(
    deaths: Deaths, sleeper: subprocess.Popen[bytes]
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    deaths.follow([identity(sleeper)])
    assert len(os.listdir("/proc/self/fd")) == before + 1
    deaths.follow([])
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_stop_signal_ends_the_wait(deaths: Deaths) -> None:
    usual = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        deaths.listen_to_stop_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        assert deaths.wait(LONG_S) is WakeReason.SIGNAL
        assert deaths.wait(0) is WakeReason.TIME
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
