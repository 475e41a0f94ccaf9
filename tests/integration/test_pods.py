"""Sessions in pods of a simulated cluster: some of what every runner promises, and what only clusters do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pod_harness import PodHarness, pods_at
from runner_contract import (  # noqa: F401
    assert_nothing_counted,
    begun,
    test_a_session_sees_its_worktree_and_its_files_belong_to_the_user,
)
from runner_engines import engine, parametrize, runner  # noqa: F401

from swarm_shared.domain.models import HoldReason, Status, TaskSpec
from swarm_shared.domain.runners import RunnerOptions
from swarm_shared.runners.proving import prove, proven_of
from swarm_shared.runners.runner import Grounds

pytestmark = pytest.mark.integration


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, among=("kubernetes",))


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[PodHarness]:
    with pods_at(tmp_path) as harness:
        yield harness


def test_a_pod_that_the_cluster_has_forgotten_is_unknown_until_its_node_reports(pods: PodHarness) -> None:
    swarm = pods.swarm
    swarm.add(TaskSpec(id="a", name="a", run="[ -e begun ] && exit 0; touch begun; sleep 600", max_retries=5))
    swarm.reaper()
    worker = swarm.worker("worker-1", "--no-validation")
    begun(pods)
    with pods.fault("node-lost", "node-forgotten"):
        worker.kill()
        swarm.wait_for("a", Status.HELD, s=90)
        assert swarm.db.tasks.get("a")["hold_reason"] == HoldReason.NOT_PROVEN_DEAD
        assert len(pods.runs()) == 1
    swarm.worker("worker-2", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert len(swarm.attempts("a")) == 2
    assert pods.runs() == []


def test_a_pod_ended_by_the_cluster_costs_no_attempt(pods: PodHarness) -> None:
    swarm = pods.swarm
    swarm.add(TaskSpec(id="a", name="a", run="[ -e begun ] && exit 0; touch begun; sleep 600", max_retries=0))
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    begun(pods)
    pods.cluster.begin("preempt")
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert_nothing_counted(swarm, "a")


def test_the_proof_holds(tmp_path: Path, pods: PodHarness) -> None:
    grounds = Grounds(
        home=Path.home(),
        project_root=pods.cluster.volume,
        common_dir=None,
        database=tmp_path / "db",
        state_dir=tmp_path / "state",
    )
    proofs = prove(proven_of("kubernetes", RunnerOptions(kubernetes=pods.cluster.options)), grounds)
    assert [proof.text for proof in proofs if not proof.held] == []
    assert pods.runs() == []
