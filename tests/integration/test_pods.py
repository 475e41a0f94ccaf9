"""Sessions in pods of a simulated cluster: what they can see, and what happens to pods that the cluster loses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, wait_until
from pod_harness import swarm_on
from stand_in_cluster import StandInCluster

from swarm_shared.domain.models import HoldReason, Status, TaskSpec
from swarm_shared.domain.runners import RunnerOptions
from swarm_shared.runners.proving import prove, proven_of
from swarm_shared.runners.runner import Grounds

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInCluster]:
    cluster = StandInCluster(tmp_path)
    monkeypatch.setenv("PATH", cluster.path)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def swarm(tmp_path: Path, cluster: StandInCluster) -> Iterator[LiveSwarm]:
    with swarm_on(cluster, tmp_path) as swarm:
        yield swarm


def test_a_session_sees_its_worktree_and_its_files_are_the_users(swarm: LiveSwarm, cluster: StandInCluster) -> None:
    (cluster.volume / "of-others").write_text("x")
    (swarm.folder / "secret").write_text("x")
    hidden = f"{swarm.folder}/secret {swarm.path} {cluster.volume}/of-others"
    looks = f"! cat {hidden} && ! ls -A ~ | grep . && ! touch /etc/x && id -u > made"
    swarm.add(TaskSpec(id="a", name="a", run=looks, checks=("test -e made",)))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert (swarm.project / "made").stat().st_uid == os.geteuid()
    assert cluster.store.names() == []


def test_a_pod_on_a_lost_node_is_unknown_until_the_node_reports_even_if_the_cluster_gives_it_up(
    swarm: LiveSwarm, cluster: StandInCluster
) -> None:
    swarm.add(TaskSpec(id="a", name="a", run="[ -e begun ] && exit 0; touch begun; sleep 600", max_retries=5))
    reaper = swarm.reaper()
    worker = swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    cluster.begin("node-lost", "node-forgotten")
    worker.kill()
    wait_until(lambda: swarm.status("a") is Status.HELD, swarm.logs, s=90)
    task = swarm.db.tasks.get("a")
    assert task["hold_reason"] == HoldReason.NOT_PROVEN_DEAD
    assert len(cluster.store.names()) == 1
    assert reaper.poll() is None
    cluster.end("node-forgotten", "node-lost")
    swarm.worker("worker-2", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert len(swarm.attempts("a")) == 2
    assert cluster.store.names() == []


def test_a_pod_that_the_cluster_ends_costs_no_attempt(swarm: LiveSwarm, cluster: StandInCluster) -> None:
    swarm.add(TaskSpec(id="a", name="a", run="[ -e begun ] && exit 0; touch begun; sleep 600", max_retries=0))
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    cluster.begin("preempt")
    swarm.wait_for("a", Status.COMPLETED, s=90)
    task = swarm.db.tasks.get("a")
    assert (task["failures"], task["crashes"]) == (0, 0)


def test_the_proof_holds(tmp_path: Path, cluster: StandInCluster) -> None:
    grounds = Grounds(
        home=Path.home(),
        project_root=cluster.volume,
        common_dir=None,
        database=tmp_path / "db",
        state_dir=tmp_path / "state",
    )
    proofs = prove(proven_of("kubernetes", RunnerOptions(kubernetes=cluster.options)), grounds)
    assert [proof.text for proof in proofs if not proof.held] == []
    assert cluster.store.names() == []
