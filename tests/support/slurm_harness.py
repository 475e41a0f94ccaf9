"""A swarm whose sessions run as jobs of a real Slurm cluster on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

from live_swarm import LiveSwarm, wait_until
from runner_harness import At, Kill, Matrix, RunnerHarness, call, kill_one_of, swarm_of
from slurm_cluster import NODES, Cluster, slurm_cluster

from swarm_shared.runners.remote.folder import MARKER

_REPAIRED = 0.4  # how often the cluster is repaired at once; otherwise further faults add up


class SlurmHarness(RunnerHarness):
    """With the files of jobs in its state folder."""

    name = "slurm"
    matrix = Matrix(tasks=200, sessions=16, kill_s=120.0)
    breakdown = "artition"

    def __init__(self, swarm: LiveSwarm, *, cluster: Cluster) -> None:
        self.cluster = cluster
        super().__init__(swarm)

    def needs(self) -> dict[str, object]:
        return {"cpus": 1}

    def runs(self) -> list[str]:
        """Jobs that are not over, and files of jobs."""
        files = [path.name for path in self.swarm.folder.rglob("swarm-*") if (path / "job.sh").exists()]
        return sorted({*files, *self.cluster.jobs()})

    def clients(self) -> list[int]:
        return self.of_open_runs(b"swarm_shared.runners.slurm.client")

    def node(self) -> str:
        """The node of the only job."""
        (job,) = self.runs()
        (folder,) = [path.parent for path in self.swarm.folder.rglob(MARKER)]
        return (folder / job / "node").read_text().split()[1]

    def faults(self) -> Mapping[str, Kill]:
        kills = {daemon: partial(self._kill, daemon) for daemon in (*NODES, "slurmctld")}
        steps = kill_one_of(self.cluster.step_daemons)
        states = {state.lower(): partial(self._set_node, state) for state in ("DRAIN", "DOWN")}
        return {**kills, "slurmstepd": steps, "cancel": self._cancel, **states}

    def _kill(self, daemon: str, rng: Random) -> int:
        self.cluster.kill(daemon)
        return self._repair(rng)

    def _cancel(self, rng: Random) -> int:
        names = self.cluster.jobs(check=False)
        if names:
            call("scancel", f"--name={rng.choice(names)}", check=False)
        return min(len(names), 1)

    def _set_node(self, state: str, rng: Random) -> int:
        call("scontrol", "update", f"NodeName={rng.choice(NODES)}", f"State={state}", "Reason=test", check=False)
        return self._repair(rng)

    def _repair(self, rng: Random) -> int:
        if rng.random() < _REPAIRED:
            self.cluster.revive()
        return 1

    def mend(self) -> None:
        self.cluster.revive()

    @contextmanager
    def break_down(self) -> Iterator[None]:
        call("scontrol", "update", "PartitionName=p", "State=INACTIVE")
        try:
            yield
        finally:
            call("scontrol", "update", "PartitionName=p", "State=UP")

    @contextmanager
    def fill(self) -> Iterator[None]:
        job = call("sbatch", "--parsable", "--nodes=2", "--exclusive", "--output=/dev/null", "--wrap=sleep 600")
        try:
            wait_until(
                lambda: call("squeue", "--noheader", f"--jobs={job}", "--format=%T") == "RUNNING", self.cluster.logs
            )
            yield
        finally:
            call("scancel", job)

    @contextmanager
    def silence(self) -> Iterator[None]:
        self.cluster.kill("slurmctld")
        try:
            yield
        finally:
            self.cluster.start("slurmctld")

    @contextmanager
    def lose_node(self) -> Iterator[str]:
        """Slurm considers the job over while its processes are alive."""
        node = self.node()
        self.cluster.kill(node)
        try:
            wait_until(lambda: self.cluster.state(node).startswith("DOWN"), self.cluster.logs, s=60)
            wait_until(lambda: self.cluster.jobs() == [], self.cluster.logs)
            yield node
        finally:
            self.cluster.start(node)

    def end_as_another_user(self) -> None:
        (name,) = self.cluster.jobs()
        call("scancel", f"--name={name}")


@contextmanager
def slurm_engine() -> Iterator[At]:
    """One cluster, which is repaired between swarms."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, slurm_cluster(Path(name)) as cluster:
        yield partial(slurm_at, cluster)


@contextmanager
def slurm_at(cluster: Cluster, folder: Path) -> Iterator[SlurmHarness]:
    """A working swarm on a cluster; both are left working, whatever the test did."""
    cluster.revive()
    try:
        with swarm_of(partial(SlurmHarness, cluster=cluster), folder) as harness:
            assert isinstance(harness, SlurmHarness)
            yield harness
    finally:
        cluster.revive()
        for name in cluster.jobs():
            call("scancel", f"--name={name}", check=False)
