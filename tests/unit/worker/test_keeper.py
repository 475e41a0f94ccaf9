"""Nothing outlives its owner: every hard-to-kill tree dies with its worker, its keeper, or both."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trees
from kill_marked import kill_marked
from tree_kinds import TREES, every_tree

from swarm_shared.domain.clock import SystemClock
from swarm_shared.processes import sweep
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.sweep import marks
from swarm_shared.processes.tree import descendants
from swarm_worker.processes import extinction


@pytest.fixture
def own_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sweep see only what this test process has started or inherited.

    It would rightly call processes without environment that other tests start unknown.
    """
    extinction.become_subreaper()
    monkeypatch.setattr(sweep, "all_pids", lambda: [process.pid for process in descendants(os.getpid())])


class Stage:
    """A keeper with its worker and a tree below it, and the worker's output."""

    def __init__(self, name: str, folder: Path) -> None:
        tree, size = TREES[name]
        self.token = trees.fresh_token()
        self.attempt_id = "0d9c9a4e-2c1b-4f0e-9d0a-" + f"{int(self.token):012x}"[-12:]
        self.proof = folder / "proof"
        script = Path(trees.__file__).with_name("tree_worker.py")
        self.started = subprocess.Popen(
            [sys.executable, str(script), str(self.proof), *tree(self.token)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=dict(os.environ) | marks(self.attempt_id),
            process_group=0,
        )
        self._lines = b""
        self.worker_pid = int(self.read("worker"))
        self.worker = ProcessId.of(self.worker_pid)
        self.keeper = ProcessId.of(self.started.pid)
        self.agent_pid = int(self.read("pid"))
        self.agent = ProcessId.of(self.agent_pid)
        trees.wait_until(lambda: len(trees.alive(self.token)) >= size, f"{name} stands")

    def read(self, key: str) -> Any:
        """The value of the first line from here on that has this key."""
        assert self.started.stdout is not None
        while True:
            line, found, rest = self._lines.partition(b"\n")
            if found:
                self._lines = rest
                fields = json.loads(line)
                if key in fields:
                    return fields[key]
                continue
            ready, _, _ = select.select([self.started.stdout], [], [], trees.DEADLINE_S)
            assert ready, f"the worker did not report {key!r}"
            data = os.read(self.started.stdout.fileno(), 1 << 16)
            assert data, f"the worker ended before it reported {key!r}"
            self._lines += data

    def close(self) -> None:
        for process in (self.worker, self.keeper):
            if process is not None:
                process.kill(signal.SIGKILL)
        self.started.communicate()
        # Cleans up after a failing test: what the product did not end must not outlive the test.
        trees.kill_rest(self.token)


@contextmanager
def worker_with(name: str, folder: Path) -> Iterator[Stage]:
    stage = Stage(name, folder)
    try:
        yield stage
    finally:
        stage.close()


@every_tree
def test_the_end_of_the_keeper_proves_a_killed_workers_tree_gone(tmp_path: Path, name: str) -> None:
    with worker_with(name, tmp_path) as stage:
        os.kill(stage.worker_pid, signal.SIGKILL)
        assert stage.started.wait(trees.DEADLINE_S) == 128 + signal.SIGKILL
        assert trees.alive(stage.token) == []
        assert stage.proof.read_text() == "gone"


@every_tree
def test_the_worker_ends_what_runs_when_its_keeper_is_killed(tmp_path: Path, name: str) -> None:
    with worker_with(name, tmp_path) as stage:
        stage.started.kill()
        assert stage.read("inherited") == []
        assert trees.alive(stage.token) == []
        assert not stage.proof.exists()


def test_a_worker_that_exits_ends_the_rest_of_its_tree_and_its_exit_code_is_kept(tmp_path: Path) -> None:
    with worker_with("scattered", tmp_path) as stage:
        assert stage.started.stdin is not None
        os.write(stage.started.stdin.fileno(), b"leave")
        assert stage.started.wait(trees.DEADLINE_S) == 7
        assert trees.alive(stage.token) == []
        assert stage.proof.exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"])
def test_a_stop_signal_is_passed_on_once(tmp_path: Path, name: str) -> None:
    with worker_with("plain", tmp_path) as stage:
        # As from a terminal: to the whole group.
        os.killpg(stage.started.pid, signal.Signals[name])
        assert stage.read("heard") == signal.Signals[name]
        os.killpg(stage.started.pid, signal.SIGUSR1)
        assert stage.read("heard") == signal.SIGUSR1
        # A child that is in the middle of its exec shows no command line.
        trees.wait_until(lambda: len(trees.alive(stage.token)) == 3, "the whole tree is still alive")


@pytest.mark.parametrize("name", ["SIGQUIT", "SIGALRM", "SIGPIPE", "SIGTSTP"])
def test_only_sigkill_affects_the_keeper(tmp_path: Path, name: str) -> None:
    with worker_with("plain", tmp_path) as stage:
        os.kill(stage.started.pid, signal.Signals[name])
        os.kill(stage.started.pid, signal.SIGUSR1)
        assert stage.read("heard") == signal.SIGUSR1


def test_a_keeper_that_fails_itself_still_leaves_nothing_behind(tmp_path: Path) -> None:
    proof, token = tmp_path / "proof", trees.fresh_token()
    script = """
import os, sys, signal, subprocess
from pathlib import Path
from swarm_worker.processes import extinction
from swarm_worker.processes import keeper
faults = [RuntimeError("a fault on purpose")]
reap = extinction.reap
def fail_once():
    if faults and os.getpid() == first:
        raise faults.pop()
    return reap()
extinction.reap, first = fail_once, os.getpid()
keeper.fork_worker(on_orphaned=Path(sys.argv[1]).touch)
child = subprocess.Popen(sys.argv[2:])
print("standing", flush=True)
sys.stdin.read()
os.kill(os.getpid(), signal.SIGKILL)
"""
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(proof), *trees.deaf(token)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        trees.wait_until(lambda: len(trees.alive(token)) >= 3, "the tree is complete")
        _, errors = started.communicate(timeout=trees.DEADLINE_S)
        assert "a fault on purpose" in errors
        assert trees.alive(token) == []
        assert not proof.exists()
    finally:
        started.kill()
        trees.kill_rest(token)


@pytest.mark.usefixtures("own_world")
def test_a_stopped_keeper_of_a_killed_worker_is_ended_with_its_tree(tmp_path: Path) -> None:
    with worker_with("scattered", tmp_path) as stage:
        os.kill(stage.started.pid, signal.SIGSTOP)
        os.kill(stage.worker_pid, signal.SIGKILL)
        assert stage.keeper is not None
        verdict = kill_marked(
            stage.attempt_id, recorded=[stage.keeper], deadline_s=trees.DEADLINE_S, clock=SystemClock()
        )
        assert verdict.gone
        assert trees.alive(stage.token) == []


# `chain` trees no longer have a recorded process or an owner: only a pid namespace holds them.
@pytest.mark.usefixtures("own_world")
@pytest.mark.parametrize("name", ["plain", "scattered", "left_behind", "deaf", "stopped", "reborn"])
def test_the_sweep_ends_what_worker_and_keeper_left_when_both_were_killed(tmp_path: Path, name: str) -> None:
    with worker_with(name, tmp_path) as stage:
        assert stage.keeper is not None
        # Stopped first, so that neither sees the other's end; then what the reaper has: the rows.
        for pid in (stage.started.pid, stage.worker_pid):
            os.kill(pid, signal.SIGSTOP)
        for pid in (stage.started.pid, stage.worker_pid):
            os.kill(pid, signal.SIGKILL)
        stage.started.wait()
        recorded = [stage.keeper] + ([stage.agent] if stage.agent else [])
        unmarked = [pid for pid in trees.alive(stage.token) if not _environment(pid)]
        verdict = kill_marked(
            stage.attempt_id,
            recorded=recorded,
            deadline_s=1.0 if unmarked else trees.DEADLINE_S,
            clock=SystemClock(),
        )
        left = trees.alive(stage.token)
        assert set(left) <= set(unmarked), "a process with the mark was left"
        # A process that dropped its environment and lost its parents cannot be found. But it must not be denied either.
        assert verdict.gone == (not left)
        assert all(any(f"pid {pid} " in text for text in verdict.seen) for pid in left)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""
