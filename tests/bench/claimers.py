"""Processes that claim and settle as fast as they can, side by side on one database after the other."""

from __future__ import annotations

import multiprocessing
import multiprocessing.queues
import queue
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Outcome
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claimant
from swarm_shared.store.queue.policy import AttemptResult, Budgets

LEASE_S = 600.0
PASSED = AttemptResult(outcome=Outcome.PASSED)
BUDGETS = Budgets(max_retries=2)
BARRIER_DEADLINE_S = 120.0
POLL_S = 1.0


class Mode(StrEnum):
    """Which transaction is timed."""

    CLAIM = "claim at NORMAL"  # a claim alone, not synced; the settle after it is not timed
    SETTLE = "settle + claim at FULL"  # what a busy worker does between two attempts


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One database to work on, until the time is up or so many tasks were claimed in total."""

    path: Path
    mode: Mode
    seconds: float
    at_most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the claimers of one round measured: their latencies in milliseconds, one list per claimer."""

    latencies_ms: tuple[tuple[float, ...], ...]

    def all(self) -> list[float]:
        return [latency for one in self.latencies_ms for latency in one]

    def per_claimer(self) -> list[int]:
        return [len(one) for one in self.latencies_ms]


def take(rounds: Sequence[Round], claimers: int) -> list[Taken]:
    """Let so many processes claim through these rounds, each round begun by all at once."""
    context = multiprocessing.get_context("spawn")  # no connection of ours is carried over a fork
    barrier = context.Barrier(claimers)
    results: multiprocessing.queues.Queue[tuple[int, int, list[float]]] = context.Queue()
    claimed = [context.Value("i", 0) for _ in rounds]
    crew = [
        context.Process(target=_claimer, args=(n, rounds, claimed, barrier, results), daemon=True)
        for n in range(claimers)
    ]
    for process in crew:
        process.start()
    try:
        found: dict[tuple[int, int], tuple[float, ...]] = {}
        while len(found) < claimers * len(rounds):
            try:
                turn, number, latencies = results.get(timeout=POLL_S)
            except queue.Empty:
                if any(process.exitcode for process in crew):
                    raise RuntimeError("a claimer died; its error is printed above") from None
                continue
            found[turn, number] = tuple(latencies)
    finally:
        for process in crew:
            process.join(1)
            process.kill()
    return [Taken(latencies_ms=tuple(found[turn, n] for n in range(claimers))) for turn in range(len(rounds))]


def _claimer(number: int, rounds: Sequence[Round], claimed: Sequence[Any], barrier: Barrier, results: Any) -> None:
    for turn, (each, so_far) in enumerate(zip(rounds, claimed, strict=True)):
        with TaskDatabase(each.path, create=False) as database:
            mine = ProcessId.mine()
            worker_id = f"worker-{number + 1}"
            run = database.workers.register(worker_id, mine, mine, lease_s=LEASE_S)
            claimant = Claimant(run=run, worker_id=worker_id, agent_cli="command")
            barrier.wait(BARRIER_DEADLINE_S)
            results.put((turn, number, _claim_away(database, claimant, each, so_far)))
            database.workers.end(run, crashed=False, reason="the round is over")
            barrier.wait(BARRIER_DEADLINE_S)


def _claim_away(database: TaskDatabase, claimant: Claimant, each: Round, so_far: Any) -> list[float]:
    verbs = database.queue
    latencies: list[float] = []
    chained = each.mode is Mode.SETTLE
    claim = verbs.claim(claimant) if chained else None
    until = time.monotonic() + each.seconds
    while so_far.value < each.at_most and time.monotonic() < until:
        began = time.perf_counter_ns()
        if not chained:
            claim = verbs.claim(claimant)
        elif claim is not None:
            verbs.settle(claim, PASSED, BUDGETS)
            claim = verbs.claim(claimant)
        ended = time.perf_counter_ns()
        if claim is None:
            break  # nothing is ready any more
        latencies.append((ended - began) / 1e6)
        with so_far.get_lock():
            so_far.value += 1
        if not chained:
            verbs.settle(claim, PASSED, BUDGETS)
    if chained and claim is not None:
        verbs.settle(claim, PASSED, BUDGETS)
    return latencies
