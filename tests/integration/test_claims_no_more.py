"""A worker that is asked to leave between the end of its agent and the settling of its task claims no other."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from live_swarm import has_dealt_with, wait_until

from chaos import points
from chaos.arena import Arena
from chaos.crew_round import worker_and_agents
from chaos.spawner import Spawner, Tampering
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat

pytestmark = pytest.mark.integration


def frozen_worker(keeper: ProcessId) -> ProcessId | None:
    worker, _ = worker_and_agents(keeper)
    stat = None if worker is None else read_stat(worker.pid)
    return worker if stat is not None and stat.state == "T" else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_it_settles_its_task_and_exits(tmp_path: Path, number: signal.Signals) -> None:
    arena = Arena(tmp_path / "arena", seed=1)
    with TaskDatabase(arena.db) as database:
        specs = [TaskSpec(id=name, name=name, run="true") for name in "ab"]
        database.imports.run(specs, source="a test", actor="test")
        spawner = Spawner(arena)
        try:
            freeze = Tampering(point="worker: agent exited, nothing done about it", freeze=True)
            member = spawner.start(points.WORKER, "worker-1", "--worker-id", "worker-1", tampering=freeze)
            wait_until(lambda: frozen_worker(member.process))
            worker = frozen_worker(member.process)
            assert worker is not None
            member.process.kill(number)
            wait_until(lambda: has_dealt_with(member.process.pid, number))
            worker.kill(signal.SIGCONT)
            wait_until(lambda: not spawner.members(points.WORKER))
            assert [database.tasks.get(name)["status"] for name in "ab"] == [Status.COMPLETED, Status.NOT_STARTED]
        finally:
            arena.clear_up()
            spawner.close()
