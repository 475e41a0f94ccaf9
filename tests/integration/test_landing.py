"""Tasks in worktrees of their own, landed on the integration branch: real workers, real git."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_desk import INTEGRATION, LandingSwarm, landing_swarm
from repositories import everything

from swarm_shared.models import Status

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LandingSwarm]:
    with landing_swarm(tmp_path) as swarm:
        yield swarm


def test_a_task_lands_as_a_commit_with_trailers_and_the_persons_checkout_stays_as_it_was(swarm: LandingSwarm) -> None:
    before = everything(swarm.project)
    swarm.add(swarm.task("a", "echo four >> a.txt; mkdir -p deep; echo new > deep/b.txt"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    assert swarm.landed("a.txt") == "one\ntwo\nthree\nfour"
    assert swarm.landed("deep/b.txt") == "new"
    assert swarm.trailers() == ["a"]
    attempt = swarm.attempts("a")[0]
    assert f"Swarm-Attempt: {attempt['id']}" in swarm.git("log", "-1", "--format=%B", INTEGRATION)
    assert swarm.git("merge-base", "--is-ancestor", attempt["head_sha"], INTEGRATION) == ""
    assert everything(swarm.project) == before


def test_a_dependent_begins_from_what_its_need_has_landed(swarm: LandingSwarm) -> None:
    swarm.add(swarm.task("a", "echo four >> a.txt"), swarm.task("b", "grep -q four a.txt && cp a.txt b.txt", "a"))
    swarm.worker()
    swarm.worker("worker-2")
    swarm.wait_for("b", Status.COMPLETED)
    assert swarm.landed("b.txt") == "one\ntwo\nthree\nfour"
    assert swarm.trailers() == ["a", "b"]
