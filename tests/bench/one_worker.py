"""One worker, started in any way, that carries out a queue and exits; and its processor time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from live_swarm import LiveSwarm

from bench.harness import DEADLINE_S, wait_all_completed
from swarm_shared.domain.models import TaskSpec

LEAVES_WITHIN_S = 30.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat after the name, which may contain anything: user, system, and both of ended children.
_TIMES = slice(11, 15)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCpu:
    """Processor time in milliseconds: of the worker, of its keeper, and of the agents that the worker waited for."""

    worker_ms: float
    keeper_ms: float
    agents_ms: float


def measured_worker(program: str, report: Path) -> list[str]:
    """The command of a worker that measures itself, a program next to this file, and writes a report.

    Without that folder on its path: modules here have names that the worker imports from elsewhere.
    """
    return [sys.executable, "-P", str(Path(__file__).with_name(program)), str(report)]


def let_work(
    swarm: LiveSwarm, tasks: Sequence[TaskSpec], command: list[str], *, within_s: float = DEADLINE_S
) -> TreeCpu:
    """Carry out these tasks by a worker that this command starts, and end it.

    Raises:
        RuntimeError: It did not end well.
    """
    swarm.add(*tasks)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SUPERVISOR_"))}
    log = swarm.folder / "worker.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--worker-id", "worker-1", "--project-root", str(swarm.project), "--db", str(swarm.path)],
            env={**environ, **swarm.settings},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    swarm.processes.append(process)
    wait_all_completed(swarm, s=within_s)
    worker = swarm.db.workers.alive()[0]
    used = _tree_cpu(worker.process.pid, worker.keeper.pid if worker.keeper else worker.process.pid)
    process.send_signal(signal.SIGTERM)
    if process.wait(LEAVES_WITHIN_S) != 0:
        raise RuntimeError(f"the worker ended with {process.returncode}: {log.read_text()[-2000:]}")
    return used


def _tree_cpu(worker: int, keeper: int) -> TreeCpu:
    worker_user, worker_system, agents_user, agents_system = _times_ms(worker)
    keeper_user, keeper_system, *_ = _times_ms(keeper)
    return TreeCpu(
        worker_ms=worker_user + worker_system,
        keeper_ms=keeper_user + keeper_system,
        agents_ms=agents_user + agents_system,
    )


def _times_ms(pid: int) -> list[float]:
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return [0.0] * 4  # not Linux
    return [1000 * int(word) / _TICKS_PER_S for word in words[_TIMES]]
