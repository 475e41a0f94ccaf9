"""The processes below a process are listed, measured and killed as a whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trees

from swarm_shared.processes import procfs
from swarm_shared.processes import tree as proctree
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.tree import descendants, kill_tree, tree_usage


@contextmanager
def standing(tree: Callable[[str], list[str]], size: int) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    token = trees.fresh_token()
    child = subprocess.Popen(tree(token), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        trees.wait_until(lambda: len(trees.alive(token)) >= size, f"{size} processes run")
        yield child, token
    finally:
        child.kill()
        child.wait()
        trees.kill_rest(token)


@pytest.fixture(params=["children files", "a scan of parents"])
def both_listings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "a scan of parents":
        monkeypatch.setattr(procfs, "_kernel_lists_children", lambda: False)


@pytest.mark.usefixtures("both_listings")
def test_descendants_are_all_processes_below_and_no_others() -> None:
    with standing(trees.deaf, 3) as (child, token):
        # In the middle of its exec a process shows no command line.
        trees.wait_until(
            lambda: {p.pid for p in descendants(child.pid)} == set(trees.alive(token)) - {child.pid}, "all are listed"
        )
        assert child.pid in {process.pid for process in descendants(os.getpid())}


@pytest.mark.usefixtures("both_listings")
def test_an_ended_process_is_no_descendant() -> None:
    with standing(trees.plain, 3) as (child, token):
        for pid in set(trees.alive(token)) - {child.pid}:
            os.kill(pid, 9)
        trees.wait_until(lambda: descendants(child.pid) == [], "the children are gone")


def test_children_of_every_thread_are_found() -> None:
    script = """
import subprocess, sys, threading, time
def work():
    subprocess.Popen(["/bin/sleep", sys.argv[1]])
    time.sleep(1000)
threading.Thread(target=work).start()
"""
    with standing(lambda token: trees._python(script, token), 2) as (child, token):
        trees.wait_until(
            lambda: [p.pid for p in descendants(child.pid)] == [p for p in trees.alive(token) if p != child.pid],
            "the child of the thread is listed",
        )


def test_usage_counts_the_whole_tree_and_changes_when_anything_works() -> None:
    busy = lambda token: trees._shell('sleep "$1" & while :; do :; done', token)  # noqa: E731
    with standing(busy, 2) as (child, _):
        first = tree_usage(child.pid)
        assert first.count == 2
        assert first.rss_bytes > 100_000
        trees.wait_until(lambda: tree_usage(child.pid).cpu_s > first.cpu_s, "the tree used the processor")


def test_usage_of_an_idle_tree_does_not_change() -> None:
    with standing(trees.plain, 3) as (child, _):
        trees.wait_until(lambda: len({tree_usage(child.pid).cpu_s for _ in range(20)}) == 1, "nothing is counted twice")


def test_usage_of_a_dead_process_is_zero() -> None:
    child = subprocess.Popen(["/bin/true"])
    child.wait()
    assert tree_usage(child.pid).count == 0


@pytest.mark.parametrize(("tree", "size"), [(trees.plain, 3), (trees.deaf, 3), (trees.stopped, 2)])
def test_a_killed_tree_is_gone_without_a_subreaper(tree: Callable[[str], list[str]], size: int) -> None:
    with standing(tree, size) as (child, token):
        root = ProcessId.of(child.pid)
        assert root is not None
        assert len(kill_tree(root)) == size
        child.wait()
        trees.wait_gone(token)
        assert kill_tree(root) == []


def test_a_tree_that_grows_while_it_is_killed_leaves_nothing() -> None:
    # Killed from the top without stopping it first, its branches would be orphans before they were seen.
    growing = lambda token: trees._python(  # noqa: E731
        """
import os, time
def grow(depth):
    for _ in range(3):
        if depth and not os.fork():
            os.setsid()
            grow(depth - 1)
    time.sleep(1000)
grow(4)
""",
        token,
    )
    with standing(growing, 3) as (child, token):
        root = ProcessId.of(child.pid)
        assert root is not None
        kill_tree(root)
        child.wait()
        trees.wait_gone(token)


def test_a_tree_is_stopped_until_its_listing_is_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look(pid: int) -> list[ProcessId]:
        looks.append(pid)
        if len(looks) == 1:
            return descendants(pid)[:1]  # the others are "created" after this scan
        trees.wait_until(lambda: getattr(procfs.read_stat(pid), "state", "") == "T", "the root is stopped")
        return descendants(pid)

    monkeypatch.setattr(proctree, "descendants", look)
    with standing(trees.plain, 3) as (child, token):
        root = ProcessId.of(child.pid)
        assert root is not None
        assert len(kill_tree(root)) == 3
        child.wait()
        trees.wait_gone(token)


def test_a_child_whose_parent_was_stopped_in_the_middle_of_a_fork_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Forking 100 MB takes milliseconds, and SIGSTOP takes effect only after the fork. Here it takes longer.
    slow_fork = """
import os, signal, time
def fork_then_stop(number, frame):
    time.sleep(0.2)
    if os.fork():
        os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(1000)
signal.signal(signal.SIGUSR1, fork_then_stop)
print(flush=True)
time.sleep(1000)
"""
    send = ProcessId.kill
    monkeypatch.setattr(proctree, "_STOP_S", trees.DEADLINE_S)
    token = trees.fresh_token()
    with subprocess.Popen(trees._python(slow_fork, token), stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        root = ProcessId.of(parent.pid)
        assert root is not None
        stop_late = lambda it, number: send(it, signal.SIGUSR1 if (it, number) == (root, signal.SIGSTOP) else number)  # noqa: E731
        monkeypatch.setattr(ProcessId, "kill", stop_late)
        try:
            assert len(kill_tree(root)) == 2
            parent.wait()
            trees.wait_gone(token)
        finally:
            trees.kill_rest(token)


def test_an_unrelated_process_that_reuses_a_childs_pid_is_no_descendant(monkeypatch: pytest.MonkeyPatch) -> None:
    with standing(trees.plain, 3) as (parent, _), standing(trees.plain, 3) as (stranger, _):
        listed = {parent.pid: [stranger.pid]}
        monkeypatch.setattr(proctree, "children_lister", lambda: lambda pid: listed.get(pid, []))
        assert descendants(parent.pid) == []


def test_the_caller_survives_the_end_of_its_own_tree() -> None:
    script = """
import os, subprocess, sys
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.tree import kill_tree
child = subprocess.Popen(["/bin/sleep", "1000"])
kill_tree(ProcessId.mine())
print(child.wait())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=trees.DEADLINE_S)
    assert done.stdout == "-9\n"
