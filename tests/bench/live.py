"""From a commit to the event on an open page's WebSocket."""

from __future__ import annotations

import json
import random
import time

import websocket
from live_swarm import LiveSwarm

from bench.asking import Page
from bench.figure import Figure, Lines, Scale, Table, Target, cumulative, summary
from bench.harness import DEADLINE_S, bench_swarm

TITLE = "From a commit to the dashboard"
MOST_MS = 300.0
QUIET_S = (0.4, 0.8)  # longer than the page's messages are apart: the usual case, something happens now and then
BUSY_S = (0.01, 0.03)


def measure(scale: Scale) -> Figure:
    """Write events into the log and wait for each on the WebSocket: now and then, and in a rush."""
    with bench_swarm() as swarm:
        page = Page(swarm)
        line = page.line()
        rng = random.Random(1)
        quiet = _latencies(swarm, line, count=scale.pick(12, 60), gap_s=QUIET_S, together=1, rng=rng)
        busy = _latencies(swarm, line, count=scale.pick(4, 15), gap_s=BUSY_S, together=30, rng=rng)
        line.close()
        page.close()
    return Figure(
        how=(
            "One open page. An event is committed; the time ends when the message with it has been received. Now and "
            f"then: {QUIET_S[0]:g} to {QUIET_S[1]:g} s apart. In a rush: 30 events, 10 to 30 ms apart; pages get at "
            "most four updates per second, so some events wait."
        ),
        tables=(
            Table(
                columns=("events", "number", "p50 ms", "p99 ms", "worst ms"),
                rows=(
                    ("now and then", len(quiet), *summary(quiet)),
                    ("in a rush", len(busy), *summary(busy)),
                ),
            ),
        ),
        targets=tuple(
            Target(text=f"commit to event, {name}, p99", value=summary(found)[1], limit=MOST_MS, unit="ms")
            for name, found in (("now and then", quiet), ("in a rush", busy))
        ),
        plots={
            "live": Lines(
                title="From a commit to the event on the WebSocket",
                x_label="milliseconds",
                y_label="% of events",
                curves={"now and then": cumulative(quiet), "in a rush": cumulative(busy)},
            )
        },
        raw={"quiet_ms": quiet, "busy_ms": busy},
    )


def _latencies(
    swarm: LiveSwarm,
    line: websocket.WebSocket,
    *,
    count: int,
    gap_s: tuple[float, float],
    together: int,
    rng: random.Random,
) -> list[float]:
    """Commit so many events, then hear them all; from each one's commit to its arrival, in milliseconds."""
    found: list[float] = []
    for _ in range(count):
        committed: dict[int, float] = {}
        arrived: dict[int, float] = {}
        for _ in range(together):
            _hear(line, arrived, until=time.monotonic() + rng.uniform(*gap_s))
            swarm.db.events.add("resumed", "an event of the measurement")
            committed[swarm.db.events.last_id()] = time.monotonic()
        deadline = time.monotonic() + DEADLINE_S
        while not committed.keys() <= arrived.keys():
            if time.monotonic() > deadline:
                raise TimeoutError("an event did not arrive")
            _hear(line, arrived, until=time.monotonic() + 1.0, once=True)
        found += [(arrived[event] - at) * 1000 for event, at in committed.items()]
    return found


def _hear(line: websocket.WebSocket, arrived: dict[int, float], *, until: float, once: bool = False) -> None:
    """Read what comes until a moment, or until one message came; note when each event was there."""
    while (left := until - time.monotonic()) > 0:
        line.settimeout(left)
        try:
            message = json.loads(line.recv())
        except websocket.WebSocketTimeoutException:
            return
        now = time.monotonic()
        if message["type"] == "events":
            for event in message["data"]:
                arrived.setdefault(event["id"], now)
        if once:
            return
