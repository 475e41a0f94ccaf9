"""A process is identified beyond doubt, and a signal reaches exactly it or none."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator

import pytest
import trees
from msgspec.structs import replace

from swarm_shared.processes import identity as processes
from swarm_shared.processes.identity import ProcessId, wait_for_ends
from swarm_shared.processes.procfs import read_stat


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(["/bin/sleep", "1000"])
    yield child
    child.kill()
    child.wait()


def identify(child: subprocess.Popen[bytes]) -> ProcessId:
    identity = ProcessId.of(child.pid)
    assert identity is not None
    return identity


@pytest.fixture(params=["pidfd", "no pidfd"])
def with_and_without_pidfds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "no pidfd":
        monkeypatch.delattr(os, "pidfd_open")


def recycled(child: subprocess.Popen[bytes]) -> ProcessId:
    """What a row would say about an earlier process that had the same pid."""
    return replace(identify(child), start_time=identify(child).start_time - 1)


def test_mine_is_this_process() -> None:
    assert ProcessId.mine().pid == os.getpid()
    assert ProcessId.mine() == ProcessId.of(os.getpid())
    assert ProcessId.mine().is_alive() is True


@pytest.mark.parametrize("pid", [0, -1, -17])
def test_a_number_that_means_many_processes_is_refused(pid: int) -> None:
    assert ProcessId.of(pid) is None
    with pytest.raises(ValueError, match="is not the pid of one process"):
        ProcessId.here(pid, 1)


def test_a_process_that_has_ended_counts_as_dead_before_it_is_waited_for(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper)
    assert identity.is_alive() is True
    os.kill(sleeper.pid, signal.SIGKILL)
    trees.wait_until(lambda: identity.is_alive() is False, "the sleeper is dead")
    assert sleeper.returncode is None
    assert ProcessId.of(sleeper.pid) == identity  # its entry is still there
    sleeper.wait()
    assert identity.is_alive() is False
    assert ProcessId.of(sleeper.pid) is None


def test_a_recycled_pid_is_a_different_process(sleeper: subprocess.Popen[bytes]) -> None:
    assert recycled(sleeper).is_alive() is False
    assert recycled(sleeper).pidfd() is None


@pytest.mark.usefixtures("with_and_without_pidfds")
def test_a_recycled_pid_gets_no_signal(sleeper: subprocess.Popen[bytes]) -> None:
    assert recycled(sleeper).kill(signal.SIGKILL) is False
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(0.05)


@pytest.mark.usefixtures("with_and_without_pidfds")
def test_the_exact_process_gets_the_signal(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper)
    assert identity.kill(signal.SIGTERM) is True
    assert sleeper.wait() == -signal.SIGTERM
    assert identity.kill(signal.SIGTERM) is False


def test_another_boot_means_dead_and_gets_no_signal(sleeper: subprocess.Popen[bytes]) -> None:
    of_another_boot = replace(identify(sleeper), boot_id="another")
    assert of_another_boot.is_alive() is False
    assert of_another_boot.kill(signal.SIGKILL) is False
    assert sleeper.poll() is None


def test_another_pid_namespace_is_never_judged(sleeper: subprocess.Popen[bytes]) -> None:
    of_a_container = replace(identify(sleeper), pid_ns=1)
    assert of_a_container.is_alive() is None
    assert of_a_container.pidfd() is None
    assert of_a_container.kill(signal.SIGKILL) is False
    assert sleeper.poll() is None
    assert "another pid namespace" in of_a_container.describe()


def test_a_process_hidden_by_proc_is_not_called_dead(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = identify(sleeper)
    monkeypatch.setattr(processes, "read_stat", lambda pid: None)
    assert identity.is_alive() is None


def test_a_pidfd_becomes_readable_at_the_end(sleeper: subprocess.Popen[bytes]) -> None:
    pidfd = identify(sleeper).pidfd()
    assert pidfd is not None
    ready = select.poll()  # `select.select` takes no descriptor above 1,023
    ready.register(pidfd, select.POLLIN)
    assert ready.poll(0) == []
    sleeper.kill()
    assert ready.poll(trees.DEADLINE_S * 1000) == [(pidfd, select.POLLIN)]
    os.close(pidfd)


@pytest.mark.usefixtures("with_and_without_pidfds")
def test_waiting_for_ends_returns_at_the_first_end(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper)
    sleeper.terminate()
    began = time.monotonic()
    while identity.is_alive():
        wait_for_ends([ProcessId.mine(), identity], 600)
    assert time.monotonic() - began < trees.DEADLINE_S


def test_queries_leave_no_descriptor_open(sleeper: subprocess.Popen[bytes]) -> None:
    before = os.listdir("/proc/self/fd")
    for identity in (identify(sleeper), recycled(sleeper), replace(identify(sleeper), pid_ns=1)):
        identity.is_alive()
        identity.kill(0)
        wait_for_ends([identity], 0.001)
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.parametrize("name", [") R 1 (", "a b", "new\nline", "((("])
def test_a_name_full_of_brackets_and_spaces_is_parsed_correctly(name: str) -> None:
    script = 'printf %s "$1" > /proc/$$/comm; echo; read line'
    child = subprocess.Popen(["/bin/sh", "-c", script, "sh", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    stat = read_stat(child.pid)
    assert stat is not None
    assert (stat.name, stat.parent, stat.ended) == (name, os.getpid(), False)
    child.communicate(b"\n")


def test_a_description_names_the_process_without_its_arguments(sleeper: subprocess.Popen[bytes]) -> None:
    trees.wait_until(lambda: "(sleep" in identify(sleeper).describe(), "exec")
    assert "1000" not in identify(sleeper).describe().replace(str(sleeper.pid), "")
    assert recycled(sleeper).describe() == f"pid {sleeper.pid} (ended)"
