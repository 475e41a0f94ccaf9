"""Many tasks that change the same few files until all have landed, with a gate and without."""

from __future__ import annotations

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from landing_desk import LandingSwarm, contending_tasks, landing_swarm
from live_swarm import wait_until

from bench.figure import Figure, Scale, Table, Target, percentile
from swarm_shared.domain.models import Status

TITLE = "Landing under contention"
FILES, WORKERS, LONGEST_S = 5, 6, 3
LANDING_LIMIT_MS = 200.0  # without a gate
PATIENCE_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contended:
    """What came of one queue."""

    landed: int
    attempts: int
    refused: int
    held: int
    lines_lost: int
    landing_ms: tuple[float, ...]


def measure(scale: Scale) -> Figure:
    """The same tasks twice: without a gate, and with one that two of them fail only together."""
    tasks = scale.pick(12, 40)
    found = {gate: _contended(tasks, gate) for gate in (False, True)}
    p95 = percentile(found[False].landing_ms, 0.95)
    return Figure(
        how=(
            f"{tasks} tasks and {WORKERS} workers; each task appends a line to two of {FILES} files, takes 0 to "
            f"{LONGEST_S} s, and resolves its conflicts by keeping both sides."
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
