"""No-op tasks a second, beside xargs, GNU parallel and the machine's own spawn rate."""

from __future__ import annotations

from statistics import median

from bench import baselines
from bench.desk import bench_folder, bench_swarm, crew, noop_tasks, resume, wait_all_completed, wait_until
from bench.figure import Cell, Figure, Lines, Scale, Table, Target

TITLE = "Throughput of no-op tasks"
LEAST_RATIO = 0.5
TARGET_WORKERS = 4
SYNC_BYTES = 64 * 1024  # about what the log grows by in the transaction that settles a task
OURS, OURS_VALIDATED, XARGS, PARALLEL, SPAWN = (
    "swarm",
    "swarm, with validator",
    "xargs -P",
    "GNU parallel",
    "bare spawn",
)
Rates = dict[str, list[float]]  # name -> tasks (or commands) a second, one number a round


def measure(scale: Scale) -> Figure:
    """Interleave ours and the baselines, round by round, for each number of workers."""
    rounds = scale.pick(1, 3)
    found = {workers: _rounds(workers, rounds, scale) for workers in scale.pick((2, 4), (1, 2, 4, 8))}
    suite = [whole_suite_rate(scale.pick(300, 1200)) for _ in range(rounds)]
    with bench_folder() as folder:
        sync_ms = baselines.sync_ms(folder, count=scale.pick(50, 300), size_bytes=SYNC_BYTES)
    ratios = {workers: median(_ratios(rates, OURS, XARGS)) for workers, rates in found.items()}
    return Figure(
        how=(
            f"Each task runs `{' '.join(baselines.COMMAND)}` by the `command` agent CLI. Workers are up and wait "
            "behind a pause; the time runs from the end of the pause to the last completion. With a validator a task "
            "runs two such commands, so its rate stands beside half of that of xargs. Medians of rounds taken in turns."
        ),
        tables=(Table(columns=_COLUMNS, rows=tuple(_row(workers, rates) for workers, rates in found.items())),),
        targets=(
            Target(
                text=f"no-op tasks at {TARGET_WORKERS} workers, as a share of xargs -P{TARGET_WORKERS}",
                value=ratios[TARGET_WORKERS],
                limit=LEAST_RATIO,
                at_most=False,
            ),
        ),
        plots={
            "throughput": Lines(
                title="No-op tasks a second",
                x_label="workers",
                y_label="tasks a second",
                curves={name: _curve(found, name) for name in next(iter(found.values()))},
            )
        },
        notes=(
            f"with reaper and dashboard beside {TARGET_WORKERS} workers: {median(suite):.0f} tasks/s",
            f"a bare write of {SYNC_BYTES // 1024} KiB with fdatasync, once per task: {sync_ms:.2f} ms",
        ),
        raw={"rates": found, "whole_suite": suite, "sync_ms": sync_ms},
    )


def swarm_rate(count: int, workers: int, *, validation: bool) -> float:
    """Tasks a second of that many workers, from the end of a pause to the last completion."""
    with bench_swarm(validation=validation) as swarm:
        swarm.add(*noop_tasks(count))
        crew(swarm, workers)
        began_ms = resume(swarm)
        return count * 1000 / (wait_all_completed(swarm) - began_ms)


def whole_suite_rate(count: int) -> float:
    """As `swarm_rate`, with the reaper and a dashboard that nobody looks at."""
    with bench_swarm() as swarm:
        swarm.add(*noop_tasks(count))
        swarm.reaper()
        swarm.spawn("swarm_dashboard", "--port", "0")
        wait_until(lambda: len(swarm.db.swarm.services()) == 2, "reaper and dashboard", swarm=swarm)
        crew(swarm, TARGET_WORKERS)
        began_ms = resume(swarm)
        return count * 1000 / (wait_all_completed(swarm) - began_ms)


def _rounds(workers: int, rounds: int, scale: Scale) -> Rates:
    rates: Rates = {OURS: [], XARGS: [], PARALLEL: [], SPAWN: [], OURS_VALIDATED: []}
    tasks, commands = scale.pick(300, 300 + 150 * workers), scale.pick(800, 2000)
    for _ in range(rounds):
        rates[OURS].append(swarm_rate(tasks, workers, validation=False))
        rates[XARGS].append(baselines.xargs_rate(commands, workers))
        rates[OURS_VALIDATED].append(swarm_rate(tasks // 2, workers, validation=True))
        if baselines.has_gnu_parallel():
            rates[PARALLEL].append(baselines.parallel_rate(commands // 8, workers))
        rates[SPAWN].append(baselines.spawn_rate(commands, workers))
    return {name: values for name, values in rates.items() if values}


_COLUMNS = ("workers", OURS, XARGS, "ratio", OURS_VALIDATED, "ratio to half xargs", PARALLEL, SPAWN)


def _row(workers: int, rates: Rates) -> tuple[Cell, ...]:
    return (
        workers,
        median(rates[OURS]),
        median(rates[XARGS]),
        median(_ratios(rates, OURS, XARGS)),
        median(rates[OURS_VALIDATED]),
        2 * median(_ratios(rates, OURS_VALIDATED, XARGS)),
        median(rates[PARALLEL]) if PARALLEL in rates else None,
        median(rates[SPAWN]),
    )


def _ratios(rates: Rates, name: str, base: str) -> list[float]:
    return [ours / theirs for ours, theirs in zip(rates[name], rates[base], strict=True)]


def _curve(found: dict[int, Rates], name: str) -> list[tuple[float, float]]:
    return [(workers, median(rates[name])) for workers, rates in found.items()]
