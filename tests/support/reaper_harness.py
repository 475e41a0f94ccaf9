"""A database, stubborn workers with real process trees, and reapers in separate processes, for one test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trees

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.identity import ProcessId

_HERE = Path(__file__).parent
LONG_LEASE_S = 120.0


class StubbornWorker:
    """A running `stubborn_worker.py`, known once its agent runs: `me` is the worker, what was started its keeper."""

    def __init__(self, process: subprocess.Popen[str], token: str) -> None:
        self.process = process
        self.token = token
        said = self.read()
        self.attempt: str = said["attempt"]
        me, keeper = ProcessId.of(said["worker"]), ProcessId.of(process.pid)
        assert me is not None
        assert keeper is not None
        self.me, self.keeper = me, keeper

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker has ended"
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def signal(self, number: int) -> None:
        assert self.me.kill(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)


class ReaperHarness:
    """Shortcuts for the tests of the reaper."""

    def __init__(self, folder: Path, clock: Clock | None = None) -> None:
        self.folder = folder
        self.path = folder / "tasks.db"
        self.db = TaskDatabase(self.path, clock=clock)
        self.workers: list[StubbornWorker] = []
        self.reapers: list[subprocess.Popen[bytes]] = []

    def add(self, *ids: str) -> None:
        specs = [TaskSpec(id=task_id, name=task_id) for task_id in ids]
        self.db.imports.run(specs, source="a test", actor="test")

    def worker(
        self, worker_id: str = "worker-1", agent: Sequence[str] | None = None, *, lease_s: float = LONG_LEASE_S
    ) -> StubbornWorker:
        """A worker that has claimed the next task and runs an agent: a scattered tree, unless given."""
        token = trees.fresh_token()
        command = agent or trees.scattered(token)
        process = subprocess.Popen(
            [sys.executable, str(_HERE / "stubborn_worker.py"), str(self.path), worker_id, str(lease_s)],
            env={**_clean_environment(), "AGENT": json.dumps(list(command))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            worker = StubbornWorker(process, token)
        except BaseException:
            process.kill()
            process.wait()
            raise
        self.workers.append(worker)
        return worker

    def reaper(self, *, on_duty: bool = True, **settings: str) -> subprocess.Popen[bytes]:
        """Start `swarm-reaper`; returns once it is on duty, unless another one is expected to be."""
        env = {**_clean_environment(), "SWARM_DB": str(self.path), **settings}
        log = (self.folder / f"reaper-{len(self.reapers)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", "swarm_reaper"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        self.reapers.append(process)
        if on_duty:
            self.wait(lambda: self.reaper_pid() == process.pid, "the reaper is on duty")
        return process

    def reaper_pid(self) -> int | None:
        service = self.db.swarm.services().get("reaper")
        return None if service is None or service.stopped_at is not None else service.process.pid

    def status(self, task_id: str) -> Status:
        return Status(self.db.tasks.get(task_id)["status"])

    def attempts(self, task_id: str) -> list[dict[str, Any]]:
        return self.db.tasks.attempts(self.db.tasks.get(task_id)["seq"])

    def wait(self, condition: Any, what: str, deadline_s: float = trees.DEADLINE_S) -> float:
        """Wait until it holds; returns the seconds that took."""
        began = time.monotonic()
        try:
            trees.wait_until(condition, what, deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from error
        return time.monotonic() - began

    def wait_for(self, task_id: str, *statuses: Status) -> float:
        return self.wait(lambda: self.status(task_id) in statuses, f"{task_id} is {statuses}")

    def log(self) -> str:
        events = [(e["event_type"], e["task_id"], e["message"]) for e in self.db.events.newest(30)]
        logs = "\n".join(file.read_text()[-3000:] for file in sorted(self.folder.glob("reaper-*.log")))
        return f"{events}\n{logs}"

    def end(self) -> None:
        for process in self.reapers:
            process.kill()
            process.wait()
        for worker in self.workers:
            worker.me.kill(signal.SIGKILL)
            worker.process.kill()
            worker.process.wait()
            assert worker.process.stdout is not None
            worker.process.stdout.close()
            trees.kill_rest(worker.token)
        self.db.close()


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SUPERVISOR_"))}


@contextmanager
def reaper_harness(folder: Path, clock: Clock | None = None) -> Iterator[ReaperHarness]:
    """A harness for the time of a test."""
    harness = ReaperHarness(folder, clock)
    try:
        yield harness
    finally:
        harness.end()
