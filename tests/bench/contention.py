"""Many tasks that change the same few files until all have landed, with a gate and without."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from landing_harness import LandingSwarm, contending_tasks, landing_swarm
from live_swarm import wait_until

from bench.figure import Figure, Scale, Table, Target, percentile
from swarm_shared.domain.models import Status

TITLE = "Landing under contention"
FILES, WORKERS, LONGEST_S = 5, 6, 3
LANDING_LIMIT_MS = 200.0  # without a gate
PATIENCE_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contended:
    """The result of one queue."""

    landed: int
    attempts: int
    refused: int
    held: int
    lines_lost: int
    landing_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """Tasks that change different files, until all have landed."""

    seconds: float
    gate_runs: int


def measure(scale: Scale) -> Figure:
    """The same tasks twice: without a gate, and with one that two of them fail only together; and a slow gate."""
    tasks = scale.pick(12, 40)
    found = {gate: _contended(tasks, gate) for gate in (False, True)}
    independent, gate_s = scale.pick((6, 1.0), (20, 6.0))
    batches = {size: _gated(independent, gate_s, size) for size in (1, 10)}
    p95 = percentile(found[False].landing_ms, 0.95)
    return Figure(
        how=(
            f"{tasks} tasks and {WORKERS} workers; each task appends a line to two of {FILES} files, takes 0 to "
            f"{LONGEST_S} s, and resolves its conflicts by keeping both sides. Then {independent} tasks that change "
            f"different files, with a gate of {gate_s:g} s, tested one by one and in batches."
        ),
        tables=(
            Table(
                columns=("gate", "landed", "attempts", "refused landings", "held", "lines lost", "landing p95, ms"),
                rows=tuple(
                    (
                        "yes" if gate else "no", one.landed, one.attempts, one.refused, one.held, one.lines_lost,
                        percentile(one.landing_ms, 0.95),
                    )
                    for gate, one in found.items()
                ),
            ),
            Table(
                columns=("gate_batch", "runs of the gate", "seconds until all have landed"),
                rows=tuple((size, one.gate_runs, round(one.seconds, 1)) for size, one in batches.items()),
            ),
        ),
        targets=(
            Target(text="tasks that have not landed", value=sum(tasks - one.landed for one in found.values()), limit=0),
            Target(text="lines lost", value=sum(one.lines_lost for one in found.values()), limit=0),
            Target(text="one landing, 95th percentile", value=p95, limit=LANDING_LIMIT_MS, unit="ms"),
        ),
    )  # fmt: skip


def _contended(tasks: int, gate: bool) -> Contended:
    with tempfile.TemporaryDirectory(prefix="swarm-bench-") as folder, landing_swarm(Path(folder)) as swarm:
        expected = contending_tasks(swarm, tasks=tasks, files=FILES, longest_s=LONGEST_S, gate=gate)
        for number in range(1, WORKERS + 1):
            swarm.worker(f"worker-{number}", "--no-validation")
        settled = {Status.COMPLETED, Status.HELD, Status.FAILED}
        wait_until(lambda: swarm.db.tasks.counts().keys() <= settled, swarm.db.tasks.counts, PATIENCE_S)
        return _result(swarm, expected)


def _result(swarm: LandingSwarm, expected: dict[str, list[str]]) -> Contended:
    rows = swarm.db.connection.rows("SELECT attempt_count, landing_failures FROM tasks")
    times = swarm.db.connection.rows("SELECT ended_at - claimed_at FROM attempts WHERE kind = 'landing'")
    lost = sum((Counter(lines) - Counter(swarm.landed(file).splitlines())).total() for file, lines in expected.items())
    counts = swarm.db.tasks.counts()
    return Contended(
        landed=len(swarm.trailers()),
        attempts=sum(attempts for attempts, _ in rows),
        refused=sum(refused for _, refused in rows),
        held=counts.get(Status.HELD, (0, 0.0))[0],
        lines_lost=lost,
        landing_ms=tuple(float(ms) for (ms,) in times),
    )


def _gated(tasks: int, gate_s: float, size: int) -> Gated:
    with tempfile.TemporaryDirectory(prefix="swarm-bench-") as folder, landing_swarm(Path(folder)) as swarm:
        ran = swarm.folder / "gate-runs"
        ran.touch()
        settings = f"gate: ['echo ran >> {ran}; sleep {gate_s}']\ngate_batch: {size}\n"
        (swarm.folder / "swarm.yaml").write_text(settings)
        swarm.add(*(swarm.task(f"t{n}", f"echo {n} > own-{n}.txt") for n in range(tasks)))
        began = time.monotonic()
        for number in range(1, WORKERS + 1):
            swarm.worker(f"worker-{number}", "--no-validation")
        wait_until(lambda: swarm.db.tasks.counts().keys() == {Status.COMPLETED}, swarm.db.tasks.counts, PATIENCE_S)
        return Gated(seconds=time.monotonic() - began, gate_runs=len(ran.read_text().split()))
