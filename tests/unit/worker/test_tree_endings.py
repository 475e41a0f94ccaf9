"""`end` ends every hard-to-kill tree, whatever session, group or environment its processes have moved to."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from tree_harness import Harness, open_harness
from tree_kinds import TREES, every_tree

from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.procfs import read_stat
from swarm_worker.processes import extinction
from swarm_worker.processes.session_tree import CannotStart, Exited, Gone, Unproven


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with open_harness(tmp_path) as harness:
        yield harness


def plant(harness: Harness, name: str) -> str:
    """Start a tree and wait until it is complete."""
    tree, size = TREES[name]
    token = trees.fresh_token()
    harness.start(*tree(token))
    trees.wait_until(lambda: len(trees.alive(token)) >= size, f"{name} is complete")
    return token


@every_tree
@pytest.mark.parametrize("grace_s", [0.0, 0.3])
def test_nothing_is_left_when_the_tree_is_reported_gone(harness: Harness, name: str, grace_s: float) -> None:
    token = plant(harness, name)
    harness.end(grace_s)
    harness.wait(Gone)
    assert trees.alive(token) == []


def test_a_tree_whose_main_thread_has_ended_dies_too(harness: Harness) -> None:
    token = trees.fresh_token()
    pid = harness.start(*trees.headless(token))
    stat = Path(f"/proc/{pid}/stat")
    trees.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "the main thread ended")
    agent = ProcessId.of(pid)
    assert agent is not None
    assert agent.is_alive(), "a live thread was missed"
    harness.end(0.0)
    harness.wait(Gone)
    assert not stat.exists()


def test_a_grace_period_is_used_to_exit_in_order_and_does_not_delay_the_end(harness: Harness) -> None:
    harness.start("/bin/sh", "-c", 'trap "exit 5" TERM; echo ready; while :; do sleep 0.01; done')
    trees.wait_until(lambda: "ready" in harness.output(), "the trap is set")
    began = time.monotonic()
    harness.end(60)
    assert harness.wait(Exited).exit_code == 5
    harness.wait(Gone)
    assert time.monotonic() - began < 30


def test_a_stopped_process_gets_the_chance_to_exit_in_order(harness: Harness) -> None:
    pid = harness.start("/bin/sh", "-c", 'trap "exit 5" TERM; kill -STOP $$; while :; do sleep 0.01; done')
    stat = Path(f"/proc/{pid}/stat")
    trees.wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it is stopped")
    harness.end(60)
    assert harness.wait(Exited).exit_code == 5


def test_a_kill_overtakes_a_long_grace_period(harness: Harness) -> None:
    token = plant(harness, "deaf")
    harness.end(3600)
    harness.kill()
    harness.wait(Gone)
    assert trees.alive(token) == []


def test_orphans_are_waited_for_while_no_ending_is_in_progress(harness: Harness, tmp_path: Path) -> None:
    go = tmp_path / "go"
    orphan = f"while [ ! -e {go} ]; do sleep 0.01; done"
    harness.start("/bin/sh", "-c", f'for i in 1 2 3 4 5; do (setsid sh -c "{orphan}" &); done')
    assert not harness.wait(Exited).alone
    go.touch()
    children = Path(f"/proc/{harness.pid}/task/{harness.pid}/children")
    trees.wait_until(lambda: children.read_text() == "", "no zombie stays")


def test_extinction_spares_the_caller_and_its_own_group() -> None:
    script = """
import os, subprocess
from swarm_worker.processes.extinction import become_subreaper, extinguish
become_subreaper()
subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & setsid sleep 1000 & wait"])
print(extinguish(), flush=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=trees.DEADLINE_S)
    assert (done.stdout, done.returncode) == ("()\n", 0)


def test_a_process_that_escaped_the_listing_dies_with_its_group() -> None:
    script = """
import os, subprocess
from swarm_worker.processes import extinction
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


def test_a_process_that_is_not_visible_is_never_assumed_gone() -> None:
    script = """
import subprocess
from swarm_worker.processes import extinction
from swarm_shared.processes import tree as proctree
extinction.become_subreaper()
child = subprocess.Popen(["/bin/sleep", "1000"])
extinction.descendants = proctree.descendants = lambda pid: []
extinction.EFFORT_S = 0.1
print(extinction.extinguish(), flush=True)
child.kill()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=trees.DEADLINE_S)
    assert done.stdout == "('a hidden process',)\n", done.stderr


def test_a_process_that_cannot_be_killed_is_named_and_reported_gone_when_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    permission = tmp_path / "may-kill"
    kill_all = extinction._kill_all
    # The fork inherits these: a tree whose signals do nothing until the file exists.
    monkeypatch.setattr(extinction, "_kill_all", lambda: kill_all() if permission.exists() else None)
    monkeypatch.setattr(extinction, "EFFORT_S", 0.1)
    monkeypatch.setattr(extinction, "_PAUSE_PAST_EFFORT_S", 0.05)
    with open_harness(tmp_path) as harness:
        try:
            pid = harness.start("/bin/sleep", "1000")
            trees.wait_until(lambda: (s := read_stat(pid)) is not None and s.state == "S", "it sleeps")
            harness.kill()
            unproven = harness.wait(Unproven)
            assert [f"pid {pid} (sleep, state S)"] == list(unproven.survivors)
            with pytest.raises(CannotStart, match="/bin/true cannot"):
                harness.start("/bin/true")
        finally:
            permission.touch()
        harness.wait(Gone)
