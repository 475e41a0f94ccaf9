"""A program that is still starting when its supervisord is killed exits too, and does not wait for init to reap."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from live_swarm import LiveSwarm, live_swarm
from supervision import DEADLINE_S, Swarm, kill_tree, short_folder, start, start_time, wait_for

from swarm_shared.supervisor import files as supervisor_files
from swarm_shared.supervisor.client import SupervisorClient

pytestmark = pytest.mark.integration
LEAVES_WITHIN_S = 30.0


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


@pytest.fixture
def dead() -> str:
    """PID:START of a process that has ended."""
    process = subprocess.Popen(["/bin/sleep", "1000"])
    named = f"{process.pid}:{start_time(process.pid)}"
    process.kill()
    process.wait()
    return named


@pytest.mark.parametrize("program", ["swarm_worker", "swarm_reaper", "swarm_dashboard"])
def test_a_program_whose_supervisord_died_during_its_start_exits(swarm: LiveSwarm, dead: str, program: str) -> None:
    environ = {"SUPERVISOR_ENABLED": "1", "SWARM_SUPERVISORD": dead, "SWARM_DASHBOARD_PORT": "0"}
    process = swarm.spawn(program, **environ)
    assert process.wait(LEAVES_WITHIN_S) is not None


@pytest.mark.parametrize("daemon", [False, True])
def test_supervisord_passes_its_own_identity_to_its_programs(daemon: bool) -> None:
    with short_folder() as home:
        launched = start(home, environ={"SWARM_WORKERS": "1"}, daemon=daemon)
        if daemon:
            assert launched.wait(DEADLINE_S) == 0
        running = Swarm(home, launched, home / "environment")
        client = SupervisorClient(supervisor_files.socket_path(home))
        worker = wait_for("a worker", lambda: running.ready_pid("worker-1"), show=lambda: (home / "output").read_text())
        supervisord = psutil.Process(client.pid())
        try:
            variable = psutil.Process(worker).environ()["SWARM_SUPERVISORD"]
            assert variable == f"{supervisord.pid}:{start_time(supervisord.pid)}"
        finally:
            kill_tree(supervisord)
            if not daemon:
                launched.wait(DEADLINE_S)
