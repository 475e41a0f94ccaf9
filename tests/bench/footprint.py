"""The cost of an idle swarm: memory of each process, and processor time."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import psutil

from bench.figure import Bars, CannotMeasure, Cell, Figure, Scale, Table, Target
from bench.harness import bench_swarm, crew, noop_tasks, resume, wait_all_completed, wait_idle, wait_until

TITLE = "Memory and idle processor time"
WORKERS = 16
MOST_MIB = 30.0
MOST_PERCENT = 0.5
MOST_IN_ALL_PERCENT = 10.0
SETTLE_S = 2.0  # what the last tasks left to do is done by then
_MIB = 1024**2
_KINDS = ("worker", "its keeper", "reaper", "dashboard, master", "dashboard, server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One process: memory in MiB, and the share of one core that it used, in percent."""

    kind: str
    rss_mib: float
    pss_mib: float
    own_mib: float
    cpu_percent: float


def measure(scale: Scale) -> Figure:
    """Let the whole suite work for a moment, then watch it idle."""
    if not Path("/proc/self/smaps_rollup").exists():
        raise CannotMeasure("needs Linux with /proc/PID/smaps_rollup")
    seconds = scale.pick(4.0, 20.0)
    with bench_swarm() as swarm:
        swarm.reaper()
        swarm.spawn("swarm_dashboard", "--port", "0")
        wait_until(lambda: len(swarm.db.swarm.services()) == 2, "reaper and dashboard", swarm=swarm)
        swarm.add(*noop_tasks(WORKERS * 20))
        crew(swarm, WORKERS)
        resume(swarm)
        wait_all_completed(swarm)
        wait_idle(swarm, WORKERS)
        time.sleep(SETTLE_S)
        members = [(kind, pid) for process in swarm.processes for kind, pid in _family(process.pid)]
        seen = _watch(members, seconds)
    by_kind = {kind: [each for each in seen if each.kind == kind] for kind in _KINDS}
    workers, keepers = by_kind["worker"], by_kind["its keeper"]
    pair_percent = (sum(each.cpu_percent for each in workers) + sum(each.cpu_percent for each in keepers)) / WORKERS
    return Figure(
        how=(
            f"{WORKERS} workers that have worked, the reaper, and a dashboard without viewers; then {seconds:g} s "
            "without work. RSS counts shared pages in every process, PSS divides them, own are used by one alone. "
            "Processor time as the scheduler counts it, in nanoseconds, as a share of one core."
        ),
        tables=(
            Table(
                columns=("process", "number", "RSS MiB", "PSS MiB", "own MiB", "% of a core, each", "together"),
                rows=(*(_row(kind, its) for kind, its in by_kind.items() if its), _total(seen)),
            ),
        ),
        targets=(
            Target(text="a worker's RSS, largest", value=max(w.rss_mib for w in workers), limit=MOST_MIB, unit="MiB"),
            Target(
                text="an idle worker and its keeper, share of a core", value=pair_percent, limit=MOST_PERCENT, unit="%"
            ),
            Target(
                text=f"{WORKERS} idle workers, reaper and dashboard, share of a core",
                value=sum(each.cpu_percent for each in seen),
                limit=MOST_IN_ALL_PERCENT,
                unit="%",
            ),
        ),
        plots={
            "memory": Bars(
                title="Memory of each process (RSS)",
                unit="MiB",
                bars=tuple((kind, mean(each.rss_mib for each in its)) for kind, its in by_kind.items() if its),
                accented=frozenset({"worker", "its keeper"}),
            )
        },
        raw={"processes": [[each.kind, each.rss_mib, each.pss_mib, each.own_mib, each.cpu_percent] for each in seen]},
    )


def _family(pid: int) -> list[tuple[str, int]]:
    process = psutil.Process(pid)
    words = process.cmdline()
    children = [child.pid for child in process.children()]
    if "swarm_worker" in words:
        return [("its keeper", pid), *(("worker", child) for child in children)]
    if "swarm_reaper" in words:
        return [("reaper", pid)]
    return [("dashboard, master", pid), *(("dashboard, server", child) for child in children)]


def _watch(members: list[tuple[str, int]], seconds: float) -> list[Seen]:
    before = [_on_core_ns(pid) for _, pid in members]
    began = time.monotonic_ns()
    time.sleep(seconds)
    used = [_on_core_ns(pid) - earlier for (_, pid), earlier in zip(members, before, strict=True)]
    elapsed = time.monotonic_ns() - began
    return [_seen(kind, pid, 100 * ns / elapsed) for (kind, pid), ns in zip(members, used, strict=True)]


def _on_core_ns(pid: int) -> int:
    """Nanoseconds on a core, all threads; ticks would be too coarse for an idle process."""
    total = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        total += int((thread / "schedstat").read_text().split()[0])
    return total


def _seen(kind: str, pid: int, cpu_percent: float) -> Seen:
    kib: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        kib[name] = int(rest.split()[0])
    return Seen(
        kind=kind,
        rss_mib=kib["Rss"] / 1024,
        pss_mib=kib["Pss"] / 1024,
        own_mib=(kib["Private_Clean"] + kib["Private_Dirty"]) / 1024,
        cpu_percent=cpu_percent,
    )


def _row(kind: str, its: list[Seen]) -> tuple[Cell, ...]:
    return (
        kind,
        len(its),
        mean(each.rss_mib for each in its),
        mean(each.pss_mib for each in its),
        mean(each.own_mib for each in its),
        round(mean(each.cpu_percent for each in its), 3),
        sum(each.cpu_percent for each in its),
    )


def _total(seen: list[Seen]) -> tuple[Cell, ...]:
    return (
        "all together",
        len(seen),
        None,
        sum(each.pss_mib for each in seen),
        sum(each.own_mib for each in seen),
        None,
        sum(each.cpu_percent for each in seen),
    )
