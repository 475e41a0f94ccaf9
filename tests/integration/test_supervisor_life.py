"""How a swarm starts and ends under a real supervisord: environment, folders, crashes, leftovers, owner."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from supervision import (
    DEADLINE_S,
    QUICK_START,
    Swarm,
    is_running,
    kill_tree,
    short_folder,
    start,
    start_time,
    swarm,
    wait_for,
)

from swarm_shared.supervisor import files as supervisor_files
from swarm_shared.supervisor.client import Orphan, SupervisorClient

pytestmark = pytest.mark.integration

THREE = ("worker-1", "worker-2", "worker-3")
OWNER = """\
import os, subprocess, sys
start = open("/proc/self/stat").read().rpartition(")")[2].split()[19]
os.environ["SWARM_OWNER"] = f"{os.getpid()}:{start}"
sys.exit(subprocess.call(sys.argv[1:]))
"""


def test_an_empty_environment_and_any_folder_are_enough_to_start() -> None:
    with swarm() as running:
        running.wait_ready(*THREE)
        assert set(running.pids()) == {
            "swarm-reaper",
            "swarm-dashboard",
            *(f"swarm-worker:swarm-{worker}" for worker in THREE),
        }
        assert "WARN" not in running.log


def test_two_swarms_live_side_by_side() -> None:
    with swarm() as one, swarm() as other:
        before = one.wait_ready(*THREE)
        other.wait_ready(*THREE)
        other.client.scale(1, now=True)
        other.wait_ready("worker-1")
        assert one.worker_pids() == before


def test_a_second_supervisord_in_the_same_folder_is_refused_and_changes_nothing() -> None:
    with swarm(environ={"SWARM_WORKERS": "2"}) as running:
        before = running.wait_ready("worker-1", "worker-2")
        assert start(running.home).wait(DEADLINE_S) == 2
        assert running.worker_pids() == before
        assert running.override.exists()


@pytest.mark.parametrize("name", ["50%done", "%(here)s %%", "a b; c # ü '\" $x"])
def test_a_configuration_in_a_folder_with_an_odd_name_can_be_started_by_its_path(name: str) -> None:
    with short_folder() as folder:
        home = folder / name
        home.mkdir()
        with swarm(home, environ={"SWARM_WORKERS": "1"}, own_path=True) as running:
            wait_for("the worker", lambda: running.ready_pid("worker-1"), show=lambda: running.log)
            assert {slot.name for slot in running.client.slots()} == {"swarm-worker-1"}
            running.client.scale(2)
            wait_for("the second worker", lambda: running.ready_pid("worker-2"), show=lambda: running.log)


def test_a_folder_that_supervisord_would_read_as_a_pattern_is_refused_with_an_explanation() -> None:
    with short_folder() as folder:
        home = folder / "a[b]"
        home.mkdir()
        process = start(home, own_path=True)
        try:
            assert process.wait(DEADLINE_S) == 2
        finally:
            kill_tree(process)
        assert "a[b] has a *, ? or [ in it, which supervisord takes for a pattern" in (home / "output").read_text()


@pytest.mark.parametrize("name", ["x" * 90, "100% [mine] *?", "a b; c # ü"])
def test_a_folder_with_a_long_or_odd_path_works(name: str) -> None:
    with short_folder() as folder:
        home = folder / name
        with swarm(home, environ={"SWARM_WORKERS": "1"}) as running:
            running.wait_ready("worker-1")
            assert (home / "var" / "supervisor.sock").is_socket()
            assert running.ctl("scale", "2").returncode == 0
            running.wait_ready("worker-1", "worker-2")
        if running.client.socket_path.parents[1] != home:
            running.client.socket_path.parents[1].unlink()


def test_a_crashed_worker_is_restarted_and_a_drained_one_is_not() -> None:
    with swarm(conf=QUICK_START) as running:
        pids = running.wait_ready(*THREE)
        os.kill(pids["worker-1"], signal.SIGKILL)
        running.note("finish", "worker-2", "0")
        os.kill(pids["worker-2"], signal.SIGUSR1)

        def is_back() -> bool:
            now = running.worker_pids()
            return now.get("worker-1", pids["worker-1"]) != pids["worker-1"] and "worker-2" not in now

        running.wait_for("worker-1 to come back and worker-2 to stay away", is_back)
        assert running.log.count("spawned: 'swarm-worker-2'") == 1


def test_settings_of_the_environment_apply_from_the_first_start() -> None:
    environ = {"SWARM_WORKERS": "2", "SWARM_GRACEFUL_TIMEOUT_S": "12.5", "SWARM_DASHBOARD": "off"}
    with swarm(environ=environ) as running:
        running.wait_ready("worker-1", "worker-2")
        assert set(running.pids()) == {
            "swarm-reaper",
            "swarm-worker:swarm-worker-1",
            "swarm-worker:swarm-worker-2",
        }
        assert "swarm-worker-3" not in running.log
        assert "stopwaitsecs=43" in running.override.read_text()
        assert "No config updates" in running.ctl("reread").stdout
        running.client.scale(3)
        assert "stopwaitsecs=43" in running.override.read_text()


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SWARM_WORKERS", "lots"), ("SWARM_MAX_WORKERS", "257"), ("SWARM_GRACEFUL_TIMEOUT_S", "soon")],
)
def test_an_invalid_setting_is_reported_on_standard_error_and_the_default_applies(variable: str, value: str) -> None:
    with swarm(environ={variable: value}) as running:
        running.wait_ready(*THREE)
        assert f"amplifier-swarm: {variable}='{value}'" in (running.home / "output").read_text()
        assert not running.override.exists()


def test_a_count_left_behind_by_a_killed_supervisord_is_ignored_at_the_next_start() -> None:
    with short_folder() as home:
        with swarm(home) as running:
            running.client.scale(5)
            running.wait_ready(*THREE, "worker-4", "worker-5")
        assert running.override.exists()
        with swarm(home) as again:
            again.wait_ready(*THREE)
            assert not again.override.exists()
            assert "spawned: 'swarm-worker-4'" not in again.log.rpartition("supervisord started")[2]


def leftover(running: Swarm) -> int:
    """The pid of the process that worker-1 left behind, once the worker that did it was killed."""
    pids = running.wait_ready("worker-1")
    (running.home / "leave-behind").unlink()
    os.kill(pids["worker-1"], signal.SIGKILL)
    running.wait_for("another worker", lambda: running.worker_pids().get("worker-1", 0) not in (0, *pids.values()))
    return int((running.home / "left-worker-1").read_text())


def test_processes_left_behind_by_a_killed_worker_are_listed_until_they_are_dead() -> None:
    files = {"leave-behind": ""}
    # A shell that becomes supervisord may already have children, which are not ours.
    shell = ("/bin/sh", "-c", 'sleep 300 & exec "$@"', "sh")
    with swarm(environ={"SWARM_WORKERS": "1"}, files=files, launcher=shell) as running:
        pid = leftover(running)
        assert running.client.orphans() == (Orphan(pid=pid, start_time=start_time(pid)),)
        sleepers = [each for each in psutil.Process(running.process.pid).children() if each.name() == "sleep"]
        assert len(sleepers) == 2

        os.kill(pid, signal.SIGKILL)
        running.wait_for("its end", lambda: running.client.orphans() == ())


def test_a_supervisord_that_became_a_daemon_adopts_as_well() -> None:
    with short_folder() as home:
        environ = {"SWARM_WORKERS": "1"}
        launched = start(home, environ=environ, files={"leave-behind": ""}, daemon=True)
        assert launched.wait(DEADLINE_S) == 0
        client = SupervisorClient(supervisor_files.socket_path(home))
        daemon = psutil.Process(client.pid())
        try:
            assert leftover(Swarm(home, launched, home / "environment")) in {orphan.pid for orphan in client.orphans()}
        finally:
            kill_tree(daemon)


def owned(home: Path, owner: str) -> subprocess.Popen[bytes]:
    return start(home, environ={"SWARM_OWNER": owner, "SWARM_WORKERS": "1"})


def assert_ends_orderly(home: Path, process: subprocess.Popen[bytes], trigger: Callable[[], object]) -> None:
    try:
        worker = wait_for("the worker", lambda: _ready(home), show=lambda: (home / "output").read_text())
        trigger()
        assert process.wait(DEADLINE_S) == 0
        assert not is_running(worker)
        assert not (home / "supervisord.d" / "50-scale.conf").exists()
    finally:
        kill_tree(process)


def _ready(home: Path) -> int | None:
    path = home / "ready-worker-1"
    return int(path.read_text()) if path.exists() else None


def test_supervisord_shuts_down_cleanly_when_its_parent_is_killed() -> None:
    with short_folder() as home:
        owner = start(home, environ={"SWARM_WORKERS": "1"}, launcher=(sys.executable, "-c", OWNER))
        try:
            worker = wait_for("the worker", lambda: _ready(home), show=lambda: (home / "output").read_text())
            (supervisord,) = psutil.Process(owner.pid).children()
        except BaseException:
            kill_tree(owner)
            raise
        try:
            owner.kill()
            owner.wait(DEADLINE_S)
            supervisord.wait(DEADLINE_S)
            assert not is_running(worker)
            assert "received SIGTERM" in (home / "var" / "log" / "supervisord.log").read_text()
        finally:
            kill_tree(supervisord)


def test_supervisord_shuts_down_cleanly_when_an_owner_elsewhere_is_gone() -> None:
    with short_folder() as home, subprocess.Popen(["/bin/sleep", "300"]) as owner:
        try:
            process = owned(home, f"{owner.pid}:{start_time(owner.pid)}")
            assert_ends_orderly(home, process, owner.kill)
        finally:
            owner.kill()


def test_supervisord_does_not_mistake_a_recycled_pid_for_its_owner() -> None:
    with short_folder() as home:
        process = owned(home, f"{os.getpid()}:{start_time(os.getpid()) + 1}")
        try:
            assert process.wait(DEADLINE_S) == 0
        finally:
            kill_tree(process)
