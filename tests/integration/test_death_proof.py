"""No process of an attempt survives into the next one, whatever it hides and whichever process is killed.

The judge is a file that each daemon of a task locks for life: two of them at the same time are seen by the second.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import daemons
import pytest
from live_swarm import live_swarm
from msgspec.structs import replace
from repositories import Sandbox
from start_harness import Harness, harness

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import FOLDER, Lifeline, Lifelines
from swarm_shared.processes.procfs import read_stat

pytestmark = pytest.mark.integration

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made
        for name in ("first", "second"):
            kill_daemon(made, name)


def leave_daemon(at: Harness, name: str, *how: str) -> str:
    """The shell command."""
    return " ".join([sys.executable, "-I", daemons.__file__, str(at.folder), name, *how])


def daemon(at: Harness, name: str) -> int | None:
    """The pid of a daemon, if it is alive."""
    try:
        pid = int(at.marker(name).read_text())
    except FileNotFoundError:
        return None
    stat = read_stat(pid)
    return None if stat is None or stat.ended else pid


def kill_daemon(at: Harness, name: str) -> None:
    if (pid := daemon(at, name)) is not None:
        os.kill(pid, signal.SIGKILL)


def kill_everything_at_once(at: Harness) -> None:
    """Kill every marked process before any of them can react; the daemons carry no mark of the harness and survive."""
    stopped: set[int] = set()
    while fresh := at.alive().keys() - stopped:
        for pid in fresh:
            os.kill(pid, signal.SIGSTOP)
        stopped |= fresh
    # Children before their parents: the kernel continues the stopped group of a process whose parent ends, and a
    # keeper that runs again for an instant, its worker already dead, would end the daemon.
    for pid in sorted(stopped, key=depth, reverse=True):
        os.kill(pid, signal.SIGKILL)
    for run in at.started:
        run.wait()
    at.wait_nothing_left()


def depth(pid: int) -> int:
    """How many ancestors a process has."""
    count = 0
    while (stat := read_stat(pid)) is not None and stat.parent:
        pid = stat.parent
        count += 1
    return count


def is_recorded(at: Harness, pid: int) -> bool:
    """Whether the worker has recorded this process."""
    with TaskDatabase(at.db) as database:
        lifelines = Lifelines(at.folder / "tasks.db.swarm")
        keepers = [worker.keeper for worker in database.workers.alive() if worker.keeper is not None]
        return any(pid == process.pid for keeper in keepers for process in lifelines.recorded(keeper))


def lock_files(at: Harness) -> list[str]:
    return [path.name for path in (at.folder / "tasks.db.swarm" / FOLDER).iterdir()]


@pytest.mark.parametrize("how", ["open", "closed"])
def test_a_daemon_without_marks_is_gone_before_its_task_runs_again_even_if_all_programs_were_killed(
    at: Harness, how: str
) -> None:
    again = f"[ -e {at.folder}/first ] && {leave_daemon(at, 'second')} && exit 0"
    at.add(TaskSpec(id="a", name="a", run=f"{again}; {leave_daemon(at, 'first', how)}; sleep 600"))
    at.start("--no-dashboard", "--no-validation", "--workers", "1")
    left = at.wait_for("the daemon", lambda: daemon(at, "first"))
    at.wait_for("the worker's record of it", lambda: is_recorded(at, left) or None)
    kill_everything_at_once(at)
    assert daemon(at, "first") == left, "it must survive for the test to be meaningful"
    assert at.run("--no-dashboard", "--no-validation", "--workers", "1") == 0, at.everything()
    assert at.status("a") is Status.COMPLETED
    assert at.marker("second").exists()
    assert not at.marker("overlap").exists(), "the second agent ran while processes of the first were left"
    assert daemon(at, "first") is None
    assert lock_files(at) == []


def test_processes_started_by_our_own_git_do_not_survive_into_the_next_attempt(at: Harness, tmp_path: Path) -> None:
    project = Sandbox(tmp_path / "of-the-user")
    project.commit({"README": "hello"})
    evil = f"sh -c '[ -e {at.folder}/first ] || {leave_daemon(at, 'first', 'closed')}; cat'"
    setting = f"git config filter.evil.clean \"{evil}\" && echo '*.txt filter=evil' > .gitattributes && echo a > a.txt"
    again = f"[ -e {at.folder}/once ] && {leave_daemon(at, 'second')} && git config --unset filter.evil.clean && exit 0"
    at.add(TaskSpec(id="a", name="a", run=f"{again}; touch {at.folder}/once; {setting}; exit 1"))
    code = at.run(
        *("--no-dashboard", "--no-validation", "--workers", "1", "--retry-delay", "0"),
        *("--project-root", str(project.root)),
        **project.env,
    )
    assert at.marker("first").exists(), "git started the filter, and that the daemon"
    assert (code, at.status("a")) == (0, Status.COMPLETED), at.everything()
    assert not at.marker("overlap").exists()
    assert daemon(at, "first") is None


def test_a_restarted_container_continues_at_once(at: Harness) -> None:
    if subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a pid namespace needs root")
    again = f"[ -e {at.folder}/once ] && {leave_daemon(at, 'second')} && exit 0"
    run = f"{again}; {leave_daemon(at, 'first')}; touch {at.folder}/once; sleep 600"
    at.add(TaskSpec(id="a", name="a", run=run))
    words = ("--db", str(at.db), "--agent-cli", "command", "--workers", "1", "--no-validation")

    def contained() -> subprocess.Popen[bytes]:
        command = [*CONTAINER, sys.executable, "-m", "amplifier_swarm.orchestrator", *words]
        return subprocess.Popen(command, cwd=at.folder, env=at.environment(), stdin=subprocess.DEVNULL)

    first = contained()
    try:
        at.wait_marker("once")
    finally:
        first.kill()  # and with it the namespace
        first.wait()
    at.wait_nothing_left()
    second = contained()
    try:
        assert second.wait(60) == 0
    finally:
        second.kill()
        second.wait()
    assert at.status("a") is Status.COMPLETED
    assert not at.marker("overlap").exists()
    with TaskDatabase(at.db) as database:
        assert database.tasks.get("a")["attempt_count"] == 2


def test_a_living_container_is_not_considered_gone(at: Harness) -> None:
    if subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a pid namespace needs root")
    at.add(TaskSpec(id="a", name="a", run=f"touch {at.folder}/once; sleep 600"))
    command = [*CONTAINER, sys.executable, "-m", "swarm_reaper", "--db", str(at.db)]
    reaper = subprocess.Popen(command, cwd=at.folder, env=at.environment(), stdin=subprocess.DEVNULL)
    try:

        def on_duty() -> bool | None:
            with TaskDatabase(at.db) as database:
                return "reaper" in database.swarm.services() or None

        at.wait_for("the reaper", on_duty)
        assert at.run("--no-dashboard", "--no-validation", "--workers", "1") == 6
        assert "swarm-reaper" in at.notices
    finally:
        reaper.kill()
        reaper.wait()


def test_a_worker_takes_over_the_name_of_one_whose_container_is_gone(tmp_path: Path) -> None:
    with live_swarm(tmp_path) as swarm:
        former = replace(ProcessId.mine(), pid_ns=1)
        swarm.db.workers.register("worker-1", former, former, lease_s=600)
        held = Lifeline(tmp_path / "tasks.db.swarm", former)
        assert swarm.worker("worker-1").wait(30) != 0, "while its lock is held it counts as alive"
        os.close(held.descriptor)
        swarm.add(swarm.scripted("a"))
        swarm.worker("worker-1", "--no-validation")
        swarm.wait_for("a", Status.COMPLETED)
