"""System calls per task, counted by strace."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

from bench.baselines import COMMAND
from bench.harness import bench_folder, bench_swarm, crew, noop_tasks, resume, wait_all_completed, wait_until

SYNCS = ("fsync", "fdatasync")
Calls = dict[str, float]


def per_task(few: int, many: int, *, validation: bool, whole_tree: bool) -> Calls:
    """Calls of a worker per task, by name: what a longer queue took beyond a short one, divided.

    Args:
        whole_tree: Count the agents as well.
    """
    less, more = (_traced(count, validation=validation, whole_tree=whole_tree) for count in (few, many))
    return {call: max(0, number - less[call]) / (many - few) for call, number in more.items()}


def of_bare_command() -> Calls:
    """Calls of the command that a no-op agent is."""
    with bench_folder() as folder:
        calls = folder / "calls"
        subprocess.run(["strace", "-c", "-f", "-o", str(calls), *COMMAND], check=True)
        return dict(_read(calls))


def _traced(count: int, *, validation: bool, whole_tree: bool) -> Counter[str]:
    with bench_swarm(validation=validation) as swarm:
        swarm.add(*noop_tasks(count))
        crew(swarm, 1)
        worker = swarm.db.workers.alive()[0].process.pid
        calls = swarm.folder / "calls"
        options = ["-c", *(["-f"] if whole_tree else []), "-o", str(calls), "-p", str(worker)]
        tracer = subprocess.Popen(["strace", *options], stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: _is_traced(worker), "the tracer", swarm=swarm)
            resume(swarm)
            wait_all_completed(swarm)
        finally:
            tracer.send_signal(signal.SIGINT)  # it lets the worker go, and writes its table
            tracer.wait()
        return _read(calls)


def _is_traced(pid: int) -> bool:
    return "TracerPid:\t0\n" not in Path(f"/proc/{pid}/status").read_text()


def _read(file: Path) -> Counter[str]:
    """The table of `strace -c`: share, seconds, microseconds a call, calls, perhaps errors, name."""
    calls: Counter[str] = Counter()
    for line in file.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and words[3].isdecimal() and words[-1] != "total":
            calls[words[-1]] += int(words[3])
    return calls
