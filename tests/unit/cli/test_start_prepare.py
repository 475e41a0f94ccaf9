"""What a run passes on to its services, and which other programs prevent it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from live_swarm import wait_until
from queue_harness import QueueHarness

from amplifier_swarm.orchestrator import command
from amplifier_swarm.start.exclusive import exclusive_run, wait_for_earlier_run
from amplifier_swarm.start.options import arguments_from
from amplifier_swarm.start.suite import suite_environment
from swarm_shared.domain.errors import StateError, SupervisorError
from swarm_shared.processes.identity import ProcessId
from swarm_shared.settings.settings import resolve
from swarm_shared.supervisor.client import (
    SupervisorAbsent,
    SupervisorClient,
    SupervisorRefused,
    SupervisorUnreachable,
)
from swarm_shared.supervisor.faults import SHUTDOWN_STATE


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--workers", "3", "--no-validation", "--dashboard-port", "9000"],
        ["--validation", "--dashboard", "--keep-running", "--verbose"],
        ["--retry-delay", "1.5", "--orphan-timeout", "2.0", "--isolation", "none", "--max-retries", "0"],
        ["--builder-agent", "a b", "--project-root", "/odd path/ü"],
    ],
)
def test_an_option_with_spaces_survives_the_command_line(words: list[str]) -> None:
    values = command.make_context("x", list(words)).params
    again = arguments_from(command.params, values)
    assert command.make_context("x", again).params == values


def test_every_option_of_a_run_shows_its_default_or_its_effect() -> None:
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert all(option.help for option in options)
    text = " ".join(command.get_help(command.make_context("x", [])).split())
    for words in ("default: 300", "SWARM_WORKERS", "default: foundation:modular-builder", "Example"):
        assert words in text


def test_services_get_every_setting_that_was_given_and_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "swarm.yaml").write_text("max_retries: 7\n")
    environ = {
        "HOME": "/home/ada",
        "SUPERVISOR_ENABLED": "1",  # a run inside an agent of another swarm
        "SWARM_OWNER": "1:1",
        "SWARM_BUILDER_AGENT": "mine:builder",
    }
    settings = resolve({"workers": 2, "validation": False, "dashboard": False}, environ)
    passed = suite_environment(settings, environ, ProcessId(pid=7, start_time=9, boot_id="b", pid_ns=1))
    assert passed == {
        "HOME": "/home/ada",
        "SWARM_OWNER": "7:9",
        "SWARM_DB": str(tmp_path / "tasks.db"),
        "SWARM_PROJECT_ROOT": str(tmp_path),
        "SWARM_WORKERS": "2",
        "SWARM_VALIDATION": "off",
        "SWARM_DASHBOARD": "off",
        "SWARM_BUILDER_AGENT": "mine:builder",
        "SWARM_MAX_RETRIES": "7",
        "SWARM_GRACEFUL_TIMEOUT_S": "300.0",
        "SWARM_ISOLATION": "auto",
    }


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    made = QueueHarness(tmp_path)
    yield made
    made.db.close()


def test_the_second_of_two_runs_on_one_database_is_refused(harness: QueueHarness, tmp_path: Path) -> None:
    with (
        exclusive_run(tmp_path, harness.db),
        pytest.raises(StateError, match="another run"),
        exclusive_run(tmp_path, harness.db),
    ):
        pass
    with exclusive_run(tmp_path, harness.db):
        pass


def service(owner: str | None) -> subprocess.Popen[bytes]:
    environ = {} if owner is None else {"SWARM_OWNER": owner}
    made = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={"SOME": "thing", **environ})
    # In the middle of its exec a process shows no environment yet.
    wait_until(lambda: Path(f"/proc/{made.pid}/environ").read_bytes())
    return made


def stop(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def wait(
    harness: QueueHarness, folder: Path, while_waiting: list[object], *, client: SupervisorClient | None = None
) -> None:
    def step(seconds: float) -> None:
        harness.clock.pass_s(seconds)
        if while_waiting:
            stop(while_waiting.pop())  # type: ignore[arg-type]

    wait_for_earlier_run(
        harness.db,
        client or SupervisorClient(folder / "none.sock"),
        worker_ids=frozenset({"worker-1"}),
        wait=step,
        say=lambda text: None,
    )


def test_a_reaper_of_the_service_mode_prevents_a_run(harness: QueueHarness, tmp_path: Path) -> None:
    reaper = service(None)
    try:
        found = ProcessId.of(reaper.pid)
        assert found is not None
        harness.db.swarm.register_service("reaper", found)
        with pytest.raises(StateError, match=rf"swarm-reaper \(process {reaper.pid}\)"):
            wait(harness, tmp_path, [])
    finally:
        stop(reaper)
    wait(harness, tmp_path, [])


def test_the_remaining_programs_of_a_dead_run_are_waited_for(harness: QueueHarness, tmp_path: Path) -> None:
    rest = service(f"{os.getpid()}:1")  # another process had our pid
    found = ProcessId.of(rest.pid)
    assert found is not None
    harness.db.swarm.register_service("reaper", found)
    harness.db.workers.register("worker-1", found, found, lease_s=100)
    wait(harness, tmp_path, [rest])
    assert rest.poll() is not None


def test_the_remaining_programs_that_do_not_end_are_named(harness: QueueHarness, tmp_path: Path) -> None:
    rest = service(f"{os.getpid()}:1")
    try:
        found = ProcessId.of(rest.pid)
        assert found is not None
        harness.db.workers.register("worker-1", found, found, lease_s=100)
        with pytest.raises(StateError, match="worker-1"):
            wait(harness, tmp_path, [])
    finally:
        stop(rest)


class Supervisord(SupervisorClient):
    """The errors that a supervisord gives when it is asked for its pid, one after the other."""

    def __init__(self, *says: SupervisorError) -> None:
        self.says = list(says)

    def pid(self) -> int:
        raise self.says.pop(0) if len(self.says) > 1 else self.says[0]


def test_a_supervisord_that_is_shutting_down_is_waited_for_even_without_services(
    harness: QueueHarness, tmp_path: Path
) -> None:
    refusal = SupervisorRefused("SHUTDOWN_STATE", fault=SHUTDOWN_STATE)
    stopping = Supervisord(refusal, SupervisorUnreachable("it did not answer"), refusal, SupervisorAbsent("gone"))
    wait(harness, tmp_path, [], client=stopping)
    assert len(stopping.says) == 1


def test_a_supervisord_that_neither_responds_nor_ends_is_named(harness: QueueHarness, tmp_path: Path) -> None:
    with pytest.raises(StateError, match="supervisord"):
        wait(harness, tmp_path, [], client=Supervisord(SupervisorUnreachable("it did not answer")))


def test_a_reaper_of_another_container_counts_only_while_it_sends_heartbeats(
    harness: QueueHarness, tmp_path: Path
) -> None:
    elsewhere = ProcessId(pid=1, start_time=1, boot_id=ProcessId.mine().boot_id, pid_ns=1)
    harness.db.swarm.register_service("reaper", elsewhere)
    with pytest.raises(StateError):
        wait(harness, tmp_path, [])
    harness.clock.pass_s(61)
    wait(harness, tmp_path, [])


BELOW = """\
import os, subprocess, sys, time
stranger = subprocess.Popen(["/bin/sleep", "60"])
from amplifier_swarm.start.ending.subtree import Subtree
subtree = Subtree()
subprocess.run(["/bin/sh", "-c", "trap '' TERM; (setsid sleep 61 &); sleep 0.05"])
subprocess.Popen(["/bin/sh", "-c", "trap '' TERM; sleep 62; true"], start_new_session=True)
assert len(subtree.alive()) >= 2, subtree.alive()
assert subtree.end(grace_s=0.2) == ()
assert subtree.alive() == []
assert stranger.poll() is None
stranger.kill()
"""


def test_everything_that_the_run_started_is_ended_and_nothing_older() -> None:
    subprocess.run([sys.executable, "-c", BELOW], check=True, timeout=30)


ORPHANED = """\
import os, subprocess
from amplifier_swarm.start.ending.subtree import Subtree
from swarm_shared.processes import tree as proctree
subtree = Subtree()
parent = subprocess.Popen(["/bin/sh", "-c", "sleep 63 & echo; wait"], stdout=subprocess.PIPE)
parent.stdout.readline()
list_children = proctree.children_lister

def dies_after_ours_are_listed():
    children_of = list_children()
    def listed(pid):
        children = children_of(pid)
        if pid == os.getpid():
            parent.kill()
            parent.wait()
        return children
    return listed

proctree.children_lister = dies_after_ours_are_listed
assert subtree.end(grace_s=0.0) == ()
assert proctree.descendants(os.getpid()) == []
"""


def test_a_process_orphaned_during_a_scan_is_ended_too() -> None:
    subprocess.run([sys.executable, "-c", ORPHANED], check=True, timeout=30)
