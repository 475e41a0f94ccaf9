"""A real Slurm cluster in which everything is killed at random: no attempt overlaps another, and none is lost."""

from __future__ import annotations

import itertools
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import pytest
from engines import call
from live_swarm import LiveSwarm, live_swarm, wait_until
from slurm_cluster import NODES, Cluster, slurm_cluster, use_slurm

from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration
TASKS, SESSIONS = 40, 6
MATRIX_S = 120.0
LONG_S = 300.0
# Overlapping attempts of one task would meet at its lock. A command that is stopped by TERM is no overlap.
LEDGER = """flock -n -E 99 $AMPLIFIER_SWARM_TASK_ID.lock sh -c 'echo start >> ledger; sleep 1'
code=$?
[ $code != 99 ] || echo overlap >> ledger
exit $code"""
VICTIMS = ("client", "worker", "both", "keeper", "reaper", "job", *NODES, "slurmctld", "drain")


def clients() -> list[int]:
    lines = call("ps", "-eo", "pid,args").splitlines()
    return [int(line.split()[0]) for line in lines if "runners.slurm.client" in line]


class Killer:
    """Ends what runs, and starts again what is needed."""

    def __init__(self, swarm: LiveSwarm, cluster: Cluster) -> None:
        self._swarm, self._cluster = swarm, cluster
        self._rng = random.Random(7)
        # One that crashes often would wait longer and longer.
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._reaper = swarm.reaper()
        self._workers = [swarm.worker(next(self._names), "--no-validation") for _ in range(SESSIONS)]
        self.killed = dict.fromkeys(VICTIMS, 0)

    def keep_up(self) -> None:
        """Let there be a reaper and all workers."""
        if self._reaper.poll() is not None:
            self._reaper = self._swarm.reaper()
        self._workers = [worker for worker in self._workers if worker.poll() is None]
        missing = SESSIONS - len(self._workers)
        self._workers += [self._swarm.worker(next(self._names), "--no-validation") for _ in range(missing)]

    def strike(self) -> None:
        time.sleep(self._rng.uniform(0.3, 1.5))  # when it strikes is the point of the test
        victim = self._rng.choice(VICTIMS)
        self.killed[victim] += self._kill(victim)
        if self._rng.random() < 0.4:
            self._cluster.revive()

    def _kill(self, victim: str) -> int:
        alive = self._swarm.db.workers.alive()
        workers = [worker.process.pid for worker in alive]
        keepers = [worker.keeper.pid for worker in alive if worker.keeper is not None]
        match victim:
            case "client":
                return self._kill_one(clients())
            case "worker":
                return self._kill_one(workers)
            case "keeper":
                return self._kill_one(keepers)
            case "both":
                return self._kill_one(workers) * self._kill_one(keepers)
            case "reaper":
                return self._kill_one([self._reaper.pid])
            case "job":
                names = self._cluster.jobs(check=False)
                if names:
                    call("scancel", f"--name={self._rng.choice(names)}", check=False)
                return min(len(names), 1)
            case "drain":
                node = self._rng.choice(NODES)
                call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test", check=False)
                return 1
        self._cluster.kill(victim)
        return 1

    def _kill_one(self, pids: list[int]) -> int:
        if not pids:
            return 0
        try:
            os.kill(self._rng.choice(pids), signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1


def test_no_attempt_overlaps_and_none_is_lost_while_everything_is_killed(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, slurm_cluster(Path(name)) as cluster:
        with live_swarm(tmp_path) as swarm:
            use_slurm(swarm)
            swarm.settings |= {"SWARM_CRASH_BUDGET": "1000", "SWARM_CRASH_BACKOFF_S": "0"}
            swarm.settings |= {"SWARM_MAX_RETRIES": "1000", "SWARM_STOP_ON_SAME_PROBLEM": "false"}
            ids = [f"t{number}" for number in range(TASKS)]
            swarm.add(*(TaskSpec(id=task, name=task, run=LEDGER, timeout_minutes=0.5) for task in ids))
            killer = Killer(swarm, cluster)
            ends = time.monotonic() + MATRIX_S
            while time.monotonic() < ends:
                killer.keep_up()
                killer.strike()
            cluster.revive()
            wait_until(lambda: is_done(swarm, killer), swarm.logs, s=LONG_S)
            ledger = (swarm.project / "ledger").read_text().split()
            print(f"slurm: {TASKS} tasks, {SESSIONS} sessions, killed {killer.killed}, {ledger.count('start')} starts")
            assert ledger.count("overlap") == 0
            assert ledger.count("start") >= TASKS
            assert sum(killer.killed.values()) > 10
        wait_until(lambda: cluster.jobs() == [], cluster.logs)


def is_done(swarm: LiveSwarm, killer: Killer) -> bool:
    killer.keep_up()
    swarm.db.swarm.resume(actor="test")
    return all(row[0] == Status.COMPLETED for row in swarm.db.connection.rows("SELECT status FROM tasks"))
