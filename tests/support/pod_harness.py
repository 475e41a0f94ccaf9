"""A swarm whose sessions run as pods of a stand-in cluster, whose containers are real processes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random

from live_swarm import LiveSwarm
from runner_harness import At, Kill, Matrix, RunnerHarness, swarm_of
from stand_in_cluster import CLAIM, IMAGE, StandInCluster
from stand_in_kubectl import NAMESPACE

# They last a while, or happen once.
_LASTING = ("api-down", "node-lost", "quota", "image-missing", "unschedulable")
_ONCE = ("lost-answer", "evict", "oom", "preempt", "delete")


class PodHarness(RunnerHarness):
    """With its project and its state on the volume of a cluster."""

    name = "kubernetes"
    matrix = Matrix(tasks=20, sessions=2, kill_s=40.0)
    breakdown = "exceeded quota"

    def __init__(self, swarm: LiveSwarm, *, cluster: StandInCluster) -> None:
        self.cluster = cluster
        swarm.project = cluster.volume / "project"
        swarm.project.mkdir()
        (cluster.volume / "state").mkdir(mode=0o700)
        (swarm.folder / "tasks.db.swarm").symlink_to(cluster.volume / "state")
        super().__init__(swarm)

    def needs(self) -> dict[str, object]:
        return {"image": IMAGE, "claim": CLAIM, "namespace": NAMESPACE, "folder": self.cluster.volume}

    def runs(self) -> list[str]:
        return self.cluster.store.names()

    def clients(self) -> list[int]:
        return self.of_open_runs(b"swarm_shared.runners.kubernetes.client")

    def hidden(self) -> list[Path]:
        (self.cluster.volume / "of-others").write_text("x")
        return [*super().hidden(), self.cluster.volume / "of-others"]

    def faults(self) -> Mapping[str, Kill]:
        return {
            **{name: partial(self._last, name) for name in _LASTING},
            **{name: partial(self._once, name) for name in _ONCE},
        }

    def _last(self, fault: str, rng: Random) -> int:
        with self.fault(fault):
            time.sleep(rng.uniform(0.5, 2))  # how long it lasts is the point of the test
        return 1

    def _once(self, fault: str, _: Random) -> int:
        self.cluster.begin(fault)
        return 1

    def mend(self) -> None:
        self.cluster.end(*_LASTING, *_ONCE)

    @contextmanager
    def fault(self, *names: str) -> Iterator[None]:
        """Something fails meanwhile."""
        self.cluster.begin(*names)
        try:
            yield
        finally:
            self.cluster.end(*reversed(names))

    @contextmanager
    def break_down(self) -> Iterator[None]:
        with self.fault("quota"):
            yield

    @contextmanager
    def fill(self) -> Iterator[None]:
        created = len(self.cluster.journal("created"))
        with self.fault("unschedulable"):
            yield
            assert len(self.cluster.journal("created")) == created + 1

    @contextmanager
    def silence(self) -> Iterator[None]:
        with self.fault("api-down"):
            yield

    @contextmanager
    def lose_node(self) -> Iterator[str]:
        with self.fault("node-lost"):
            yield "node-1"

    def end_as_another_user(self) -> None:
        self.cluster.begin("delete")


@contextmanager
def pod_engine() -> Iterator[At]:
    """Each swarm gets a separate cluster."""
    yield pods_at


@contextmanager
def pods_at(folder: Path) -> Iterator[PodHarness]:
    """A swarm on a cluster that works; both are ended, whatever the test did."""
    cluster, path = StandInCluster(folder), os.environ["PATH"]
    os.environ["PATH"] = cluster.path
    try:
        cluster.start()
        with swarm_of(partial(PodHarness, cluster=cluster), folder) as harness:
            assert isinstance(harness, PodHarness)
            yield harness
    finally:
        cluster.stop()
        os.environ["PATH"] = path
