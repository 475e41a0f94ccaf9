"""The cost of a swarm with many workers: memory, CPU time, writes, and the time to start, recover and stop."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from bench.figure import Cell, Figure, Scale, Table, Target, percentile
from bench.harness import bench_folder
from bench.hub import AGENTS, OURS, Costs, Hub, costs, cpu_shares, hub

TITLE = "Many workers"
WORKERS_VARIABLE = "BENCH_WORKERS"  # other numbers of workers, such as 10,256
QUICK, FULL = (10, 50), (10, 50, 100, 200, 256)
MOST_KILLED = 50
SETTLE_S = 3.0
POLL_S = 0.5
MOST_MIB_EACH, MOST_PERCENT = 30.0, 100.0
MOST_FILES = 1024  # the usual soft limit of open files


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One swarm of one size. Shares are in percent of a core, by kind of process."""

    workers: int
    up_s: float
    up_cpu_s: float
    memory: dict[str, Costs]
    files: int
    idle: dict[str, float]
    busy: dict[str, float]
    writes_per_s: float
    claims_ms: tuple[float, ...]
    killed: int
    requeued_s: float
    recovered_s: float
    down_s: float
    stop_s: float


def measure(scale: Scale) -> Figure:
    """Swarms of several sizes under a supervisord each, one after the other."""
    asked = os.environ.get(WORKERS_VARIABLE)
    sizes = tuple(int(size) for size in asked.split(",")) if asked else scale.pick(QUICK, FULL)
    seen = [_one(size, scale.pick(5.0, 15.0)) for size in sizes]
    most = seen[-1]
    return Figure(
        how=(
            "Supervisord with the shipped configuration, the reaper, a dashboard without viewers, and workers whose "
            "agents are shells that wait. `scale N` from one worker until all N are idle; a look at the idle swarm; "
            f"N tasks imported at once; a look at the busy one; kill -9 of up to {MOST_KILLED} workers at once until "
            "all of their tasks are requeued, and until agents run again in workers that supervisord has restarted; "
            "`scale 1`; stop. CPU time and PSS hardly depend on what else the machine does; wall times do."
        ),
        tables=(
            Table(title="Memory and CPU time", columns=_COSTS, rows=tuple(_cost_row(one) for one in seen)),
            Table(title="By program, in percent of a core", columns=_SHARES, rows=tuple(_shares(seen))),
            Table(title="Times", columns=_TIMES, rows=tuple(_time_row(one) for one in seen)),
        ),
        targets=(
            Target(
                text=f"memory (PSS) for each of {most.workers} workers with its keeper",
                value=_ours_mib(most) / most.workers,
                limit=MOST_MIB_EACH,
                unit="MiB",
            ),
            Target(text=f"{most.workers} idle workers", value=sum(most.idle.values()), limit=MOST_PERCENT, unit="%"),
            Target(
                text=f"{most.workers} sessions that wait",
                value=sum(most.busy[kind] for kind in OURS),
                limit=MOST_PERCENT,
                unit="%",
            ),
            Target(text="open files of supervisord", value=most.files, limit=MOST_FILES),
        ),
        raw={str(one.workers): {"claims_ms": one.claims_ms, "idle": one.idle, "busy": one.busy} for one in seen},
    )


def _one(workers: int, seconds: float) -> Seen:
    with bench_folder() as folder, hub(folder, 1) as swarm:
        swarm.wait_for_workers(1, "idle")
        began = time.monotonic()
        swarm.client.scale(workers)
        swarm.wait_for_workers(workers, "idle")
        up_s = time.monotonic() - began
        time.sleep(SETTLE_S)
        members = swarm.members()
        up_cpu_s = sum(one.cpu_s for one in costs(members).values())
        idle = cpu_shares(members, seconds, meanwhile=time.sleep)
        claims_ms = _all_at_once(swarm, workers)
        time.sleep(SETTLE_S)
        members = swarm.members()
        memory = costs(members)
        counted = _Writes(swarm)
        busy = cpu_shares(members, seconds, meanwhile=counted.count)
        files = len(os.listdir(f"/proc/{swarm.process.pid}/fd"))
        killed = min(workers, MOST_KILLED)
        requeued_s, recovered_s = _kill(swarm, killed)
        swarm.open_gate()
        swarm.wait_for_workers(workers, "idle")
        began = time.monotonic()
        swarm.client.scale(1)
        swarm.wait(lambda: len(swarm.client.slots()) == 1, "the others to leave")
        down_s = time.monotonic() - began
        return Seen(
            workers=workers,
            up_s=up_s,
            up_cpu_s=up_cpu_s,
            memory=memory,
            files=files,
            idle=idle,
            busy=busy,
            writes_per_s=counted.writes / seconds,
            claims_ms=claims_ms,
            killed=killed,
            requeued_s=requeued_s,
            recovered_s=recovered_s,
            down_s=down_s,
            stop_s=swarm.stop(),
        )


def _all_at_once(swarm: Hub, workers: int) -> tuple[float, ...]:
    """Milliseconds from the import of a task for each worker to each claim; returns once all agents run."""
    imported = swarm.add_waiting(workers, prefix="wait-")
    _wait_for_agents(swarm, workers)
    return tuple(float(at - imported) for (at,) in swarm.db.connection.rows("SELECT claimed_at FROM attempts"))


def _wait_for_agents(swarm: Hub, count: int) -> None:
    running = "SELECT count(*) FROM attempts WHERE started_at IS NOT NULL AND ended_at IS NULL"
    swarm.wait(lambda: swarm.db.connection.value(running) == count, f"{count} running agents")


def _kill(swarm: Hub, count: int) -> tuple[float, float]:
    """Seconds until the last task of the killed workers is requeued, and until agents run again for all of them."""
    victims = [worker.process for worker in swarm.db.workers.alive()][:count]
    open_before = int(swarm.db.connection.value("SELECT count(*) FROM attempts WHERE ended_at IS NULL"))
    began = time.time_ns() / 1e9
    for victim in victims:
        victim.kill(signal.SIGKILL)
    ended = "SELECT count(*) FROM attempts WHERE ended_at IS NOT NULL"
    swarm.wait(lambda: swarm.db.connection.value(ended) >= count, "their tasks to be requeued")
    requeued = swarm.db.connection.value("SELECT max(ended_at) FROM attempts") / 1000
    _wait_for_agents(swarm, open_before)
    return requeued - began, swarm.db.connection.value("SELECT max(started_at) FROM attempts") / 1000 - began


class _Writes:
    """Counts heartbeats and signs of progress in the rows, which are most of what a waiting swarm writes."""

    def __init__(self, swarm: Hub) -> None:
        self.writes = 0
        self._swarm = swarm

    def count(self, seconds: float) -> None:
        """Watch for so long."""
        readings = [self._read()]
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(POLL_S, left))
            readings.append(self._read())
        self.writes = sum(len(after - before) for before, after in pairwise(readings))

    def _read(self) -> set[tuple[object, ...]]:
        rows = self._swarm.db.connection.rows
        heartbeats = rows("SELECT 'worker', run, heartbeat_at FROM workers WHERE stopped_at IS NULL")
        progress = rows("SELECT 'attempt', id, progress_at FROM attempts WHERE ended_at IS NULL")
        return {*map(tuple, heartbeats), *map(tuple, progress)}


_COSTS = (
    "workers", "PSS MiB, without agents", "each worker with its keeper", "CPU s to start all", "idle, % of a core",
    "busy, % of a core", "writes/s while busy", "open files of supervisord",
)  # fmt: skip
_SHARES = ("workers", "state", *OURS)
_TIMES = (
    "workers", "`scale N`, s", "claims p50 ms", "p99 ms", "killed", "all requeued, s", "all running again, s",
    "`scale 1`, s", "stop, s",
)  # fmt: skip


def _ours_mib(one: Seen) -> float:
    return one.memory["worker"].pss_mib + one.memory["its keeper"].pss_mib


def _cost_row(one: Seen) -> tuple[Cell, ...]:
    return (
        one.workers,
        sum(each.pss_mib for kind, each in one.memory.items() if kind != AGENTS),
        _ours_mib(one) / one.workers,
        one.up_cpu_s,
        sum(one.idle[kind] for kind in OURS),
        sum(one.busy[kind] for kind in OURS),
        one.writes_per_s,
        one.files,
    )


def _shares(seen: Sequence[Seen]) -> list[tuple[Cell, ...]]:
    return [
        (one.workers, state, *(shares[kind] for kind in OURS))
        for one in seen
        for state, shares in (("idle", one.idle), ("busy", one.busy))
    ]


def _time_row(one: Seen) -> tuple[Cell, ...]:
    p50, p99 = median(one.claims_ms), percentile(one.claims_ms, 0.99)
    return (one.workers, one.up_s, p50, p99, one.killed, one.requeued_s, one.recovered_s, one.down_s, one.stop_s)
