"""What a worker tells of itself counts its agents too, and is told again when they are gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until

from swarm_shared.models import Status

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


def test_an_agent_counts_among_what_its_worker_uses(swarm: LiveSwarm) -> None:
    go_on = swarm.folder / "go-on"
    swarm.add(swarm.scripted("a", script={"builder": [{"wait_for": str(go_on)}], "validator": [{}]}))

    def told() -> tuple[int, int]:
        [worker] = swarm.db.workers.shown()
        return worker["tree_processes"] or 0, worker["tree_rss_bytes"] or 0

    swarm.worker("worker-1", "--no-validation", SWARM_HEARTBEAT_S="0.3")
    swarm.wait_for_agent("a")
    wait_until(lambda: told()[0] >= 2, lambda: (told(), swarm.logs()))  # itself and the agent
    with_agent = told()
    go_on.touch()
    swarm.wait_for("a", Status.COMPLETED)
    wait_until(lambda: told()[0] == with_agent[0] - 1, lambda: (told(), swarm.logs()))
    assert told()[1] < with_agent[1]
