"""Sessions under `runner: bwrap` in real workers: signals, deaths, git, and the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, wait_until

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.file_lock import try_lock

pytestmark = pytest.mark.integration
DEMO = Path(__file__).parents[2] / "examples" / "demo"
# Leaves its parent twice, its session and its environment; holds the lock of the file `held` for as long as it lives.
ESCAPEE = """
import fcntl, os, signal
lock = os.open('held', os.O_CREAT | os.O_RDWR)
fcntl.flock(lock, fcntl.LOCK_EX)
os.set_inheritable(lock, True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork() and os._exit(0)
os.setsid()
os.fork() and os._exit(0)
os.closerange(0, lock)
os.execve('/bin/sleep', ['sleep', '600'], {})
"""


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path)
    swarm.settings |= {"SWARM_RUNNER": "bwrap", "SWARM_AGENT_CLI": "command"}
    yield swarm
    swarm.end()


def is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        return try_lock(descriptor)
    finally:
        os.close(descriptor)


def with_escapee(swarm: LiveSwarm) -> Path:
    """Add a task whose first attempt leaves an escapee and stays; the file that it holds."""
    (swarm.project / "escape.py").write_text(ESCAPEE)
    run = "[ -e tried ] && exit 0; touch tried; python3 escape.py; sleep 600"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    return swarm.project / "held"


@pytest.mark.parametrize("victims", [("worker",), ("keeper",), ("worker", "keeper"), ("bwrap",)], ids=str)
def test_after_a_kill_nothing_is_left_and_the_task_is_done_again(swarm: LiveSwarm, victims: tuple[str, ...]) -> None:
    held = with_escapee(swarm)
    swarm.reaper()
    swarm.worker("worker-1", "--no-validation")
    wait_until(lambda: held.exists() and not is_free(held), swarm.logs)
    row = "SELECT pid FROM sessions WHERE pid IS NOT NULL AND ended_at IS NULL"
    wait_until(lambda: swarm.db.connection.value(row), swarm.logs)
    (worker,) = swarm.db.workers.alive()
    assert worker.keeper is not None
    pids = {"worker": worker.process.pid, "keeper": worker.keeper.pid, "bwrap": swarm.db.connection.value(row)}
    assert Path(f"/proc/{pids['bwrap']}/comm").read_text() == "bwrap\n"
    for name in victims:  # stopped first, so that none does its work in between
        os.kill(pids[name], signal.SIGSTOP)
    for name in victims:
        os.kill(pids[name], signal.SIGKILL)
    wait_until(lambda: is_free(held), swarm.logs)
    if victims != ("bwrap",):
        swarm.worker("worker-2", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert len(swarm.attempts("a")) == 2
    assert swarm.leftovers() == []


def test_a_session_that_ends_takes_its_escapee_along(swarm: LiveSwarm) -> None:
    (swarm.project / "escape.py").write_text(ESCAPEE)
    swarm.add(TaskSpec(id="a", name="a", run="python3 escape.py; until [ -e held ]; do :; done"))
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert is_free(swarm.project / "held")


def test_a_stop_gives_the_command_time_to_save(swarm: LiveSwarm) -> None:
    run = "trap 'echo saved > saved; exit 3' TERM; touch begun; while :; do sleep 0.05; done"
    swarm.add(TaskSpec(id="a", name="a", run=run))
    worker = swarm.worker("worker-1", "--no-validation", SWARM_KILL_GRACE_S="10")
    wait_until(lambda: (swarm.project / "begun").exists(), swarm.logs)
    for _ in range(2):
        swarm.hand_down(worker, signal.SIGTERM)
    worker.wait(10)
    assert (swarm.project / "saved").read_text() == "saved\n"


def test_exit_codes_and_signals_of_the_command_are_reported(swarm: LiveSwarm) -> None:
    swarm.add(
        TaskSpec(id="a", name="a", run="exit 7", max_retries=0),
        TaskSpec(id="b", name="b", run="true", checks=("exit 9",), max_retries=0),
    )
    swarm.worker("worker-1", "--no-validation")
    assert "exited with code 7" in swarm.wait_for("a", Status.FAILED)["last_error"]
    assert "exit 9" in swarm.wait_for("b", Status.FAILED)["last_error"]


def test_checks_have_a_runner_of_their_own(swarm: LiveSwarm) -> None:
    outside = swarm.folder / "outside"
    swarm.add(TaskSpec(id="a", name="a", run=f"touch {outside}-agent || true", checks=(f"touch {outside}",)))
    swarm.worker("worker-1", "--no-validation", SWARM_CHECK_RUNNER="local")
    swarm.wait_for("a", Status.COMPLETED)
    assert outside.exists()
    assert not Path(f"{outside}-agent").exists()


def test_agents_get_listed_variables_the_tasks_own_and_the_marks(swarm: LiveSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text("runners: {bwrap: {environment: [MINE_*]}}\n")
    swarm.add(TaskSpec(id="a", name="a", run="env > seen", env={"OF_TASK": "1"}))
    swarm.worker("worker-1", "--no-validation", MINE_A="2", SOME_TOKEN="hush-hush-1", SWARM_RUNNER="bwrap")
    swarm.wait_for("a", Status.COMPLETED)
    seen = (swarm.project / "seen").read_text()
    assert "OF_TASK=1\n" in seen
    assert "MINE_A=2\n" in seen
    assert "AMPLIFIER_SWARM_TASK_ID=a\n" in seen
    assert "hush-hush-1" not in seen


def test_without_bwrap_a_worker_does_not_start(swarm: LiveSwarm) -> None:
    (swarm.folder / "bin").mkdir()
    worker = swarm.worker("worker-1", PATH=str(swarm.folder / "bin"))
    assert worker.wait(30) == 3
    assert "install bubblewrap" in swarm.logs()


def run_demo(folder: Path, python: str, *words: str) -> str:
    """Play the demo under bwrap; what it printed."""
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])
    ended = subprocess.run(
        [DEMO / "run", "--runner", "bwrap", *words],
        env={**os.environ, "PATH": path, "DEMO_FOLDER": str(folder), "DEMO_PAUSE_S": "0"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_demo_runs_confined(tmp_path: Path) -> None:
    assert "█ 13" in run_demo(tmp_path, sys.executable, "--no-dashboard")
