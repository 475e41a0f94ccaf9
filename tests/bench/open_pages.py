"""What open pages cost the workers: their speed without open pages, and with ten."""

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
from bench.figure import Figure, Scale, Table, Target
from bench.harness import bench_swarm, crew, noop_tasks, resume

TITLE = "What open pages cost the workers"
PAGES = 10
WORKERS = 2
READ_BYTES = 1 << 20
PICTURES_EVERY_S = 6.0  # as a page does that shows the last hour
WINDOW_S, SETTLE_S = 2.0, 1.2  # a closed page is noticed within a second
MOST_TASKS_A_SECOND = 2_500  # so that there are always some left
_NEWEST = 2**53  # a page requests data because something has happened
LEAST_SHARE = 0.95  # within what windows differ by themselves


def measure(scale: Scale) -> Figure:
    """Within one run, alternate between no open page and ten."""
    rounds = scale.pick(2, 12)
    alone, watched, busy = [], [], []
    with bench_swarm() as swarm:
        swarm.add(*noop_tasks(round(rounds * 2 * (WINDOW_S + 2 * SETTLE_S) * MOST_TASKS_A_SECOND)))
        Page(swarm).close()  # the first one starts the dashboard
        crew(swarm, WORKERS)
        resume(swarm)
        for turn in range(rounds):
            # Each comes first in half of the rounds: a machine that gets slower or faster favours neither.
            for pages in (0, PAGES)[:: 1 if turn % 2 else -1]:
                time.sleep(SETTLE_S)
                with _open_pages(swarm, pages):
                    rate, cores = _window(swarm)
                (watched if pages else alone).append(rate)
                if pages:
                    busy.append(cores)
    kept = median(w / a for w, a in zip(watched, alone, strict=True))
    return Figure(
        how=(
            f"{WORKERS} workers run no-op tasks with a dashboard, alternately {WINDOW_S:g} s without pages and with "
            f"{PAGES}. A page reads every byte of its WebSocket and requests the charts of the last "
            f"hour, of ten thousand attempts, every {PICTURES_EVERY_S:g} s; what a browser would draw runs elsewhere "
            "than the workers and is left out."
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


def _window(swarm: LiveSwarm) -> tuple[float, float]:
    """Tasks a second for a while, and how many cores the dashboard kept busy meanwhile."""
    time.sleep(SETTLE_S)
    server = [psutil.Process(swarm.processes[0].pid), *psutil.Process(swarm.processes[0].pid).children()]
    began, done, used_s = time.monotonic(), _completed(swarm), _cpu_s(server)
    time.sleep(WINDOW_S)
    took_s = time.monotonic() - began
    more = _completed(swarm) - done
    if not more or _completed(swarm) == swarm.db.connection.value("SELECT count(*) FROM tasks"):
        raise RuntimeError("the workers had nothing to do for some of the time")
    return more / took_s, (_cpu_s(server) - used_s) / took_s


def _completed(swarm: LiveSwarm) -> int:
    done = "SELECT coalesce(sum(tasks), 0) FROM counters WHERE status = 'completed'"
    return int(swarm.db.connection.value(done))


@contextmanager
def _open_pages(swarm: LiveSwarm, count: int) -> Iterator[None]:
    """So many pages that follow until the end."""
    over = threading.Event()
    first = Page(swarm)
    lines = [first.line() for _ in range(count)]
    first.close()
    threads = [threading.Thread(target=_follow, args=(line, over), daemon=True) for line in lines]
    waits_s = [PICTURES_EVERY_S * n / count for n in range(count)]
    threads += [threading.Thread(target=_draw, args=(Page(swarm), s, over), daemon=True) for s in waits_s]
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


def _draw(page: Page, wait_s: float, over: threading.Event) -> None:
    while not over.wait(wait_s):
        page.get(f"/api/timeline?range=1h&slots=240&seq={_NEWEST}")
        wait_s = PICTURES_EVERY_S
    page.close()


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(p.cpu_times().user + p.cpu_times().system for p in processes)
