"""Nothing outlives its owner: every nasty tree dies by `end`, and with worker, keeper, or both killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trees
from keeper_desk import Desk, open_desk

from swarm_shared import sweep
from swarm_shared.clock import SystemClock
from swarm_shared.processes import ProcessId
from swarm_shared.proctree import descendants
from swarm_shared.sweep import kill_marked, marks
from swarm_worker import extinction, keeper_process
from swarm_worker.keeper import Exited, Gone, KeeperLost, Started, StartFailed, Unproven

# Each tree with the number of processes it consists of once it stands.
TREES: dict[str, tuple[Callable[[str], list[str]], int]] = {
    "plain": (trees.plain, 3),
    "scattered": (trees.scattered, 4),
    "left_behind": (trees.left_behind, 2),
    "deaf": (trees.deaf, 3),
    "stopped": (trees.stopped, 2),
    "reborn": (trees.reborn, 1),
    "chain": (trees.chain, 1),
    "chain_of_sessions": (lambda token: trees.chain(token, sessions=True), 1),
}
every_tree = pytest.mark.parametrize("name", TREES)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as desk:
        yield desk


def plant(desk: Desk, name: str) -> str:
    """Start a tree and wait until it stands."""
    tree, size = TREES[name]
    token = trees.fresh_token()
    desk.start(*tree(token))
    trees.wait_until(lambda: len(trees.alive(token)) >= size, f"{name} stands")
    return token


@every_tree
@pytest.mark.parametrize("grace_s", [0.0, 0.3])
def test_nothing_is_left_when_the_keeper_says_gone(desk: Desk, name: str, grace_s: float) -> None:
    token = plant(desk, name)
    desk.keeper.end(grace_s)
    desk.wait(Gone)
    assert trees.alive(token) == []


def test_a_tree_whose_main_thread_has_ended_dies_too(desk: Desk) -> None:
    token = trees.fresh_token()
    pid = desk.wait(Started, desk.start(*trees.headless(token))).pid
    stat = Path(f"/proc/{pid}/stat")
    trees.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "the main thread ended")
    agent = ProcessId.of(pid)
    assert agent is not None
    assert agent.is_alive(), "a live thread was overlooked"
    desk.keeper.end(0.0)
    desk.wait(Gone)
    assert not stat.exists()


def test_a_grace_is_used_to_leave_in_order_and_not_waited_out(desk: Desk) -> None:
    request = desk.start("/bin/sh", "-c", 'trap "exit 5" TERM; echo ready; while :; do sleep 0.01; done')
    trees.wait_until(lambda: "ready" in desk.output(), "the trap is set")
    began = time.monotonic()
    desk.keeper.end(60)
    assert desk.wait(Exited, request).exit_code == 5
    desk.wait(Gone)
    assert time.monotonic() - began < 30


def test_a_stopped_process_gets_the_chance_to_leave_in_order(desk: Desk) -> None:
    request = desk.start("/bin/sh", "-c", 'trap "exit 5" TERM; kill -STOP $$; while :; do sleep 0.01; done')
    stat = Path(f"/proc/{desk.wait(Started, request).pid}/stat")
    trees.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
    desk.keeper.end(60)
    assert desk.wait(Exited, request).exit_code == 5


def test_a_kill_overtakes_a_long_grace(desk: Desk) -> None:
    token = plant(desk, "deaf")
    desk.keeper.end(3600)
    desk.keeper.kill()
    desk.wait(Gone)
    assert trees.alive(token) == []


def test_orphans_are_waited_for_while_nobody_ends_anything(desk: Desk) -> None:
    request = desk.start("/bin/sh", "-c", "for i in 1 2 3 4 5; do (setsid sleep 0.05 &); done; sleep 0.01")
    assert not desk.wait(Exited, request).alone
    children = Path(f"/proc/{desk.keeper.pid}/task/{desk.keeper.pid}/children")
    trees.wait_until(lambda: children.read_text() == "", "no zombie stays with the keeper")


def test_extinction_spares_the_caller_and_its_own_group() -> None:
    script = """
import os, subprocess
from swarm_worker.extinction import become_subreaper, extinguish
become_subreaper()
subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & wait"])
print(extinguish(), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=trees.DEADLINE_S)
    assert (done.stdout, done.returncode) == ("()\n", 0)


def test_a_process_that_outran_the_list_dies_with_its_group() -> None:
    script = """
import os, subprocess
from swarm_worker import extinction
extinction.become_subreaper()
shell = "sleep 1000 & sleep 1000 & echo; wait"
child = subprocess.Popen(["/bin/sh", "-c", shell], start_new_session=True, stdout=subprocess.PIPE)
child.stdout.readline()
everything = extinction.descendants
extinction.descendants = lambda pid: everything(pid)[:1]
extinction._kill_all()
extinction._kill_all = lambda: None
print(extinction.extinguish(), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=trees.DEADLINE_S)
    assert done.stdout == "()\n", done.stderr


def test_what_cannot_be_killed_is_named_and_reported_gone_when_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permission = tmp_path / "may-kill"
    kill_all = extinction._kill_all
    # The fork inherits these: a keeper whose signals do nothing until the file is there.
    monkeypatch.setattr(extinction, "_kill_all", lambda: kill_all() if permission.exists() else None)
    monkeypatch.setattr(extinction, "EFFORT_S", 0.1)
    monkeypatch.setattr(extinction, "_PAUSE_PAST_EFFORT_S", 0.05)
    with open_desk(tmp_path) as desk:
        try:
            pid = desk.wait(Started, desk.start("/bin/sleep", "1000")).pid
            desk.keeper.kill()
            unproven = desk.wait(Unproven)
            assert [f"pid {pid} (sleep, state S)"] == list(unproven.survivors)
            assert desk.wait(StartFailed, desk.start("/bin/true")).text.startswith("/bin/true cannot")
        finally:
            permission.touch()
        desk.wait(Gone)


@pytest.fixture
def own_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the sweep see only what this test process has started or inherits.

    Processes without environment that tests beside this one start would be unknown to it, and rightly so.
    """
    extinction.become_subreaper()
    monkeypatch.setattr(sweep, "all_pids", lambda: [process.pid for process in descendants(os.getpid())])


def test_a_keeper_with_a_fault_of_its_own_still_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, event: object) -> None:
        raise RuntimeError("a fault on purpose")

    monkeypatch.setattr(keeper_process._Keeper, "_tell", fail)
    proof = tmp_path / "proof"
    with open_desk(tmp_path, proof.touch) as desk:
        token = trees.fresh_token()
        desk.start(*trees.deaf(token))
        desk.wait(KeeperLost)
    assert trees.alive(token) == []
    assert not proof.exists()


class Stage:
    """A worker of its own, with a keeper and a tree, and what it prints."""

    def __init__(self, name: str, folder: Path) -> None:
        tree, size = TREES[name]
        self.token = trees.fresh_token()
        self.attempt_id = "0d9c9a4e-2c1b-4f0e-9d0a-" + f"{int(self.token):012x}"[-12:]
        self.proof = folder / "proof"
        script = Path(trees.__file__).with_name("keeper_worker.py")
        self.worker = subprocess.Popen(
            [sys.executable, str(script), str(self.proof), *tree(self.token)],
            stdout=subprocess.PIPE,
            env=dict(os.environ) | marks(self.attempt_id),
            process_group=0,
        )
        self._lines = b""
        self.keeper_pid = int(self.read("keeper"))
        self.keeper = ProcessId.of(self.keeper_pid)
        self.agent_pid = int(self.read("pid"))
        self.agent = ProcessId.of(self.agent_pid)
        trees.wait_until(lambda: len(trees.alive(self.token)) >= size, f"{name} stands")

    def read(self, key: str) -> Any:
        """The value of the first line from here on that has this key."""
        assert self.worker.stdout is not None
        while True:
            line, found, rest = self._lines.partition(b"\n")
            if found:
                self._lines = rest
                fields = json.loads(line)
                if key in fields:
                    return fields[key]
                continue
            ready, _, _ = select.select([self.worker.stdout], [], [], trees.DEADLINE_S)
            assert ready, f"the worker did not tell {key!r}"
            data = os.read(self.worker.stdout.fileno(), 1 << 16)
            assert data, f"the worker ended before it told {key!r}"
            self._lines += data

    def close(self) -> None:
        self.worker.kill()
        self.worker.communicate()
        # Whatever a red test leaves: what the product did not end must not outlive the test.
        trees.kill_rest(self.token)


@contextmanager
def worker_with(name: str, folder: Path) -> Iterator[Stage]:
    stage = Stage(name, folder)
    try:
        yield stage
    finally:
        stage.close()


@every_tree
def test_a_readable_pidfd_of_the_keeper_proves_a_killed_workers_tree_gone(tmp_path: Path, name: str) -> None:
    with worker_with(name, tmp_path) as stage:
        pidfd = os.pidfd_open(stage.keeper_pid)
        stage.worker.kill()
        assert select.select([pidfd], [], [], trees.DEADLINE_S)[0], "the keeper did not leave"
        assert trees.alive(stage.token) == []
        assert stage.proof.read_text() == "gone"
        os.close(pidfd)


@every_tree
def test_the_worker_ends_what_a_killed_keeper_left(tmp_path: Path, name: str) -> None:
    with worker_with(name, tmp_path) as stage:
        os.kill(stage.keeper_pid, signal.SIGKILL)
        assert stage.read("inherited") == "Gone"
        assert trees.alive(stage.token) == []
        assert not stage.proof.exists()


@pytest.mark.usefixtures("own_world")
def test_a_stopped_keeper_of_a_killed_worker_is_ended_with_its_tree(tmp_path: Path) -> None:
    with worker_with("scattered", tmp_path) as stage:
        os.kill(stage.keeper_pid, signal.SIGSTOP)
        stage.worker.kill()
        stage.worker.wait()
        assert stage.keeper is not None
        verdict = kill_marked(
            stage.attempt_id, recorded=[stage.keeper], deadline_s=trees.DEADLINE_S, clock=SystemClock()
        )
        assert verdict.gone
        assert trees.alive(stage.token) == []


# `chain` trees have no recorded process and no owner any more: only a pid namespace holds those.
@pytest.mark.usefixtures("own_world")
@pytest.mark.parametrize("name", ["plain", "scattered", "left_behind", "deaf", "stopped", "reborn"])
def test_the_sweep_ends_what_worker_and_keeper_left_when_both_were_killed(tmp_path: Path, name: str) -> None:
    with worker_with(name, tmp_path) as stage:
        assert stage.keeper is not None
        # Stopped first, so that neither sees the other's end; then what the reaper has: the rows.
        for pid in (stage.worker.pid, stage.keeper_pid):
            os.kill(pid, signal.SIGSTOP)
        for pid in (stage.worker.pid, stage.keeper_pid):
            os.kill(pid, signal.SIGKILL)
        stage.worker.wait()
        recorded = [stage.keeper] + ([stage.agent] if stage.agent else [])
        unmarked = [pid for pid in trees.alive(stage.token) if not _environment(pid)]
        verdict = kill_marked(
            stage.attempt_id,
            recorded=recorded,
            deadline_s=1.0 if unmarked else trees.DEADLINE_S,
            clock=SystemClock(),
        )
        left = trees.alive(stage.token)
        assert set(left) <= set(unmarked), "something that bears the mark was left"
        # What dropped its environment and lost its parents cannot be found. It must not be denied either.
        assert verdict.gone == (not left)
        assert all(any(f"pid {pid} " in text for text in verdict.seen) for pid in left)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def test_an_interrupt_of_the_terminals_group_reaches_the_worker_and_no_agent(tmp_path: Path) -> None:
    with worker_with("plain", tmp_path) as stage:
        os.killpg(stage.worker.pid, signal.SIGINT)
        assert stage.read("interrupted") is True
        assert len(trees.alive(stage.token)) == 3
        assert stage.keeper is not None
        assert stage.keeper.is_alive()


def test_killing_the_workers_group_as_supervisord_does_ends_the_tree(tmp_path: Path) -> None:
    with worker_with("scattered", tmp_path) as stage:
        os.killpg(stage.worker.pid, signal.SIGKILL)
        trees.wait_gone(stage.token)
        trees.wait_until(stage.proof.exists, "the keeper proved it")
