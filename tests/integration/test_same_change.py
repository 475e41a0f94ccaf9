"""An attempt that changes nothing compared with the previous one, as git itself sees it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import LandingSwarm, landing_swarm

from swarm_shared.domain.models import HoldReason, Status

pytestmark = pytest.mark.integration

NEVER_GREEN = 'case "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" in 1) echo apple ;; 2) echo pear ;; *) echo fig ;; esac; exit 1'


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def test_a_repeated_change_holds_the_task_if_configured(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "echo same > b.txt", checks=(NEVER_GREEN,)))
    swarm.worker(SWARM_STOP_ON_SAME_PROBLEM="on")
    task = swarm.wait_for("a", Status.HELD, Status.FAILED)
    assert task["hold_reason"] == HoldReason.SAME_PROBLEM
    first, second = swarm.attempts("a")
    assert (second["same_as"], second["same_what"]) == (1, "diff")
    assert first["diff_id"] == second["diff_id"] is not None
    assert first["fingerprint"] != second["fingerprint"]


def test_a_different_change_uses_all_retries(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "echo more >> b.txt", checks=(NEVER_GREEN,)))
    swarm.worker(SWARM_STOP_ON_SAME_PROBLEM="on")
    assert swarm.wait_for("a", Status.HELD, Status.FAILED)["status"] == Status.FAILED
    assert [a["same_as"] for a in swarm.attempts("a")] == [None, None, None]
