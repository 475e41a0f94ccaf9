"""Behaviour that only jobs of a real Slurm cluster have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from live_swarm import wait_until
from ordinary_user import as_ordinary_user
from runner_contract import WAITS, assert_nothing_counted, begun
from runner_engines import promised_by
from runner_harness import call, is_free
from slurm_harness import SlurmHarness

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.domain.runners import Run, RunnerOptions, SlurmOptions
from swarm_shared.runners.proving import prove, proven_of
from swarm_shared.runners.remote.folder import MARKER
from swarm_shared.runners.runner import Grounds
from swarm_shared.runners.slurm.client import Client, Job
from swarm_shared.runners.slurm.ending import end
from swarm_shared.runners.slurm.jobs import Slurm
from swarm_shared.store.swarm.swarm import RUNNER_DOWN

pytestmark = pytest.mark.integration


@promised_by("slurm")
def test_without_a_controller_tasks_wait_and_cost_no_attempt(runner: SlurmHarness) -> None:
    swarm = runner.swarm
    swarm.worker("worker-1", "--no-validation")
    wait_until(swarm.db.workers.alive, swarm.logs, s=60)
    with runner.silence():
        swarm.add(TaskSpec(id="a", name="a", run="true", max_retries=0))
        wait_until(lambda: RUNNER_DOWN in swarm.db.swarm.flags(), swarm.logs, s=120)
    swarm.reaper()
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert_nothing_counted(swarm, "a")


@promised_by("slurm")
def test_a_drained_node_lets_its_job_end(runner: SlurmHarness) -> None:
    swarm = runner.swarm
    swarm.add(TaskSpec(id="a", name="a", run=WAITS))
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    begun(runner)
    call("scontrol", "update", f"NodeName={runner.node()}", "State=DRAIN", "Reason=test")
    (swarm.project / "go").touch()
    swarm.wait_for("a", Status.COMPLETED, s=60)
    assert len(swarm.attempts("a")) == 1
    assert runner.runs() == []


@promised_by("slurm")
def test_the_check_runs_a_job(runner: SlurmHarness) -> None:
    swarm = runner.swarm
    grounds = Grounds(
        home=Path.home(), project_root=swarm.project, common_dir=None, database=swarm.path,
        state_dir=swarm.folder / "state",
    )  # fmt: skip
    (proof,) = prove(proven_of("slurm", RunnerOptions()), grounds)
    assert proof.held
    with pytest.raises(ConfigError, match=r"[Ii]nvalid partition"):
        prove(proven_of("slurm", RunnerOptions(slurm=SlurmOptions(partition="none"))), grounds)
    assert [path.name for path in (swarm.folder / "state" / "slurm").iterdir()] == [MARKER]


def run_as_ordinary_user(base: Path) -> None:
    base.mkdir()
    (base / MARKER).touch()
    run = Run(runner="slurm", name=f"swarm-{os.getpid()}", engine=f"swarm-test:{base}")
    script = "touch held; setsid flock held sleep 600 < /dev/null > /dev/null 2>&1 & cat; exit 3"
    job = Job(base=str(base), name=run.name, options=(), argv=("/bin/sh", "-c", script), env={}, cwd=str(base))
    with (base / "out").open("w+b") as out, (base / "err").open("w+b") as err:
        assert Client(job, Slurm(), out, err).run(b"given") == 3, (base / "err").read_text()
        assert (base / "out").read_text() == "given"
    assert end(run, Slurm()).gone
    assert is_free(base / "held")
    assert (base / "held").stat().st_uid == os.geteuid()


@promised_by("slurm")
def test_an_ordinary_user_needs_no_privileges(runner: SlurmHarness) -> None:
    as_ordinary_user(run_as_ordinary_user)
