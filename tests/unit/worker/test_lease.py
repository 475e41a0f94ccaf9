"""A worker's heartbeat reports what it and its descendants use, and measuring that is cheap."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from queue_harness import QueueHarness

from swarm_worker.lease import Heart, ResourceUse


def test_a_heartbeat_reports_what_the_whole_tree_uses(tmp_path: Path) -> None:
    harness = QueueHarness(tmp_path)
    claimant = harness.claimant()
    heart = Heart(
        harness.db.workers, harness.clock, run=claimant.run, heartbeat_s=0.0, lease_s=60, now=lambda: 1000.0
    )  # all at once
    [worker] = harness.db.workers.shown()
    assert worker["tree_rss_bytes"] is None
    heart.beat_if_due()
    [worker] = harness.db.workers.shown()
    assert worker["tree_processes"] >= 1
    assert worker["tree_rss_bytes"] > 10 * 1024 * 1024  # an interpreter is not smaller
    assert worker["tree_cpu_share"] is None  # known from the second measurement on
    heart.beat_if_due()
    [again] = harness.db.workers.shown()
    assert again["tree_rss_bytes"] == worker["tree_rss_bytes"]  # not measured again within a moment


def test_usage_is_counted_between_two_measurements() -> None:
    usage = ResourceUse(os.getpid(), every_s=0.0)
    first = usage.measure()
    assert first is not None
    used = os.times()
    while (now := os.times()).user + now.system < used.user + used.system + 0.05:
        pass
    second = usage.measure()
    assert second is not None
    assert second.cpu_share is not None
    assert second.cpu_share > 0


def test_nothing_is_reported_for_a_process_that_has_ended() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert ResourceUse(child.pid).measure() is None
