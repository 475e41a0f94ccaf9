"""A whole swarm under its own supervisord, with the requested number of workers, and the cost of its processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import TaskSpec
from swarm_shared.supervisor import files as supervisor_files
from swarm_shared.supervisor.client import SupervisorClient, SupervisorError

POLL_S = 0.1
DEADLINE_S = 600.0
OURS = ("supervisord", "reaper", "dashboard", "worker", "its keeper")
AGENTS = "agents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost of the processes of one kind: memory in MiB, and CPU time in seconds since each was started."""

    number: int
    pss_mib: float
    cpu_s: float


class Hub:
    """A database, a project folder and supervisord with the shipped configuration; agents are shell commands."""

    def __init__(self, folder: Path, workers: int, **settings: str) -> None:
        self.folder = folder
        self.db = TaskDatabase(folder / "tasks.db")
        self.project = folder / "project"
        self.project.mkdir(exist_ok=True)
        self._gate = folder / "gate"  # agents wait until it is opened for writing
        os.mkfifo(self._gate)
        self.files = supervisor_files.prepare(folder / "tasks.db.swarm")
        self.client = SupervisorClient(self.files.socket, timeout_s=60)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SUPERVISOR_"))}
        environ |= {
            "SWARM_DB": str(folder / "tasks.db"),
            "SWARM_PROJECT_ROOT": str(self.project),
            "SWARM_WORKERS": str(workers),
            "SWARM_AGENT_CLI": "command",
            "SWARM_VALIDATION": "off",
            "SWARM_DASHBOARD_PORT": "0",
            **settings,
        }
        with (folder / "supervisord.out").open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-n", "-s", "-c", str(self.files.configuration)],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait(self, condition: Callable[[], object], what: str, *, s: float = DEADLINE_S) -> float:
        """Seconds until the condition held.

        Raises:
            RuntimeError: supervisord has ended.
            TimeoutError: It did not hold in time.
        """
        began = time.monotonic()
        while not condition():
            if self.process.poll() is not None:
                raise RuntimeError(f"supervisord ended while waiting for {what}\n{self.logs()}")
            if time.monotonic() - began > s:
                raise TimeoutError(f"waited {s:g} s in vain for {what}\n{self.statuses()}\n{self.logs()}")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def statuses(self) -> Counter[str]:
        """The number of workers in each status; those that have ended are left out."""
        rows = self.db.connection.rows("SELECT status FROM workers WHERE stopped_at IS NULL")
        return Counter(status for (status,) in rows)

    def wait_for_workers(self, count: int, status: str) -> float:
        return self.wait(lambda: self.statuses() == {status: count}, f"{count} {status} workers")

    def add_waiting(self, count: int, *, prefix: str) -> int:
        """Queue tasks whose agents wait for `open_gate`; the wall time of the import, in milliseconds."""
        run = f"read line < '{self._gate}' || true"
        began = time.time_ns() // 1_000_000
        specs = [TaskSpec(id=f"{prefix}{n}", name="wait", run=run) for n in range(count)]
        self.db.imports.run(specs, source="bench", actor="bench")
        return began

    def open_gate(self) -> None:
        """Let every agent that waits end."""
        os.close(os.open(self._gate, os.O_RDWR))  # wakes every reader that waits in its open; they read the end

    def members(self) -> dict[str, list[psutil.Process]]:
        """Every living process of the swarm, by kind."""
        found: dict[str, list[psutil.Process]] = defaultdict(list)
        pids = {each.pid: each.name for each in self.client.processes() if each.pid}
        found["supervisord"].append(psutil.Process(self.process.pid))
        for child in found["supervisord"][0].children():
            name = pids.get(child.pid, "")
            if name == "swarm-reaper":
                found["reaper"].append(child)
            elif name == "swarm-dashboard":
                found["dashboard"] += [child, *child.children(recursive=True)]
            elif name:
                found["its keeper"].append(child)
        tree = _children_of()
        for keeper in found["its keeper"]:
            for worker in tree.get(keeper.pid, ()):
                found["worker"].append(psutil.Process(worker))
                found[AGENTS] += [psutil.Process(pid) for pid in _below(tree, worker)]
        return found

    def stop(self) -> float:
        """Seconds until supervisord and everything below it has ended."""
        began = time.monotonic()
        self.client.shutdown()
        self.process.wait(DEADLINE_S)
        return time.monotonic() - began

    def logs(self) -> str:
        texts = [self.folder / "supervisord.out", *sorted(self.files.log.parent.glob("*.log"))[:4]]
        return "\n".join(f"── {path.name}\n{path.read_text()[-1500:]}" for path in texts if path.exists())

    def end(self) -> None:
        """End everything, whatever the measurement did."""
        if self.process.poll() is None:
            try:
                for slot in self.client.slots():
                    if slot.pid:
                        os.kill(slot.pid, 15)
                self.client.shutdown()
                for slot in self.client.slots():
                    if slot.pid:
                        os.kill(slot.pid, 15)  # the second one does not wait for the agent
                self.process.wait(60)
            except (SupervisorError, OSError, subprocess.TimeoutExpired):
                for each in psutil.Process(self.process.pid).children(recursive=True):
                    each.kill()
                self.process.kill()
                self.process.wait()
        self.db.close()


@contextmanager
def hub(folder: Path, workers: int, **settings: str) -> Iterator[Hub]:
    """A swarm that is ended, whatever the measurement did."""
    running = Hub(folder, workers, **settings)
    try:
        yield running
    finally:
        running.end()


def costs(members: Mapping[str, list[psutil.Process]]) -> dict[str, Costs]:
    """The current cost of each kind of process."""
    found = {}
    for kind, its in members.items():
        readings = [(pss_mib(each.pid), cpu_s(each.pid)) for each in its]
        alive = [(pss, cpu) for pss, cpu in readings if pss is not None and cpu is not None]
        found[kind] = Costs(number=len(alive), pss_mib=sum(a for a, _ in alive), cpu_s=sum(b for _, b in alive))
    return found


def cpu_shares(
    members: Mapping[str, list[psutil.Process]], seconds: float, *, meanwhile: Callable[[float], None]
) -> dict[str, float]:
    """The share of one core that each kind uses, in percent; processes that end meanwhile are left out.

    Args:
        meanwhile: Called with `seconds`, which it takes.
    """
    before = {each.pid: cpu_s(each.pid) for its in members.values() for each in its}
    began = time.monotonic()
    meanwhile(seconds)
    elapsed = time.monotonic() - began
    shares = {}
    for kind, its in members.items():
        pairs = [(cpu_s(each.pid), before[each.pid]) for each in its]
        used = sum(now - earlier for now, earlier in pairs if now is not None and earlier is not None)
        shares[kind] = 100 * used / elapsed
    return shares


def cpu_s(pid: int) -> float | None:
    """Seconds on a core, all threads, in the scheduler's nanoseconds; None for a process that has ended."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
    except OSError:
        return None


def pss_mib(pid: int) -> float | None:
    """Memory in MiB, with shared pages divided among those that share them; None for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), None)


def _children_of() -> dict[int, list[int]]:
    """One pass over all processes: parent to children."""
    tree: dict[int, list[int]] = defaultdict(list)
    for each in psutil.process_iter(["ppid"]):
        tree[each.info["ppid"]].append(each.pid)
    return tree


def _below(tree: Mapping[int, list[int]], pid: int) -> Iterator[int]:
    for child in tree.get(pid, ()):
        yield child
        yield from _below(tree, child)
