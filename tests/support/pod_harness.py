"""A swarm whose sessions run as pods of a stand-in cluster, whose containers are real processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from live_swarm import LiveSwarm
from stand_in_cluster import CLAIM, IMAGE, StandInCluster
from stand_in_kubectl import NAMESPACE

from swarm_shared.processes.file_lock import try_lock
from swarm_shared.processes.procfs import all_pids

# Leaves its parent and its session, ignores TERM, and holds the lock of the file `held` for as long as it lives.
ESCAPE = """[ -e tried ] && exit 0
touch tried held
setsid sh -c 'trap "" TERM; (exec flock -n held sleep 600) &' < /dev/null > /dev/null 2>&1
sleep 600"""
_CLIENT = b"swarm_shared.runners.kubernetes.client"


@contextmanager
def swarm_on(cluster: StandInCluster, folder: Path) -> Iterator[LiveSwarm]:
    """A swarm with its project and its state on the cluster's volume, which is ended, whatever the test did."""
    swarm = LiveSwarm(folder)
    swarm.project = cluster.volume / "project"
    swarm.project.mkdir()
    (cluster.volume / "state").mkdir(mode=0o700)
    (folder / "tasks.db.swarm").symlink_to(cluster.volume / "state")
    use_cluster(swarm, cluster)
    try:
        yield swarm
    finally:
        swarm.end()


def use_cluster(swarm: LiveSwarm, cluster: StandInCluster, more: str = "") -> None:
    (swarm.folder / "swarm.yaml").write_text(
        f"runners: {{kubernetes: {{image: {IMAGE}, claim: {CLAIM}, namespace: {NAMESPACE}, "
        f"folder: {cluster.volume}{more}}}}}\n"
    )
    swarm.settings |= {"SWARM_RUNNER": "kubernetes", "SWARM_AGENT_CLI": "command"}


def is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def clients(swarm: LiveSwarm) -> list[int]:
    """Pids of the processes that follow pods of this swarm."""
    found = []
    for pid in all_pids():
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if _CLIENT in line and str(swarm.folder).encode() in environ:
            found.append(pid)
    return found


def output(swarm: LiveSwarm, stream: int = 1) -> str:
    """What sessions have written: 1 is standard output, 2 standard error."""
    sessions = [row[0] for row in swarm.db.connection.rows("SELECT id FROM sessions ORDER BY id")]
    chunks = [chunk for session in sessions for chunk in swarm.db.output.read(session, limit=10_000)]
    return b"".join(chunk.data for chunk in chunks if chunk.stream == stream).decode()


def call(*words: str) -> str:
    """What a command prints."""
    return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.strip()


def is_readable(pid: int) -> bool:
    return os.access(f"/proc/{pid}/cmdline", os.R_OK)
