"""A database, a project folder and real service processes on them, always ended at the end of a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent_ledger import read_ledger

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.procfs import all_pids, read_stat

DEADLINE_S = 30.0
POLL_S = 0.02


def wait_until(
    condition: Callable[[], object], describe: Callable[[], object] = lambda: "", s: float = DEADLINE_S
) -> None:
    """Return as soon as the condition holds; fail with the state if it does not in time."""
    deadline = time.monotonic() + s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {s:g} s: {describe()}")
        time.sleep(POLL_S)


class LiveSwarm:
    """Real workers and reapers on a database of their own. Paths under `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "tasks.db"
        self.project = folder / "project"
        self.project.mkdir()
        self.ledger = folder / "ledger"
        self.db = TaskDatabase(self.path)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.within: tuple[str, ...] = ()  # goes before the command of each program that is started
        self.settings: dict[str, str] = {
            "SWARM_AGENT_CLI": "scripted",
            "SWARM_KILL_GRACE_S": "0.3",
            "SWARM_HEARTBEAT_S": "1",
        }

    def add(self, *specs: TaskSpec) -> None:
        self.db.imports.run(specs, source="a test", actor="test")

    def scripted(self, task_id: str, *needs: str, script: dict[str, Any] | None = None, **more: Any) -> TaskSpec:
        """A task whose agents play a script and write the ledger."""
        script = {role: self._with_ledger(steps) for role, steps in (script or {"builder": [{}]}).items()}
        return TaskSpec(id=task_id, name=task_id, dependencies=needs, extra={"script": script}, **more)

    def _with_ledger(self, steps: Any) -> Any:
        if isinstance(steps, dict):
            return {**steps, "steps": self._with_ledger(steps["steps"])}
        return [{"ledger": str(self.ledger), **step} for step in steps]

    def worker(self, worker_id: str = "worker-1", *options: str, **settings: str) -> subprocess.Popen[bytes]:
        return self.spawn(
            "swarm_worker", "--worker-id", worker_id, "--project-root", str(self.project), *options, **settings
        )

    def hand_down(self, worker: subprocess.Popen[bytes], number: signal.Signals) -> None:
        """Send a signal to the process that `worker` has started, its keeper, and wait until it has passed it on."""
        worker.send_signal(number)
        wait_until(lambda: worker.poll() is not None or has_dealt_with(worker.pid, number), self.logs)

    def reaper(self, **settings: str) -> subprocess.Popen[bytes]:
        return self.spawn("swarm_reaper", **settings)

    def spawn(self, module: str, *options: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a program of the suite; its log goes to its own file under `folder`."""
        env = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SUPERVISOR_"))}
        env |= {**self.settings, **settings, "SWARM_DB": str(self.path)}
        log = (self.folder / f"{module}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [*self.within, sys.executable, "-m", module, *options],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        self.processes.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(f"── {p.name}\n{p.read_text()[-3000:]}" for p in sorted(self.folder.glob("*.log")))

    def status(self, task_id: str) -> Status:
        return Status(self.db.tasks.get(task_id)["status"])

    def attempts(self, task_id: str) -> list[dict[str, Any]]:
        return self.db.tasks.attempts(self.db.tasks.get(task_id)["seq"])

    def wait_for(self, task_id: str, *statuses: Status, s: float = DEADLINE_S) -> dict[str, Any]:
        """Wait until the task has one of these statuses; the task."""
        wait_until(lambda: self.status(task_id) in statuses, lambda: (self.db.tasks.get(task_id), self.logs()), s)
        return self.db.tasks.get(task_id)

    def wait_for_agent(self, task_id: str, number: int = 1, role: str = "builder") -> dict[str, Any]:
        """Wait until an agent has written its start into the ledger; the line."""

        def found() -> list[dict[str, Any]]:
            return [
                line
                for line in self.ledger_lines()
                if (line["task"], line["number"], line["role"], line["event"]) == (task_id, number, role, "start")
            ]

        wait_until(found, lambda: (self.ledger_lines(), self.logs()))
        return found()[0]

    def ledger_lines(self) -> list[dict[str, Any]]:
        return read_ledger(self.ledger)

    def leftovers(self) -> list[str]:
        """Command lines of living processes that one of our attempts started or that have our sleeper's time."""
        attempts = [row[0] for row in self.db.connection.rows("SELECT id FROM attempts")]
        found = []
        for pid in all_pids():
            try:
                environ = Path(f"/proc/{pid}/environ").read_bytes()
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state != "Z" and any(attempt.encode() in environ for attempt in attempts):
                found.append(f"{pid} {line}")
        return found

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.terminate()  # the second one does not wait for the agent
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        self.db.close()


def has_dealt_with(pid: int, number: signal.Signals) -> bool:
    """Whether the signal was delivered and the process, which does nothing else, waits for the next one."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    stat = read_stat(pid)
    return not pending & 1 << number - 1 and stat is not None and stat.state == "S"


@contextmanager
def live_swarm(folder: Path) -> Iterator[LiveSwarm]:
    """A swarm that is ended, whatever the test did."""
    swarm = LiveSwarm(folder)
    try:
        yield swarm
    finally:
        swarm.end()
