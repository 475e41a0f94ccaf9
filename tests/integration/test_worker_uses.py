"""The usage that a worker reports includes its agents until they have ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until

from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration
AN_INTERPRETER_BYTES = 4 * 1024 * 1024  # at least


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


def test_an_agent_counts_towards_the_usage_of_its_worker(swarm: LiveSwarm) -> None:
    go_on = swarm.folder / "go-on"

    def usage() -> tuple[int, int]:
        return next(((w["tree_processes"] or 0, w["tree_rss_bytes"] or 0) for w in swarm.db.workers.shown()), (0, 0))

    def wait_for(processes: int, at_least_bytes: int = 0) -> None:
        wait_until(
            lambda: usage()[0] == processes and usage()[1] >= at_least_bytes, lambda: (usage(), processes, swarm.logs())
        )

    swarm.worker("worker-1", "--no-validation", SWARM_HEARTBEAT_S="0.3")
    wait_until(lambda: usage()[0], swarm.logs)
    alone = usage()
    swarm.add(swarm.scripted("a", script={"builder": [{"wait_for": str(go_on)}], "validator": [{}]}))
    swarm.wait_for_agent("a")
    wait_for(alone[0] + 1, alone[1] + AN_INTERPRETER_BYTES)
    with_agent = usage()
    go_on.touch()
    swarm.wait_for("a", Status.COMPLETED)
    wait_for(alone[0])
    assert usage()[1] < with_agent[1]
