"""Fixtures of the reaper's tests."""

from __future__ import annotations

import os

import pytest

from swarm_shared.processes import sweep
from swarm_shared.processes.tree import descendants


@pytest.fixture(autouse=True)
def _sweeps_see_only_what_the_test_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the processes of tests that run at the same time.

    A sweep counts a process in the middle of its exec as unknown. Time in these tests is not real, so all scans of a
    reaper may fall into the few milliseconds that such a process needs.
    """
    monkeypatch.setattr(sweep, "all_pids", lambda: [process.pid for process in descendants(os.getpid())])
