"""Behaviour that only containers of real engines have."""

from __future__ import annotations

from pathlib import Path

import pytest
from engines import IMAGE, LIMITS
from runner_deaths import assert_done_again_after_killing
from runner_engines import promised_by
from runner_harness import RunnerHarness

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.domain.runners import ContainerOptions, RunnerOptions
from swarm_shared.runners.proving import prove, proven_of
from swarm_shared.runners.runner import Grounds

pytestmark = pytest.mark.integration


@promised_by("podman")
@pytest.mark.parametrize(
    "victims", [("supervisor",), ("client", "supervisor"), ("worker", "keeper", "client", "supervisor")], ids="+".join
)
def test_after_conmon_was_killed_nothing_is_left(runner: RunnerHarness, victims: tuple[str, ...]) -> None:
    assert_done_again_after_killing(runner, victims)


@promised_by("podman", "docker")
def test_limits_are_enforced(runner: RunnerHarness) -> None:
    runner.use(memory="64MiB", pids=40, cpus=0.5)
    swarm = runner.swarm
    eats, forks = "dd if=/dev/zero of=/dev/null bs=200M count=1", "set -e; for i in $(seq 60); do sleep 2 & done; wait"
    swarm.add(TaskSpec(id="a", name="a", run=eats, max_retries=0), TaskSpec(id="b", name="b", run=forks, max_retries=0))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.FAILED, s=60)
    swarm.wait_for("b", Status.FAILED, s=60)


@promised_by("podman")
def test_an_engine_that_would_ignore_limits_is_refused(runner: RunnerHarness) -> None:
    """Docker cannot run without control groups."""
    runner.use(memory="64MiB", args=[*LIMITS, "--cgroups=disabled"])
    worker = runner.swarm.worker("worker-1", "--no-validation")
    assert worker.wait(60) == 3
    assert "runners.podman.memory would be ignored" in runner.swarm.logs()


@promised_by("podman", "docker")
def test_the_proof_holds(runner: RunnerHarness, tmp_path: Path) -> None:
    options = ContainerOptions(image=IMAGE, network="off", args=LIMITS)
    grounds = Grounds(
        home=Path.home(), project_root=tmp_path, common_dir=None, database=tmp_path / "db", state_dir=tmp_path / "state"
    )
    proofs = prove(proven_of(runner.name, RunnerOptions(**{runner.name: options})), grounds)
    assert [proof.text for proof in proofs if not proof.held] == []
    assert runner.runs() == []
