"""What open pages cost the workers: the same tasks with nobody looking, and with ten pages that follow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median

import psutil
import websocket
from live_swarm import LiveSwarm

from bench.asking import Page
from bench.desk import bench_swarm, crew, noop_tasks, resume, wait_all_completed
from bench.figure import Figure, Scale, Table, Target

TITLE = "What open pages cost the workers"
PAGES = 10
WORKERS = 2
READ_BYTES = 1 << 20
PICTURES_EVERY_S = 3.6  # as a page does that shows the last hour
LEAST_SHARE = 0.95  # within what rounds differ by themselves


def measure(scale: Scale) -> Figure:
    """Take turns: nobody looks, ten pages look."""
    rounds, tasks = scale.pick(1, 4), scale.pick(150, 800)
    alone, watched, busy = [], [], []
    for _ in range(rounds):
        alone.append(_round(tasks, pages=0)[0])
        rate, share = _round(tasks, pages=PAGES)
        watched.append(rate)
        busy.append(share)
    kept = median(w / a for w, a in zip(watched, alone, strict=True))
    return Figure(
        how=(
            f"{tasks} no-op tasks by {WORKERS} workers beside a dashboard, in turns: nobody looks, and {PAGES} pages "
            "follow. A page reads every byte of its WebSocket and asks for the pictures of the last hour every "
            f"{PICTURES_EVERY_S:g} s; what a browser would draw runs elsewhere than the workers and is left out."
        ),
        tables=(
            Table(
                columns=("pages", "tasks a second", "dashboard, % of a core"),
                rows=(("none", median(alone), None), (PAGES, median(watched), 100 * median(busy))),
            ),
        ),
        targets=(
            Target(
                text=f"tasks a second with {PAGES} open pages, as a share of those with none",
                value=kept,
                limit=LEAST_SHARE,
                at_most=False,
            ),
        ),
        raw={"alone": alone, "watched": watched, "dashboard_cores": busy},
    )


def _round(tasks: int, *, pages: int) -> tuple[float, float]:
    """Tasks a second, and how many cores the dashboard kept busy meanwhile."""
    with bench_swarm() as swarm:
        swarm.add(*noop_tasks(tasks))
        with _open_pages(swarm, pages):
            crew(swarm, WORKERS)
            server = [psutil.Process(swarm.processes[0].pid), *psutil.Process(swarm.processes[0].pid).children()]
            before_s, began = _cpu_s(server), time.monotonic()
            began_ms = resume(swarm)
            ended_ms = wait_all_completed(swarm)
            cores = (_cpu_s(server) - before_s) / (time.monotonic() - began)
    return tasks * 1000 / (ended_ms - began_ms), cores


@contextmanager
def _open_pages(swarm: LiveSwarm, count: int) -> Iterator[None]:
    """So many pages that follow until the end; the first one starts the dashboard."""
    over = threading.Event()
    first = Page(swarm)
    lines = [first.line() for _ in range(count)]
    threads = [threading.Thread(target=_follow, args=(line, over), daemon=True) for line in lines]
    threads += [threading.Thread(target=_draw, args=(Page(swarm), over), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for line in lines:
            line.close()
        for thread in threads:
            thread.join(5)
        first.close()


def _follow(line: websocket.WebSocket, over: threading.Event) -> None:
    # Bytes, not messages: taking those apart in Python would cost half a core, which a browser spends elsewhere.
    line.sock.settimeout(0.5)
    while not over.is_set():
        try:
            if not line.sock.recv(READ_BYTES):
                return
        except TimeoutError:
            continue
        except OSError:
            return


def _draw(page: Page, over: threading.Event) -> None:
    while not over.wait(PICTURES_EVERY_S):
        page.get("/api/timeline?range=1h&slots=240")
    page.close()


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(p.cpu_times().user + p.cpu_times().system for p in processes)
