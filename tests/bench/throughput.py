"""No-op tasks a second, compared with xargs, huey, GNU parallel and the machine's own spawn rate."""

from __future__ import annotations

from statistics import median

from bench import baselines, tools
from bench.figure import PARAGRAPH, Cell, Figure, Lines, Scale, Table, Target
from bench.harness import bench_folder, bench_swarm, crew, noop_tasks, resume, wait_all_completed, wait_until

TITLE = "Throughput of no-op tasks"
# Of the rate of xargs, huey and GNU parallel. A floor, so that nothing rots: tasks of agents take seconds to hours.
LEAST_RATIO = 0.4
LEAST_TIMES_HUEY, LEAST_TIMES_PARALLEL = 1.0, 2.0
TARGET_WORKERS = 4
SYNC_BYTES = 64 * 1024  # about what the log grows by in the transaction that settles a task
OURS, OURS_VALIDATED, XARGS, HUEY, PARALLEL, SPAWN = (
    "swarm",
    "swarm, with validator",
    "xargs -P",
    "huey",
    "GNU parallel",
    "bare spawn",
)
Rates = dict[str, list[float]]  # name -> tasks (or commands) a second, one number a round


def measure(scale: Scale) -> Figure:
    """Interleave ours and the baselines, round by round, for each number of workers."""
    rounds = scale.pick({2: 1, TARGET_WORKERS: 2}, {1: 2, 2: 2, TARGET_WORKERS: 7, 8: 2})
    found = {workers: _rounds(workers, number, scale) for workers, number in rounds.items()}
    suite = [whole_suite_rate(scale.pick(300, 1800)) for _ in range(scale.pick(1, 3))]
    with bench_folder() as folder:
        sync_ms = baselines.sync_ms(folder, count=scale.pick(50, 300), size_bytes=SYNC_BYTES)
    return Figure(
        how=(
            f"Each task runs `{' '.join(baselines.COMMAND)}` by the `command` agent CLI. Workers are up and wait "
            "behind a pause, for whose end they poll every 50 ms; the time runs from that end to the last completion. "
            "With a validator a task runs two such commands, so its rate is compared with half of xargs's. Medians "
            "of rounds taken in turns; a ratio is one of the same round."
            f"{PARAGRAPH}huey {baselines.huey_version()} is SqliteHuey with its defaults on the same disk (write-ahead "
            "log, every commit synced) and as many process workers, behind a gate until all are up. A task runs the "
            "command by subprocess and its result is stored; the time ends when the last command has ended. huey "
            "removes a task from its queue before it runs it: no lease, no retry after a kill, no proof that a "
            "command's processes are gone, no history. xargs, GNU parallel and bare spawning store nothing; the time "
            "of the first two includes their own start."
            f"{PARAGRAPH}Earlier versions wrote the end of a task, the next claim and that task's first session in one "
            "transaction, and synced it while the next agent started. That reached 0.55 of xargs; the aim was 0.8. "
            "A swarm is not meant for empty tasks: an agent works for seconds to hours, and three commits of a tenth "
            "of a millisecond each are not noticeable in comparison. Claiming a task, opening a session, closing it "
            "and ending the attempt are now one short transaction each, the last one synced, and 0.4 is the minimum."
        ),
        tables=(Table(columns=_COLUMNS, rows=tuple(_row(workers, rates) for workers, rates in found.items())),),
        targets=tuple(_targets(found[TARGET_WORKERS])),
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
            *(() if tools.PARALLEL.is_there() else (tools.PARALLEL.missing_text(),)),
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
    """As `swarm_rate`, with the reaper and a dashboard without open pages."""
    with bench_swarm() as swarm:
        swarm.add(*noop_tasks(count))
        swarm.reaper()
        swarm.spawn("swarm_dashboard", "--port", "0")
        wait_until(lambda: len(swarm.db.swarm.services()) == 2, "reaper and dashboard", swarm=swarm)
        crew(swarm, TARGET_WORKERS)
        began_ms = resume(swarm)
        return count * 1000 / (wait_all_completed(swarm) - began_ms)


def _rounds(workers: int, rounds: int, scale: Scale) -> Rates:
    rates: Rates = {OURS: [], XARGS: [], HUEY: [], PARALLEL: [], SPAWN: [], OURS_VALIDATED: []}
    # Seconds each: the end of the pause is noticed within 50 ms, and the log grows at first.
    tasks, commands = scale.pick(400, 1000 + 1000 * workers), scale.pick(1000, 4000)
    for _ in range(rounds):
        rates[OURS].append(swarm_rate(tasks, workers, validation=False))
        rates[XARGS].append(baselines.xargs_rate(commands, workers))
        with bench_folder() as folder:
            rates[HUEY].append(baselines.huey_rate(folder, tasks, workers))
        rates[OURS_VALIDATED].append(swarm_rate(tasks // 2, workers, validation=True))
        if tools.PARALLEL.is_there():
            rates[PARALLEL].append(baselines.parallel_rate(commands // 8, workers))
        rates[SPAWN].append(baselines.spawn_rate(commands, workers))
    return {name: values for name, values in rates.items() if values}


def _targets(rates: Rates) -> list[Target]:
    what = f"no-op tasks at {TARGET_WORKERS} workers"
    targets = [
        Target(
            text=f"{what}, as a share of xargs -P{TARGET_WORKERS}",
            value=median(_ratios(rates, OURS, XARGS)),
            limit=LEAST_RATIO,
            at_most=False,
        ),
        Target(
            text=f"{what}, beside huey",
            value=median(_ratios(rates, OURS, HUEY)),
            limit=LEAST_TIMES_HUEY,
            unit="×",
            at_most=False,
        ),
    ]
    if PARALLEL in rates:
        targets.append(
            Target(
                text=f"{what}, beside GNU parallel",
                value=median(_ratios(rates, OURS, PARALLEL)),
                limit=LEAST_TIMES_PARALLEL,
                unit="×",
                at_most=False,
            )
        )
    return targets


_COLUMNS = ("workers", OURS, XARGS, "ratio", OURS_VALIDATED, "ratio to half xargs", HUEY, PARALLEL, SPAWN)


def _row(workers: int, rates: Rates) -> tuple[Cell, ...]:
    return (
        workers,
        median(rates[OURS]),
        median(rates[XARGS]),
        median(_ratios(rates, OURS, XARGS)),
        median(rates[OURS_VALIDATED]),
        2 * median(_ratios(rates, OURS_VALIDATED, XARGS)),
        median(rates[HUEY]),
        median(rates[PARALLEL]) if PARALLEL in rates else None,
        median(rates[SPAWN]),
    )


def _ratios(rates: Rates, name: str, base: str) -> list[float]:
    return [ours / theirs for ours, theirs in zip(rates[name], rates[base], strict=True)]


def _curve(found: dict[int, Rates], name: str) -> list[tuple[float, float]]:
    return [(workers, median(rates[name])) for workers, rates in found.items()]
