"""Sessions as jobs of a real Slurm cluster: what they leave, and what becomes of them when things die."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import call
from live_swarm import LiveSwarm, wait_until
from ordinary_user import as_ordinary_user
from slurm_cluster import Cluster, slurm_cluster, use_slurm

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.domain.runners import Run, RunnerOptions, SlurmOptions
from swarm_shared.processes.file_lock import try_lock
from swarm_shared.runners.proving import prove, proven_of
from swarm_shared.runners.remote.folder import MARKER
from swarm_shared.runners.runner import Grounds
from swarm_shared.runners.slurm.client import Client, Job
from swarm_shared.runners.slurm.ending import end
from swarm_shared.runners.slurm.jobs import Slurm
from swarm_shared.store.queue.swarm import RUNNER_DOWN

pytestmark = pytest.mark.integration
# Leaves its parent and its session, ignores TERM, and holds the lock of the file `held` for as long as it lives.
ESCAPE = """[ -e tried ] && exit 0
touch tried held
setsid sh -c 'trap "" TERM; (exec flock -n held sleep 600) &' < /dev/null > /dev/null 2>&1
sleep 600"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, slurm_cluster(Path(name)) as cluster:
        yield cluster


@pytest.fixture
def swarm(tmp_path: Path, cluster: Cluster) -> Iterator[LiveSwarm]:
    cluster.revive()
    swarm = LiveSwarm(tmp_path)
    use_slurm(swarm)
    yield swarm
    swarm.end()
    cluster.revive()
    for name in cluster.jobs():
        call("scancel", f"--name={name}", check=False)


def is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def left(swarm: LiveSwarm) -> list[str]:
    """The files of runs that are still there."""
    return [path.name for path in swarm.folder.rglob("swarm-*") if (path / "job.sh").exists()]


def node_of(swarm: LiveSwarm) -> str:
    """The node of the only job."""
    (place,) = left(swarm)
    (folder,) = [path.parent for path in swarm.folder.rglob(MARKER)]
    return (folder / place / "node").read_text().split()[1]


def begin_escape(swarm: LiveSwarm) -> tuple[Path, str]:
    """Run the task `a`, whose first attempt never ends by itself; its lock and its node."""
    swarm.add(TaskSpec(id="a", name="a", run=ESCAPE, max_retries=5))
    held = swarm.project / "held"
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: held.exists() and not is_free(held), swarm.logs)
    return held, node_of(swarm)


def assert_done_again(swarm: LiveSwarm, cluster: Cluster, held: Path) -> None:
    swarm.wait_for("a", Status.COMPLETED, s=90)
    assert is_free(held)
    assert len(swarm.attempts("a")) == 2
    assert left(swarm) == []
    assert swarm.leftovers() == []
    wait_until(lambda: cluster.jobs() == [], cluster.logs)


@pytest.mark.parametrize("runner", ["local", "slurm"])
def test_the_same_tasks_give_the_same_result_as_without_a_cluster(swarm: LiveSwarm, runner: str) -> None:
    swarm.settings["SWARM_RUNNER"] = runner
    run = 'echo "$A"; echo "$A" > made; umask >> made; sh -c "kill -9 \\$\\$"; echo $? >> made; pwd >> made'
    swarm.add(
        TaskSpec(id="a", name="a", run=run, env={"A": 'x\'y\nz, "w"'}, checks=("grep -q 137 made",)),
        TaskSpec(id="b", name="b", run="exit 7", max_retries=0),
        TaskSpec(id="c", name="c", run="true", checks=("false",), max_retries=0),
        TaskSpec(id="d", name="d", run="no-such-program", max_retries=0),
        TaskSpec(id="e", name="e", run="head -c 3000000 /dev/zero | tr '\\0' x", dependencies=("a",)),
    )
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    swarm.wait_for("e", Status.COMPLETED)
    for task, text in (("b", "code 7"), ("c", "false"), ("d", "code 127")):
        assert text in swarm.wait_for(task, Status.FAILED)["last_error"]
    assert (swarm.project / "made").read_text() == f'x\'y\nz, "w"\n0022\n137\n{swarm.project}\n'
    assert RUNNER_DOWN not in swarm.db.swarm.flags()
    assert left(swarm) == []


def test_a_stop_gives_the_command_time_to_save(swarm: LiveSwarm) -> None:
    run = "trap 'echo saved > saved; exit 3' TERM; touch begun; while :; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    worker = swarm.worker("worker-1", "--no-validation", SWARM_KILL_GRACE_S="10")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    for _ in range(2):
        swarm.hand_down(worker, signal.SIGTERM)
    worker.wait(30)
    assert (swarm.project / "saved").read_text() == "saved\n"
    assert left(swarm) == []


def test_values_of_variables_are_in_no_command_line(swarm: LiveSwarm) -> None:
    run = "touch begun; until [ -e go ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run, env={"TOKEN": "hush-hush"}))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    lines = call("ps", "-eo", "args")
    (swarm.project / "go").touch()
    assert "runners.slurm.client" in lines
    assert "hush-hush" not in lines
    swarm.wait_for("a", Status.COMPLETED)


@pytest.mark.parametrize("victims", [("worker",), ("keeper",), ("worker", "keeper"), ("client",)], ids="+".join)
def test_after_a_kill_nothing_is_left_and_the_task_is_done_again(
    swarm: LiveSwarm, cluster: Cluster, victims: tuple[str, ...]
) -> None:
    held, _ = begin_escape(swarm)
    swarm.reaper()
    (worker,) = swarm.db.workers.alive()
    assert worker.keeper is not None
    (client,) = [int(line.split()[0]) for line in call("ps", "-eo", "pid,args").splitlines() if "slurm.client" in line]
    pids = {"worker": worker.process.pid, "keeper": worker.keeper.pid, "client": client}
    for victim in victims:
        os.kill(pids[victim], signal.SIGSTOP)
    for victim in victims:
        os.kill(pids[victim], signal.SIGKILL)
    if "client" not in victims:
        swarm.worker("worker-2", "--no-validation")
    assert_done_again(swarm, cluster, held)


def test_a_job_that_someone_else_cancels_is_done_again_and_costs_no_attempt(swarm: LiveSwarm, cluster: Cluster) -> None:
    held, _ = begin_escape(swarm)
    swarm.reaper()
    (name,) = cluster.jobs()
    call("scancel", f"--name={name}")
    assert_done_again(swarm, cluster, held)
    task = swarm.db.tasks.get("a")
    assert (task["failures"], task["crashes"]) == (0, 0)


def test_a_lost_controller_is_waited_for(swarm: LiveSwarm, cluster: Cluster) -> None:
    run = "touch begun; until [ -e go ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    cluster.kill("slurmctld")
    (swarm.project / "go").touch()
    swarm.wait_for("a", Status.COMPLETED)
    cluster.start("slurmctld")
    assert len(swarm.attempts("a")) == 1


def test_without_a_controller_tasks_wait_and_cost_no_attempt(swarm: LiveSwarm, cluster: Cluster) -> None:
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: swarm.db.workers.alive(), swarm.logs)
    cluster.kill("slurmctld")
    swarm.add(TaskSpec(id="a", name="a", run="true"))
    wait_until(lambda: RUNNER_DOWN in swarm.db.swarm.flags(), swarm.logs, s=90)
    cluster.start("slurmctld")
    swarm.reaper()
    swarm.wait_for("a", Status.COMPLETED, s=90)
    task = swarm.db.tasks.get("a")
    assert (task["failures"], task["crashes"]) == (0, 0)


def test_a_job_of_a_lost_node_is_unknown_until_the_node_is_back(swarm: LiveSwarm, cluster: Cluster) -> None:
    held, node = begin_escape(swarm)
    swarm.reaper()
    cluster.kill(node)
    # Slurm takes the job for over; its processes live.
    wait_until(lambda: cluster.state(node).startswith("DOWN"), cluster.logs, s=60)
    wait_until(lambda: cluster.jobs() == [], cluster.logs)
    (worker,) = swarm.db.workers.alive()
    assert worker.keeper is not None
    for pid in (worker.process.pid, worker.keeper.pid):
        os.kill(pid, signal.SIGKILL)
    swarm.worker("worker-2", "--no-validation")
    swarm.wait_for("a", Status.HELD, s=60)
    assert f"node {node} is DOWN" in swarm.db.tasks.get("a")["last_error"]
    assert len(swarm.attempts("a")) == 1
    cluster.start(node)
    assert_done_again(swarm, cluster, held)


def test_the_check_runs_a_job(swarm: LiveSwarm) -> None:
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


def test_an_ordinary_user_needs_no_privileges(cluster: Cluster) -> None:
    cluster.revive()
    as_ordinary_user(run_as_ordinary_user)


def test_a_drained_node_lets_its_job_end(swarm: LiveSwarm, cluster: Cluster) -> None:
    run = "touch begun; until [ -e go ]; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    node = node_of(swarm)
    call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    (swarm.project / "go").touch()
    swarm.wait_for("a", Status.COMPLETED)
    assert len(swarm.attempts("a")) == 1
    assert left(swarm) == []


def test_waiting_for_a_node_counts_against_no_limit(swarm: LiveSwarm) -> None:
    full = call("sbatch", "--parsable", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 600")
    try:
        swarm.add(TaskSpec(id="a", name="a", run="true", timeout_minutes=0.05))
        swarm.settings["SWARM_ORPHAN_TIMEOUT_MIN"] = "0.1"
        swarm.worker("worker-1", "--no-validation")
        wait_until(lambda: swarm.status("a") is Status.IN_PROGRESS and left(swarm), swarm.logs, s=90)
        began = swarm.db.clock.mono_ms()
        wait_until(lambda: swarm.db.clock.mono_ms() > began + 8_000)
    finally:
        call("scancel", full)
    swarm.wait_for("a", Status.COMPLETED)
    assert len(swarm.attempts("a")) == 1
