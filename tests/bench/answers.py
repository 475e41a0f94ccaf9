"""How long the dashboard's responses take with a million tasks."""

from __future__ import annotations

import time

from bench.asking import Page
from bench.big_queue import add_history, fill
from bench.figure import Bars, Cell, Figure, Scale, Table, Target, percentile, summary
from bench.harness import bench_swarm

TITLE = "The dashboard's answers in a large queue"
MOST_MS = 100.0
WORKERS = 16
APART_MS = 300  # between two claims: twelve thousand attempts in the last hour
# What a user sees, and what the page requests; {n} is a different number each time, so that nothing is cached.
ASKED = {
    "first page": "/api/tasks?limit=50",
    "a later page": "/api/tasks?limit=50&cursor={middle}",
    "state and counts": "/api/status",
    "counts by status and phase": "/api/tasks?status=blocked&phase=phase+3&limit=1",
    "search status:failed": "/api/tasks?q=status%3Afailed",
    "search phase:… status:failed": "/api/tasks?q=phase%3A%22phase+3%22+status%3Afailed",
    "search id:…": "/api/tasks?q=id%3Atask-{n}",
    "search two words, found seldom": "/api/tasks?q=task+{n}",
    "dry run: all that failed": "/api/count?status=failed&verb=retry",
    "dry run: words, first answer": "/api/count?q=task+{n}&verb=hold",
    "lanes, bars, progress: 15 min": "/api/timeline?range=15m&slots={slots}",
    "lanes, bars, progress: 1 h": "/api/timeline?range=1h&slots={slots}",
    "lanes, bars, progress: 24 h": "/api/timeline?range=24h&slots={slots}",
    "graph by phases": "/api/graph?depth={depth}",
    "graph of a phase": "/api/graph?phase=phase+{digit}",
    "graph around a task": "/api/graph?task=task-{n}&depth=8",
    "one task": "/api/tasks/task-{n}",
    "failures": "/api/failures",
    "needs you": "/api/needs",
}


def measure(scale: Scale) -> Figure:
    """Request everything that a page shows from a real dashboard, one request after the other."""
    count, tried, times = scale.pick(100_000, 1_000_000), scale.pick(20_000, 300_000), scale.pick(8, 60)
    with bench_swarm() as swarm:
        fill(swarm.path, count)
        add_history(swarm.path, tried, workers=WORKERS, until=time.time_ns() // 1_000_000, apart_ms=APART_MS)
        page = Page(swarm)
        found = {name: _times(page, path, count, times) for name, path in ASKED.items()}
        size = {name: len(page.get(_filled(path, 1, count))[1]) for name, path in ASKED.items()}
        page.close()
    promised = {name: percentile(values, 0.95) for name, values in found.items()}
    slowest = max(promised, key=lambda name: promised[name])
    return Figure(
        how=(
            f"{count:,} tasks in ten phases, half of them blocked, and {tried:,} attempts by {WORKERS} workers, "
            f"{APART_MS} ms apart. A dashboard process is asked {times} times for each over one connection; the time "
            "ends when the whole answer is there. Responses that are cached for a second are requested with different "
            "parameters each time. A search for words stops after a while and reports its position: the page "
            "continues from there."
        ),
        tables=(
            Table(
                columns=("answer", "p50 ms", "p95 ms", "worst ms", "KiB"),
                rows=tuple(_row(name, values, size[name]) for name, values in found.items()),
            ),
        ),
        targets=(
            Target(
                text=f"an answer's 95th percentile, slowest ({slowest})",
                value=promised[slowest],
                limit=MOST_MS,
                unit="ms",
            ),
        ),
        plots={
            "answers": Bars(
                title=f"Answers of the dashboard with {count:,} tasks, 95th percentile",
                unit="ms",
                bars=tuple((name, percentile(values, 0.95)) for name, values in found.items()),
                accented=frozenset(ASKED),
            )
        },
        raw={"ms": found},
    )


def _times(page: Page, path: str, count: int, times: int) -> list[float]:
    page.get(_filled(path, 0, count))  # the first one opens the connection's thread and its database
    return [page.get(_filled(path, n, count))[0] for n in range(1, times + 1)]


def _filled(path: str, n: int, count: int) -> str:
    return path.format(
        n=1 + (n * 7919) % count, middle=count // 2 + n * 50, slots=200 + n, depth=1 + n % 8, digit=n % 10
    )


def _row(name: str, values: list[float], size: int) -> tuple[Cell, ...]:
    middle, _, worst = summary(values)
    return name, middle, percentile(values, 0.95), worst, size / 1024
