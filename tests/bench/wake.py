"""From an import to the first agent process, while workers are idle."""

from __future__ import annotations

import random
import subprocess
import sys
import time

from bench.figure import Figure, Lines, Scale, Table, Target, cumulative, summary
from bench.harness import Bell, bench_swarm, wait_idle
from swarm_shared.domain.models import TaskSpec

TITLE = "From import to the first agent"
MOST_MS = 200.0
WORKERS = 4


def measure(scale: Scale) -> Figure:
    """Import one task at a time, at moments unrelated to the workers' polls."""
    from_commit_ms, from_command_ms = [], []
    rng = random.Random(1)
    with bench_swarm() as swarm:
        bell = Bell(swarm.folder)
        swarm.reaper()
        for number in range(WORKERS):
            swarm.worker(f"worker-{number + 1}")
        for turn in range(scale.pick(10, 50)):
            wait_idle(swarm, WORKERS)
            time.sleep(rng.uniform(0, 0.1))
            swarm.add(TaskSpec(id=f"task-{turn}", name="ring", run=bell.ring("here")))
            committed = time.monotonic()
            from_commit_ms.append((bell.wait()[0] - committed) * 1000)
        tasks = swarm.folder / "tasks.yaml"
        for turn in range(scale.pick(3, 10)):
            wait_idle(swarm, WORKERS)
            tasks.write_text(f"tasks:\n  - id: file-{turn}\n    name: ring\n    run: {bell.ring('here')}\n")
            command = [sys.executable, "-m", "amplifier_swarm", "import-tasks", str(tasks), "--db", str(swarm.path)]
            began = time.monotonic()
            importing = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            from_command_ms.append((bell.wait()[0] - began) * 1000)
            importing.wait()
        bell.close()
    p50, p99, worst = summary(from_commit_ms)
    return Figure(
        how=(
            f"{WORKERS} idle workers and the reaper. A task is imported; its agent writes into a named pipe that is "
            "read at once. The second line includes the start of Python and the reading of the file."
        ),
        tables=(
            Table(
                columns=("from", "imports", "p50 ms", "p99 ms", "worst ms"),
                rows=(
                    ("the import's commit", len(from_commit_ms), p50, p99, worst),
                    ("typing `import-tasks`", len(from_command_ms), *summary(from_command_ms)),
                ),
            ),
        ),
        targets=(Target(text="from import to the first agent process, p99", value=p99, limit=MOST_MS, unit="ms"),),
        plots={
            "wake": Lines(
                title="From import to the first agent process",
                x_label="milliseconds",
                y_label="% of imports",
                curves={"from the commit": cumulative(from_commit_ms), "from the command": cumulative(from_command_ms)},
            )
        },
        raw={"from_commit_ms": from_commit_ms, "from_command_ms": from_command_ms},
    )
