"""One test's queue, and the command line as its user runs it, in this process or as a separate one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from amplifier_swarm.__main__ import main
from swarm_shared.carry_out import carry_out
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Role, Stage, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.policy import AttemptResult, Budgets

DEADLINE_S = 20.0
BUDGETS = Budgets(max_retries=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The output and exit code of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class CliHarness:
    """A folder with a database; the current folder is elsewhere, so that nothing is found by chance."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.db = folder / "tasks.db"
        self._capsys = capsys

    def run(self, *words: str) -> Ran:
        """In this process, with `--db` after the command, as users write it."""
        return self.bare(*words, "--db", str(self.db))

    def bare(self, *words: str) -> Ran:
        self._capsys.readouterr()
        code = main([*words])
        captured = self._capsys.readouterr()
        return Ran(code=code, out=captured.out, err=captured.err)

    def spawn(self, *words: str, **more: Any) -> subprocess.Popen[str]:
        """As its own process."""
        env = {**os.environ, "SWARM_DB": str(self.db)}
        return subprocess.Popen(
            [sys.executable, "-m", "amplifier_swarm", *words],
            env=env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def file(self, text: str, name: str = "tasks.yaml") -> str:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    def queue(self, *specs: TaskSpec) -> None:
        with TaskDatabase(self.db) as database:
            database.imports.run(specs, source="test", actor="test")

    @contextmanager
    def open(self) -> Iterator[TaskDatabase]:
        with TaskDatabase(self.db) as database:
            yield database

    def status_of(self, task_id: str) -> str:
        with self.open() as database:
            return str(database.tasks.get(task_id)["status"])

    def claim(self, *, worker: ProcessId | None = None, stage: Stage | None = Stage.BUILDING) -> Claim:
        """Let a worker, this very process unless given, take the next task and begin a builder session."""
        mine = worker or ProcessId.mine()
        with self.open() as database:
            run = database.workers.register("worker-1", mine, mine, lease_s=600)
            claim = database.queue.claim(Claimant(run=run, worker_id="worker-1", agent_cli="amplifier"))
            assert claim is not None
            if stage is not None:
                session = database.queue.open_session(
                    claim, role=Role.BUILDER, name="a-builder", stage=stage, prompt="Do it.\n"
                )
                database.output.append(session, [(1, b"hello \xf0\x9f\x90\x9d\n")], position=0, limit_bytes=10_000)
            return claim

    def settle(self, claim: Claim, result: AttemptResult) -> None:
        with self.open() as database:
            database.queue.settle(claim, result, BUDGETS)
            database.workers.end(claim.run, crashed=False, reason="drained")

    @contextmanager
    def reaper(self) -> Iterator[None]:
        """Handles control rows like the reaper, under its name."""
        stop = threading.Event()
        ready = threading.Event()

        def answer() -> None:
            with TaskDatabase(self.db) as database:
                database.swarm.register_service("reaper", ProcessId.mine())
                ready.set()
                while not stop.wait(0.01):
                    for row in database.control.pending():
                        carry_out(database, row, by="reaper")
                database.swarm.end_service("reaper", ProcessId.mine())

        thread = threading.Thread(target=answer)
        thread.start()
        ready.wait(DEADLINE_S)
        try:
            yield
        finally:
            stop.set()
            thread.join()


def ended_process() -> ProcessId:
    """A process that has lived and is gone."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessId.of(child.pid)
    assert identity is not None
    child.communicate(b"\n")
    return identity


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition that must become true."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.01)
