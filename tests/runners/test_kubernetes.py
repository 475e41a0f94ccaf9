"""Behaviour that only pods have, in a stand-in cluster whose containers are real processes.

No real cluster is involved: deviations of a real one from its documentation would not be noticed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import wait_until
from pod_harness import PodHarness, pods_at
from runner_contract import WAITS, assert_held, assert_nothing_counted, begun
from runner_harness import output

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.runners.kubernetes.runner import RUNS
from swarm_shared.store.swarm.swarm import RUNNER_DOWN

pytestmark = pytest.mark.integration


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[PodHarness]:
    with pods_at(tmp_path) as harness:
        yield harness


def test_values_of_variables_are_in_no_manifest_and_only_in_the_users_files(pods: PodHarness) -> None:
    swarm = pods.swarm
    swarm.add(TaskSpec(id="a", name="a", run=WAITS, env={"OF_TOKEN": "hush-hush"}))
    swarm.worker("worker-1", "--no-validation")
    begun(pods)
    (name,) = pods.runs()
    assert "hush" not in str(pods.cluster.store.get(name))
    assert (pods.cluster.volume / RUNS / name / "command").stat().st_mode & 0o077 == 0
    (swarm.project / "go").touch()
    swarm.wait_for("a", Status.COMPLETED, s=60)


@pytest.mark.parametrize(
    ("fault", "text"), [("image-missing", "ImagePullBackOff"), ("unschedulable", "Insufficient cpu")]
)
def test_a_pod_that_cannot_start_holds_the_queue_and_costs_no_attempt(pods: PodHarness, fault: str, text: str) -> None:
    pods.use(patience_minutes=0.02)
    swarm = pods.swarm
    swarm.add(TaskSpec(id="a", name="a", run=WAITS), TaskSpec(id="b", name="b", run="true", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    begun(pods)
    with pods.fault(fault):
        assert_held(swarm, text)
    swarm.reaper()
    swarm.wait_for("b", Status.COMPLETED, s=90)
    assert_nothing_counted(swarm, "b")
    assert pods.runs() == []


@pytest.mark.parametrize(("fault", "text"), [("oom", "OOMKilled"), ("evict", "Evicted")])
def test_a_command_that_used_too_much_fails_and_its_error_says_so(pods: PodHarness, fault: str, text: str) -> None:
    swarm = pods.swarm
    swarm.add(TaskSpec(id="a", name="a", run="touch begun; sleep 600", max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    begun(pods)
    pods.cluster.begin(fault)
    task = swarm.wait_for("a", Status.FAILED, s=60)
    assert "137" in task["last_error"]
    assert text in output(swarm, 2)
    assert RUNNER_DOWN not in swarm.db.swarm.flags()
    assert pods.runs() == []


def test_a_lost_response_starts_no_second_pod(pods: PodHarness) -> None:
    swarm, cluster = pods.swarm, pods.cluster
    worker = swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: cluster.journal("removed") or worker.poll() is not None, swarm.logs)  # the trial
    cluster.begin("lost-answer")
    swarm.add(TaskSpec(id="a", name="a", run="echo x >> made"))
    swarm.wait_for("a", Status.COMPLETED, s=60)
    assert (swarm.project / "made").read_text() == "x\n"
    created = cluster.journal("created")
    assert len(created) == len({*created}) == len(cluster.journal("started"))
