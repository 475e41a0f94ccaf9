"""What confinement adds to a session: the same no-op tasks with `runner: local` and with `runner: bwrap`."""

from __future__ import annotations

import shutil
from statistics import median

from bench.figure import Bars, CannotMeasure, Figure, Scale, Table, Target, summary
from bench.harness import bench_swarm, noop_tasks, wait_all_completed

TITLE = "What confinement adds to a session"
MOST_MS = 60.0
RUNNERS = ("local", "bwrap")
_DURATIONS = "SELECT ended_at - started_at FROM sessions WHERE role = 'builder' ORDER BY id"


def measure(scale: Scale) -> Figure:
    """Let one worker at a time carry out short rounds, with each runner in turn."""
    if shutil.which("bwrap") is None:
        raise CannotMeasure("bubblewrap is missing; on Debian type: apt-get install bubblewrap")
    tasks, rounds = scale.pick(20, 60), scale.pick(2, 5)
    took_ms: dict[str, list[float]] = {name: [] for name in RUNNERS}
    for _ in range(rounds):
        for name in RUNNERS:
            took_ms[name] += _round(name, tasks)
    added_ms = median(took_ms["bwrap"]) - median(took_ms["local"])
    return Figure(
        how=(
            f"One worker and {tasks} no-op tasks in each of {rounds} rounds per runner, which take turns. A session "
            "lasts from before the start of its process until nothing of it is left, as the database has it in whole "
            "milliseconds."
        ),
        tables=(
            Table(
                columns=("runner", "sessions", "p50 ms", "p99 ms", "worst ms"),
                rows=tuple((name, len(values), *summary(values)) for name, values in took_ms.items()),
            ),
        ),
        targets=(Target(text="added to a session by bwrap, p50", value=added_ms, limit=MOST_MS, unit="ms"),),
        plots={
            "confinement": Bars(
                title="A no-op session",
                unit="ms",
                bars=tuple((name, median(values)) for name, values in took_ms.items()),
                accented=frozenset({"bwrap"}),
            )
        },
        raw=took_ms,
    )


def _round(name: str, tasks: int) -> list[float]:
    """Milliseconds of each session."""
    with bench_swarm() as swarm:
        swarm.settings["SWARM_RUNNER"] = name
        swarm.add(*noop_tasks(tasks))
        swarm.worker("worker-1")
        wait_all_completed(swarm)
        return [float(ms) for (ms,) in swarm.db.connection.rows(_DURATIONS)]
