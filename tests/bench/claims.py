"""The cost of a claim as the queue grows, alone and among many, and whether all get a share."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean, median

from bench.big_queue import fill
from bench.claimers import Mode, Round, Taken, take
from bench.figure import Cell, Figure, Lines, Scale, Table, Target, percentile
from bench.harness import bench_folder

TITLE = "Claims as the queue grows"
SMALL = 1_000
MOST_TIMES_SMALL = 2.0
MOST_P50_MS, MOST_WAIT_MS = 0.15, 500.0
LEAST_SHARE = 0.5  # of what each would have if all were served alike
MANY = 16
USED_SHARE = 0.4  # of a queue, so that its size stays about the same
Key = tuple[int, int, Mode]  # tasks, claimers, mode


def measure(scale: Scale) -> Figure:
    """Fill queues of several sizes, and let one process and many claim from them in turns."""
    sizes = scale.pick((SMALL, 50_000), (SMALL, 100_000, 1_000_000))
    with bench_folder() as folder:
        filled_s = {}
        for size in sizes:
            began = time.monotonic()
            fill(folder / f"{size}.db", size)
            filled_s[size] = time.monotonic() - began
        found: dict[Key, list[Taken]] = {}
        for claimers in (1, MANY):
            found |= _in_turns(folder, sizes, claimers, scale)
    return Figure(
        how=(
            "Half of the tasks are blocked by two others each. Every claimer is a separate process that claims and "
            "settles without an agent, so the claimers compete for the write lock all the time, far more than "
            "workers do. "
            "With NORMAL a commit is not synced to disk; with FULL it is, before the next step. "
            "Sizes take turns; at most two fifths of a queue are used before a new one is built. "
            "Least served: the claims of the claimer that got the fewest, as a share of the average."
        ),
        tables=(Table(columns=_COLUMNS, rows=tuple(_row(key, taken) for key, taken in found.items())),),
        targets=tuple(_targets(found, sizes)),
        plots={
            "claims": Lines(
                title="Time of a claim",
                x_label="queued tasks",
                y_label="milliseconds",
                curves=_curves(found, sizes),
                log_x=True,
                log_y=True,
            )
        },
        notes=tuple(f"filling {size:,} tasks took {s:.1f} s" for size, s in filled_s.items()),
        raw={
            f"{size}/{claimers}/{mode}": [taken.latencies_ms for taken in takes]
            for (size, claimers, mode), takes in found.items()
        },
    )


def _in_turns(folder: Path, sizes: tuple[int, ...], claimers: int, scale: Scale) -> dict[Key, list[Taken]]:
    rounds: list[tuple[Key, Round]] = []
    for turn, mode, size in itertools.product(range(scale.pick(2, 3)), Mode, sizes):
        path = folder / f"{size}.db"
        if size == SMALL:  # small enough to be used up: a fresh copy each time; no one has it open
            path = Path(shutil.copy(path, folder / f"{claimers}-{mode.name}-{turn}.db"))
        one = Round(path=path, mode=mode, seconds=scale.pick(0.5, 1.0), at_most=int(size * USED_SHARE))
        rounds.append(((size, claimers, mode), one))
    found: dict[Key, list[Taken]] = {}
    for (key, _), taken in zip(rounds, take([one for _, one in rounds], claimers), strict=True):
        found.setdefault(key, []).append(taken)
    return found


def _targets(found: Mapping[Key, list[Taken]], sizes: tuple[int, ...]) -> Iterator[Target]:
    small, large = sizes[0], sizes[-1]
    yield Target(
        text=f"{Mode.CLAIM} at {large:,} tasks, one worker, median",
        value=_p50(found[large, 1, Mode.CLAIM]),
        limit=MOST_P50_MS,
        unit="ms",
    )
    for mode in Mode:
        yield Target(
            text=f"{mode} at {large:,} tasks beside {small:,}, one worker, median",
            value=_p50(found[large, 1, mode]) / _p50(found[small, 1, mode]),
            limit=MOST_TIMES_SMALL,
            unit="×",
        )
    for mode in Mode:
        yield Target(
            text=f"{mode}, {MANY} workers, worst wait at any size",
            value=max(max(taken.all()) for size in sizes for taken in found[size, MANY, mode]),
            limit=MOST_WAIT_MS,
            unit="ms",
        )
    yield Target(
        text=f"least served of {MANY} workers at any size, as a share of the average",
        value=min(_least_share(found[size, MANY, mode]) for size in sizes for mode in Mode),
        limit=LEAST_SHARE,
        at_most=False,
    )


_COLUMNS = ("queued tasks", "claimers", "transaction", "p50 ms", "p99 ms", "worst ms", "claims/s", "least served")


def _row(key: Key, takes: list[Taken]) -> tuple[Cell, ...]:
    size, claimers, mode = key
    latencies = [latency for taken in takes for latency in taken.all()]
    return (
        size,
        claimers,
        str(mode),
        median(latencies),
        percentile(latencies, 0.99),
        max(latencies),
        1000 * claimers / mean(latencies),
        None if claimers == 1 else f"{_least_share(takes):.0%}",
    )


def _least_share(takes: list[Taken]) -> float:
    served = [sum(counts) for counts in zip(*(taken.per_claimer() for taken in takes), strict=True)]
    return min(served) / mean(served)


def _p50(takes: list[Taken]) -> float:
    # The median of the rounds' medians: one disturbed round does not move it.
    return median(median(taken.all()) for taken in takes)


def _curves(found: Mapping[Key, list[Taken]], sizes: tuple[int, ...]) -> dict[str, list[tuple[float, float]]]:
    return {
        f"{mode}, ×{claimers}": [(size, _p50(found[size, claimers, mode])) for size in sizes]
        for claimers in (1, MANY)
        for mode in Mode
    }
