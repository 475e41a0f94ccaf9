"""A round of workers that are stopped past their leases and continue later, when their tasks belong to others."""

from __future__ import annotations

import itertools
import signal
import time

from chaos import points
from chaos.arena import Arena
from chaos.crew_round import worker_and_agents
from chaos.rounds import POLL_S, Progress, finish, judge
from chaos.spawner import Spawner, Tampering
from chaos.verdict import Verdict
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat

WORKERS = 8
LONGEST_MS = 400
# A lease of 0.4 s; the reaper watches an overdue one for a second before it acts on it.
SETTINGS = {"SWARM_HEARTBEAT_S": "0.1"}
FREEZES_AT = (
    "worker: claim committed",
    "worker: before the spawn",
    "worker: spawned, pid not recorded",
    "worker: spawned, pid recorded",
    "worker: session over, not settled",
)
SELF_FROZEN_SHARE = 0.6
# From stopping to continuing, unless it was killed by then: before and after its task is reclaimed.
AWAKE_AFTER_S = (0.6, 4.0)
MEAN_PAUSE_S = 0.15


class Zombies:
    """Workers that are frozen and woken, and a reaper that reclaims their tasks meanwhile."""

    def __init__(self, arena: Arena, *, dawdle: bool) -> None:
        """Start the first of them.

        Args:
            dawdle: The reaper itself wakes each worker up that it has just fenced, and is slow to kill it.
        """
        self.arena, self._rng, self._dawdle = arena, arena.rng, dawdle
        self.frozen = 0
        self.more = True
        self.spawner = Spawner(arena)
        self._numbers = itertools.count(1)
        self._wake_at: dict[ProcessId, float] = {}

    def tend(self) -> None:
        """Restart what has ended, count the frozen workers, and continue those whose time is up."""
        for member, code in self.spawner.ended():
            self.arena.exits[f"{member.program} {code}"] += 1
        for _ in range(WORKERS - len(self.spawner.members(points.WORKER))):
            self._start_worker()
        if not self.spawner.members(points.REAPER):
            name = f"reaper-{next(self._numbers)}"
            self.spawner.start(points.REAPER, name, tampering=Tampering(dawdle=self._dawdle))
        now = time.monotonic()
        standing = {worker for worker, _ in self._families() if _stands_still(worker)}
        for worker in standing - self._wake_at.keys():
            self.frozen += 1
            self._wake_at[worker] = now + self._rng.uniform(*AWAKE_AFTER_S)
        # The others were killed while frozen, or woken by the reaper.
        self._wake_at = {worker: at for worker, at in self._wake_at.items() if worker in standing}
        for worker in [worker for worker, at in self._wake_at.items() if now >= at]:
            worker.kill(signal.SIGCONT)
            del self._wake_at[worker]

    def freeze_somebody(self) -> None:
        """Stop a worker whose agent runs, whatever the worker is doing."""
        if busy := [worker for worker, agents in self._families() if agents and worker not in self._wake_at]:
            self._rng.choice(busy).kill(signal.SIGSTOP)

    def close(self) -> None:
        self.spawner.close()

    def _families(self) -> list[tuple[ProcessId, list[ProcessId]]]:
        """The workers, each with what lives below it."""
        crews = (worker_and_agents(member.process) for member in self.spawner.members(points.WORKER))
        return [(worker, agents) for worker, agents in crews if worker is not None]

    def _start_worker(self) -> None:
        name = f"worker-{next(self._numbers)}"
        tampering = Tampering()
        if self.more and self._rng.random() < SELF_FROZEN_SHARE:
            point = self._rng.choice(FREEZES_AT)
            tampering = Tampering(point=point, nth=self._rng.randint(1, 3), freeze=True)
        self.spawner.start(points.WORKER, name, "--worker-id", name, tampering=tampering)


def _stands_still(process: ProcessId) -> bool:
    stat = read_stat(process.pid)
    return stat is not None and stat.start_time == process.start_time and stat.state == "T"


def run_zombie_round(arena: Arena, taken: int, progress: Progress, *, dawdle: bool, name: str = "frozen") -> Verdict:
    """Freeze until so many attempts were reclaimed from frozen workers; then finish, stop, and judge."""
    began = time.monotonic()
    zombies = Zombies(arena, dawdle=dawdle)
    try:
        next_freeze = time.monotonic()
        arena.feed(longest_ms=LONGEST_MS)
        while (done := arena.taken_away()) < taken:
            progress(done)
            arena.feed(longest_ms=LONGEST_MS)
            zombies.tend()
            if time.monotonic() >= next_freeze:
                zombies.freeze_somebody()
                next_freeze = time.monotonic() + arena.rng.uniform(0, 2 * MEAN_PAUSE_S)
            time.sleep(POLL_S)
        zombies.more = False
        finish(arena, tend=zombies.tend)
        verdict = judge(arena, name, began)
        verdict.frozen = zombies.frozen
        verdict.kills.clear()  # the deaths recorded at the points are freezes here
        return verdict
    finally:
        arena.clear_up()
        zombies.close()
