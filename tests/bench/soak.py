"""Let a swarm work for a while and see whether anything grows: python tests/bench/soak.py MINUTES

A steady stream of short tasks through real workers, the reaper and the dashboard. Memory, descriptors and threads
of each process, the database and its log are sampled; the end prints how much each grows in an hour, and draws it.
Ends with 1 when one of them is beyond doubt above its bound, or when a task was not completed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psutil

if __name__ == "__main__":
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests / "support")]

from live_swarm import LiveSwarm

from bench.figure import Lines
from bench.harness import WORKSHOP, bench_swarm, wait_until
from bench.plot import svg
from bench.slopes import Point, Slope, slope
from swarm_shared.domain.models import TaskSpec

WORKERS = 2
TASKS_PER_S = 2.0
BACKLOG = 20  # a machine that is too slow for the pace gets no more than this
SAMPLE_S = 2.0
TELL_S = 15.0
# Until then caches fill and lists reach their length, which is not growth.
WARM_UP_SHARE, WARM_UP_H = 0.25, 2 / 60
SHORTEST_MINUTES = 4.0
DRAIN_S = 120.0
_MIB = 1024**2

# What may be gained in an hour at this pace. The database keeps the history of every task, so it may grow with them.
BOUNDS = {"MiB": 4.0, "descriptors": 2.0, "threads": 1.0, "MiB of log": 16.0}
KIB_PER_TASK = 24.0


@dataclass(slots=True)
class Series:
    """One thing that is watched, in `unit`; x is hours since the beginning."""

    unit: str
    bound: float
    points: list[Point] = field(default_factory=list)

    def slope(self) -> Slope:
        """Growth per hour once it had settled."""
        settled_h = max(WARM_UP_H, self.points[-1][0] * WARM_UP_SHARE)
        return slope([(hours, value) for hours, value in self.points if hours >= settled_h])


class Soak:
    """A swarm at work, and the samples taken of it."""

    def __init__(self, swarm: LiveSwarm) -> None:
        self.series: dict[str, Series] = {}
        self.fed = 0
        self._swarm = swarm
        self._sleepers = swarm.folder / "sleepers"
        swarm.reaper()
        swarm.spawn("swarm_dashboard", "--port", "0")
        for number in range(1, WORKERS + 1):
            swarm.worker(f"worker-{number}")
        wait_until(
            lambda: len(swarm.db.swarm.services()) == 2 and len(swarm.db.workers.alive()) == WORKERS,
            "the services",
            swarm=swarm,
        )
        self._began = time.monotonic()

    def run(self, minutes: float) -> None:
        """Feed and look until the time is over, then let it finish what it has."""
        until = self._began + minutes * 60
        next_sample = next_word = self._began
        while (now := time.monotonic()) < until:
            self._feed(now)
            if now >= next_sample:
                next_sample += SAMPLE_S
                self._sample(now)
                self._look_at_the_page()
            if now >= next_word:
                next_word += TELL_S
                print(self._told(now, minutes), flush=True)
            self._rest(min(next_sample, now + 0.25))
        left = "SELECT coalesce(sum(tasks), 0) FROM counters WHERE status <> 'completed'"
        wait_until(lambda: not self._value(left), "the last tasks", swarm=self._swarm, s=DRAIN_S)

    def _rest(self, until: float) -> None:
        wait_until(lambda: time.monotonic() >= until, "the next look", swarm=self._swarm)

    def faults(self) -> list[str]:
        """Faults other than growth."""
        found = []
        if (done := self._value("SELECT count(*) FROM tasks WHERE status = 'completed'")) != self.fed:
            found.append(f"{done} of {self.fed} tasks are completed")
        if (health := self._swarm.db.connection.value("PRAGMA integrity_check")) != "ok":
            found.append(f"the database is damaged: {health}")
        if leftovers := self._swarm.leftovers():
            found.append(f"left behind: {leftovers[:5]}")
        return found

    # ───── work ─────

    def _feed(self, now: float) -> None:
        due = min(round((now - self._began) * TASKS_PER_S), self.fed + BACKLOG)
        waiting = self._value("SELECT coalesce(sum(tasks), 0) FROM counters WHERE status <> 'completed'")
        if due > self.fed and waiting < BACKLOG:
            self._swarm.add(*(self._task(n) for n in range(self.fed, due)))
            self.fed = due

    def _task(self, n: int) -> TaskSpec:
        """Mostly plain ones; some fail once, leave a process behind, or wait for the one before."""
        run = "head -c 3000 /dev/urandom | base64"
        if n % 7 == 3:
            run += '; [ "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" -gt 1 ]'
        if n % 11 == 5:
            run += "; (setsid sleep 3600 &)"
        needs = (f"t{n - 1}",) if n % 5 == 4 else ()
        return TaskSpec(id=f"t{n}", name=f"soak {n}", run=run, dependencies=needs, files=(f"part-{n % 50}.txt",))

    def _look_at_the_page(self) -> None:
        service = self._swarm.db.swarm.services()["dashboard"]
        url = str(service.detail["url"]).rstrip("/")
        token = self._swarm.db.swarm.dashboard_token()
        request = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()

    # ───── sampling ─────

    def _sample(self, now: float) -> None:
        hours = (now - self._began) / 3600
        for name, process in self._processes():
            try:
                with process.oneshot():
                    self._note(f"{name}, memory", "MiB", hours, _memory(process) / _MIB)
                    self._note(f"{name}, descriptors", "descriptors", hours, process.num_fds())
                    self._note(f"{name}, threads", "threads", hours, process.num_threads())
            except psutil.NoSuchProcess:
                continue  # wait_until reports it when it was one of ours
        path = self._swarm.path
        self._note("write-ahead log", "MiB of log", hours, os.stat(f"{path}-wal").st_size / _MIB)
        self._note("database", "MiB of history", hours, path.stat().st_size / _MIB)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for worker in self._swarm.db.workers.alive():
            yield worker.worker_id, psutil.Process(worker.process.pid)
            if worker.keeper is not None:
                yield f"keeper of {worker.worker_id}", psutil.Process(worker.keeper.pid)
        for name, service in self._swarm.db.swarm.services().items():
            process = psutil.Process(service.process.pid)
            yield name, process
            for number, child in enumerate(process.children(), 1):
                yield f"{name}, server {number}", child

    def _note(self, name: str, unit: str, hours: float, value: float) -> None:
        bound = BOUNDS.get(unit, TASKS_PER_S * 3600 * KIB_PER_TASK / 1024)
        self.series.setdefault(name, Series(unit, bound)).points.append((hours, value))

    def _told(self, now: float, minutes: float) -> str:
        done = self._value("SELECT coalesce(sum(tasks), 0) FROM counters WHERE status = 'completed'")
        memory = sum(s.points[-1][1] for s in self.series.values() if s.unit == "MiB" and s.points)
        spent = (now - self._began) / 60
        return f"{spent:5.1f} of {minutes:g} min   {done} tasks completed   {memory:.1f} MiB of memory in all"

    def _value(self, statement: str) -> int:
        return int(self._swarm.db.connection.value(statement))


def _memory(process: psutil.Process) -> int:
    """Bytes that a process has written to. Its share of mapped files would move when a neighbour comes or goes.

    Raises:
        NoSuchProcess: It has ended.
    """
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return int(process.memory_info().rss)  # another system than Linux, or gone: then this says so
    for line in lines:
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise psutil.NoSuchProcess(process.pid)


def report(series: dict[str, Series]) -> list[str]:
    """Print each slope with its bound; the names of those that are above it."""
    grown = []
    print(f"\n{'':34}{'now':>10}{'per hour':>12}{'± 95 %':>10}{'bound':>9}")
    for name, each in series.items():
        found = each.slope()
        if found.is_above(each.bound):
            grown.append(name)
        mark = "   GROWS" if name in grown else ""
        print(f"{name:34}{each.points[-1][1]:10.2f}{found.value:12.2f}{found.margin:10.2f}{each.bound:9.1f}{mark}")
    return grown


def keep(soak: Soak, minutes: float) -> None:
    """Write the samples and their pictures next to those of the benchmarks."""
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    stem = WORKSHOP / f"soak-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    raw = {name: {"unit": each.unit, "points": each.points} for name, each in soak.series.items()}
    stem.with_suffix(".json").write_text(json.dumps({"minutes": minutes, "tasks": soak.fed, "series": raw}))
    for kind, units in (("memory", {"MiB"}), ("files", {"MiB of log", "MiB of history"})):
        curves = {
            name.removesuffix(", memory"): [(60 * hours, value) for hours, value in each.points]
            for name, each in soak.series.items()
            if each.unit in units
        }
        heading = {"memory": "Memory of each process", "files": "Database and write-ahead log"}[kind]
        plot = Lines(title=f"{heading}, {minutes:g} minutes", x_label="minutes", y_label="MiB", curves=curves)
        file = stem.with_name(f"{stem.name}-{kind}.svg")
        file.write_text(svg(plot))
        print(f"drawn: {file}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("minutes", type=float, nargs="?", default=10.0, help="how long (10)")
    minutes: float = parser.parse_args().minutes
    if minutes < SHORTEST_MINUTES:
        parser.error(f"in less than {SHORTEST_MINUTES:g} minutes nothing can be concluded")
    with ExitStack() as stack:
        soak = Soak(stack.enter_context(bench_swarm()))
        soak.run(minutes)
        faults = soak.faults()
    grown = report(soak.series)
    keep(soak, minutes)
    print(
        *(f"FAULT: {fault}" for fault in faults), f"{soak.fed} tasks; {len(grown)} of {len(soak.series)} grow", sep="\n"
    )
    return 1 if grown or faults else 0


if __name__ == "__main__":
    sys.exit(main())
