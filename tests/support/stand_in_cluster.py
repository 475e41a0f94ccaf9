"""A stand-in cluster for a test: a `kubectl` on the path, a node, and a volume that is a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import stand_in_kubectl
import stand_in_node
from stand_in_kubectl import NAMESPACE, UID, Store

from swarm_shared.domain.runners import KubernetesOptions
from swarm_shared.runners.kubernetes.cluster import Cluster
from swarm_shared.runners.kubernetes.runner import RUNS

_KUBECTL = """#!/bin/sh
exec {python} -S -E {program} {state} "$@"
"""
CLAIM, IMAGE = "workspace", "localhost/agents:1"


class StandInCluster:
    """Start it with `start`; always end it with `stop`. `volume` is the folder that pods share."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "cluster")
        self.volume = folder / "shared"
        self.volume.mkdir(exist_ok=True)
        self.programs = folder / "bin"
        self.programs.mkdir()
        kubectl = self.programs / "kubectl"
        program = Path(stand_in_kubectl.__file__)
        kubectl.write_text(_KUBECTL.format(python=sys.executable, program=program, state=self.store.folder))
        kubectl.chmod(0o755)
        self.path = f"{self.programs}:{os.environ['PATH']}"
        self._node: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        claims = f'{{"{CLAIM}": "{self.volume}"}}'
        with (self.store.folder / "node.log").open("ab") as log:
            self._node = subprocess.Popen(
                [sys.executable, "-S", "-E", stand_in_node.__file__, str(self.store.folder), claims],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def stop(self) -> None:
        if self._node is not None:
            self._node.terminate()
            self._node.wait()

    def begin(self, *faults: str) -> None:
        for fault in faults:
            (self.store.folder / "faults" / fault).touch()

    def end(self, *faults: str) -> None:
        for fault in faults:
            (self.store.folder / "faults" / fault).unlink(missing_ok=True)

    def journal(self, what: str) -> list[str]:
        """The names of pods to which that happened, in order; for `call`: the command lines."""
        path = self.store.folder / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == what]

    @property
    def options(self) -> KubernetesOptions:
        return KubernetesOptions(image=IMAGE, claim=CLAIM, folder=str(self.volume), namespace=NAMESPACE)

    @property
    def cluster(self) -> Cluster:
        return Cluster(context="", namespace=NAMESPACE, uid=UID, base=str(self.volume / RUNS))
