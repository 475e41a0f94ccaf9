"""A whole `amplifier-swarm start`: time to begin, to the summary, and to its end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.figure import Bars, Figure, Scale, Table, Target
from bench.harness import DEADLINE_S, Bell, bench_folder, noop_tasks
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import TaskSpec

TITLE = "The beginning and the end of a run"
SUMMARY_WITHIN_S = 1.0
GONE_WITHIN_S = 4.0
WORKERS = 2
TASKS = 20
_HEADLINE = "all done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Seconds: from typing the command to the first agent; from the last completion to the summary, and to the exit."""

    first_agent_s: float
    summary_s: float
    gone_s: float


def measure(scale: Scale) -> Figure:
    """Run a small queue to its end, several times."""
    runs = [_run() for _ in range(scale.pick(2, 6))]
    rows = (
        ("typing `start` to the first agent", [run.first_agent_s for run in runs]),
        ("last task to the summary", [run.summary_s for run in runs]),
        ("last task to the end of the process", [run.gone_s for run in runs]),
    )
    return Figure(
        how=(
            f"`amplifier-swarm start -n {WORKERS}` with {TASKS} no-op tasks, reaper and dashboard; the time of the "
            "last task is what the database says, the rest is seen from outside. Starting includes all checks."
        ),
        tables=(
            Table(
                columns=("from … to", "runs", "median s", "worst s"),
                rows=tuple((name, len(values), median(values), max(values)) for name, values in rows),
            ),
        ),
        targets=(
            Target(text="summary after the last task, worst", value=max(rows[1][1]), limit=SUMMARY_WITHIN_S, unit="s"),
            Target(text="gone after the last task, worst", value=max(rows[2][1]), limit=GONE_WITHIN_S, unit="s"),
        ),
        plots={
            "run": Bars(
                title="The beginning and the end of a run",
                unit="s",
                bars=tuple((name, median(values)) for name, values in rows),
                accented=frozenset(name for name, _ in rows),
            )
        },
        raw=dict(rows),
    )


def _run() -> Run:
    with bench_folder() as folder:
        db, bell = folder / "tasks.db", Bell(folder)
        with TaskDatabase(db) as database:
            first = TaskSpec(id="first", name="ring", priority=1, run=bell.ring("here"))
            database.imports.run([first, *noop_tasks(TASKS - 1)], source="bench", actor="bench")
        began = time.monotonic()
        with _start(folder, db) as process:
            first_agent_s = bell.wait()[0] - began
            told_at = _wait_for_headline(process)
            code = process.wait(DEADLINE_S)
            gone_at = time.time()
        bell.close()
        if code != 0:
            raise RuntimeError(f"start ended with exit code {code}: {(folder / 'warnings').read_text()[-2000:]}")
        with TaskDatabase(db, create=False) as database:
            last_s = int(database.connection.value("SELECT max(completed_at) FROM tasks")) / 1000
        return Run(first_agent_s=first_agent_s, summary_s=told_at - last_s, gone_s=gone_at - last_s)


def _start(folder: Path, db: Path) -> subprocess.Popen[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SUPERVISOR_"))}
    with (folder / "warnings").open("w") as warnings:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "amplifier_swarm", "start", "--db", str(db), "--agent-cli", "command"),
                *("--no-validation", "--workers", str(WORKERS), "--project-root", str(folder)),
                *("--isolation", "none", "--dashboard-port", "0"),
            ],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=warnings,
            text=True,
        )


def _wait_for_headline(process: subprocess.Popen[str]) -> float:
    """Wall time in seconds at which the summary began; the rest of it is read too."""
    assert process.stdout is not None
    told_at = 0.0
    for line in process.stdout:
        if line.startswith(_HEADLINE):
            told_at = time.time()
    if not told_at:
        raise RuntimeError("the run ended without its summary")
    return told_at
