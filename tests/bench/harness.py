"""Where measurements happen: a swarm of real processes in a folder on a real disk, ready behind a pause."""

from __future__ import annotations

import os
import select
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from live_swarm import LiveSwarm, live_swarm

from swarm_shared.domain.models import TaskSpec
from swarm_shared.store.swarm.swarm import PAUSED

WORKSHOP = Path(__file__).parents[2] / "var" / "bench"  # not the system's temporary folder, which may be in memory
DEADLINE_S = 60.0
POLL_S = 0.02
SIGNAL_EXIT = 128  # above it, as below zero, a signal killed it: a keeper reports the death of its worker so
ACTOR = "bench"


@contextmanager
def bench_folder() -> Iterator[Path]:
    """A folder for one measurement, removed afterwards."""
    WORKSHOP.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=WORKSHOP, ignore_cleanup_errors=True) as name:
        yield Path(name)


@contextmanager
def bench_swarm(*, validation: bool = False) -> Iterator[LiveSwarm]:
    """A swarm with the `command` agent CLI and otherwise the defaults, as a user has it."""
    with bench_folder() as folder, live_swarm(folder) as swarm:
        swarm.settings = {"SWARM_AGENT_CLI": "command", "SWARM_VALIDATION": "on" if validation else "off"}
        yield swarm


def noop_tasks(count: int, *, prefix: str = "t") -> list[TaskSpec]:
    """Tasks whose agents do nothing; a validator runs only where validation is on."""
    return [TaskSpec(id=f"{prefix}{n}", name=f"no-op {n}", run=":", verify=":") for n in range(count)]


def wait_until(condition: Callable[[], object], what: str, *, swarm: LiveSwarm, s: float = DEADLINE_S) -> None:
    """Return as soon as the condition holds.

    Raises:
        RuntimeError: A service has ended by itself; with the end of the services' logs.
        TimeoutError: It did not hold in time; with these as well.
    """
    deadline = time.monotonic() + s
    while not condition():
        if any(0 < (process.poll() or 0) <= SIGNAL_EXIT for process in swarm.processes):
            raise RuntimeError(f"a service ended while waiting for {what}\n{swarm.logs()}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {s:g} s in vain for {what}\n{swarm.logs()}")
        time.sleep(POLL_S)


def crew(swarm: LiveSwarm, count: int) -> None:
    """Start workers and wait until all are up and wait for the end of a pause."""
    swarm.db.swarm.set_flag(PAUSED, actor=ACTOR)
    for number in range(1, count + 1):
        swarm.worker(f"worker-{number}")
    wait_until(lambda: _number_at(swarm, "waiting") == count, f"{count} workers", swarm=swarm)


def resume(swarm: LiveSwarm) -> int:
    """End the pause; the wall time in milliseconds just before."""
    began = time.time_ns() // 1_000_000
    swarm.db.swarm.clear_flag(PAUSED)
    return began


def wait_idle(swarm: LiveSwarm, count: int) -> None:
    """Wait until this many workers have nothing to do."""
    wait_until(lambda: _number_at(swarm, "idle") == count, f"{count} idle workers", swarm=swarm)


def wait_all_completed(swarm: LiveSwarm, *, s: float = DEADLINE_S) -> int:
    """Wait until every task is completed; the wall time of the last one, in milliseconds.

    Raises:
        TimeoutError: Some were not: then the figure would be wrong.
    """
    left = "SELECT coalesce(sum(tasks), 0) FROM counters WHERE status <> 'completed'"
    wait_until(lambda: swarm.db.connection.value(left) == 0, "the end of all tasks", swarm=swarm, s=s)
    return int(swarm.db.connection.value("SELECT max(completed_at) FROM tasks"))


def _number_at(swarm: LiveSwarm, status: str) -> int:
    return sum(worker["status"] == status for worker in swarm.db.workers.shown())


class Bell:
    """A named pipe by which an agent reports that it runs; noticed within microseconds, without another process."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bell"
        os.mkfifo(self.path)
        # Open for both, so that agents coming and going never mean its end.
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def ring(self, words: str) -> str:
        """Shell text that rings with these words."""
        return f"echo {words} > '{self.path}'"

    def wait(self, s: float = DEADLINE_S) -> tuple[float, str]:
        """The monotonic time in seconds of the next ring, and its words.

        Raises:
            TimeoutError: No one rang.
        """
        if not select.select([self._descriptor], [], [], s)[0]:
            raise TimeoutError(f"no agent started within {s:g} s")
        now = time.monotonic()
        return now, os.read(self._descriptor, 4096).decode().strip()

    def close(self) -> None:
        os.close(self._descriptor)
