"""Commands that take longer than a lease lasts: the lease is renewed while they run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_harness import LandingSwarm, landing_swarm

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration

# A lease is four heartbeats, and the reaper watches an overdue one for a while before it acts on it.
HEARTBEAT_S = 0.25
LONGER_S = 4.0


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        swarm.settings["SWARM_HEARTBEAT_S"] = str(HEARTBEAT_S)
        yield swarm


def is_done_at_once(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "touch b"))
    swarm.reaper()
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED, s=60.0)
    assert swarm.db.tasks.get("a")["attempt_count"] == 1
    kinds = {event["event_type"] for event in swarm.db.events.newest(200)}
    assert not kinds & {"orphaned", "requeued", "stale_write_refused", "worker_crashed"}
    assert "heartbeat_missed" not in swarm.logs()


@pytest.mark.parametrize("kind", ["setup", "checks", "gate"])
def test_a_command_that_outlasts_the_lease_keeps_its_task(swarm: LandingSwarm, kind: str) -> None:
    (swarm.folder / "swarm.yaml").write_text(f"{kind}: ['sleep {LONGER_S}']\n")
    is_done_at_once(swarm)


@pytest.mark.parametrize("step", ["reset --hard", "add --all", "merge-tree", "status --porcelain"])
def test_a_git_command_that_outlasts_the_lease_keeps_its_task(swarm: LandingSwarm, step: str) -> None:
    swarm.slow_git(step, LONGER_S)
    is_done_at_once(swarm)
