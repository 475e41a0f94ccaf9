"""From the kill -9 of a worker to the next agent of its task."""

from __future__ import annotations

import itertools
import signal
import time

from live_swarm import LiveSwarm

from bench.figure import Figure, Lines, Scale, Table, Target, cumulative, summary
from bench.harness import Bell, bench_swarm, wait_idle
from swarm_shared.domain.models import TaskSpec

TITLE = "Recovery from a killed worker"
MOST_MS = 1000.0
_LONG_S = 600


def measure(scale: Scale) -> Figure:
    """Kill the worker of a running task again and again; another worker waits for work."""
    times_ms = []
    with bench_swarm() as swarm:
        bell = Bell(swarm.folder)
        swarm.reaper()
        names = (f"worker-{n}" for n in itertools.count(1))
        for _ in range(2):
            swarm.worker(next(names))
        for turn in range(scale.pick(6, 100)):
            wait_idle(swarm, 2)
            times_ms.append(_kill_one(swarm, bell, f"task-{turn}"))
            # A new name each time: one that crashes again and again is made to wait, by design.
            swarm.worker(next(names))
        bell.close()
    p50, p99, worst = summary(times_ms)
    return Figure(
        how=(
            "Two workers and the reaper; one worker runs a task, the other is idle. The first is killed with SIGKILL "
            "while its agent runs. Meanwhile its keeper ends the agent's tree and leaves, the reaper sees both ends, "
            "proves the tree gone and requeues, and the other worker claims. The time ends when the task's second "
            "agent runs."
        ),
        tables=(Table(columns=("kills", "p50 ms", "p99 ms", "worst ms"), rows=((len(times_ms), p50, p99, worst),)),),
        targets=(Target(text="from kill -9 to the next agent, p99", value=p99, limit=MOST_MS, unit="ms"),),
        plots={
            "recovery": Lines(
                title="From kill -9 of a worker to its task's next agent",
                x_label="milliseconds",
                y_label="% of kills",
                curves={"kills": cumulative(times_ms)},
            )
        },
        raw={"ms": times_ms},
    )


def _kill_one(swarm: LiveSwarm, bell: Bell, task_id: str) -> float:
    ring = bell.ring(f"{task_id} $AMPLIFIER_SWARM_ATTEMPT_NUMBER")
    run = f'{ring}; [ "$AMPLIFIER_SWARM_ATTEMPT_NUMBER" -gt 1 ] || sleep {_LONG_S}'
    swarm.add(TaskSpec(id=task_id, name=task_id, run=run))
    _expect(bell, f"{task_id} 1")
    worker_id = swarm.db.tasks.get(task_id)["worker_id"]
    victim = next(worker for worker in swarm.db.workers.alive() if worker.worker_id == worker_id)
    killed_at = time.monotonic()
    victim.process.kill(signal.SIGKILL)
    return (_expect(bell, f"{task_id} 2") - killed_at) * 1000


def _expect(bell: Bell, words: str) -> float:
    at, heard = bell.wait()
    if heard != words:
        raise RuntimeError(f"heard {heard!r} instead of {words!r}")
    return at
