"""The service mode after kill -9 of its supervisord: its sessions are ended, run again once, and by one swarm only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_ledger import read_ledger
from start_harness import Harness, harness

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.procfs import read_stat

pytestmark = pytest.mark.integration
TOP = Path(__file__).parents[2]
WORKERS = 2
STUBBORN = {"hang": True, "ignore_term": True, "spawn": ["setsid", "doublefork"]}


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        (made.folder / "supervisord.conf").write_bytes((TOP / "supervisord.conf").read_bytes())
        (made.folder / "supervisord.d").mkdir()
        (made.folder / "var" / "log").mkdir(parents=True)
        yield made


def serve(at: Harness) -> subprocess.Popen[str]:
    """supervisord in the foreground, with the configuration as it is checked in."""
    number = len(at.started)
    with (at.folder / f"out-{number}").open("w") as out, (at.folder / f"err-{number}").open("w") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", "supervisord.conf"],
            cwd=at.folder,
            env=at.environment(SWARM_AGENT_CLI="scripted", SWARM_WORKERS=str(WORKERS), SWARM_DASHBOARD="off"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
            start_new_session=True,
        )
    at.started.append(process)
    return process


def begun(at: Harness, number: int) -> dict[str, int]:
    """Pids of the agents of every task's attempt of this number that have begun."""
    return {
        line["task"]: line["pid"]
        for line in read_ledger(at.folder / "ledger")
        if (line["event"], line["number"]) == ("start", number)
    }


def is_alive(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.ended


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "once all has gone"])
def test_a_service_whose_supervisord_was_killed_continues_without_duplicates_or_orphans(
    at: Harness, at_once: bool
) -> None:
    steps = [{"ledger": str(at.folder / "ledger"), **step} for step in (STUBBORN, {})]
    script = {"script": {"builder": steps, "validator": [{}]}}
    at.add(*(TaskSpec(id=name, name=name, extra=script) for name in ("a", "b")))
    first = serve(at)
    at.wait_for("two agents", lambda: len(begun(at, 1)) == 2)
    old = begun(at, 1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    if not at_once:
        at.wait_nothing_left()
    second = serve(at)
    at.wait_for("two more agents", lambda: len(begun(at, 2)) == 2)
    assert [pid for pid in old.values() if is_alive(pid)] == [], "an agent runs at the same time as its successor"
    at.wait_for("both tasks", lambda: {at.status("a"), at.status("b")} == {Status.COMPLETED})
    with TaskDatabase(at.db) as database:
        ends = [[a["outcome"] for a in database.tasks.attempts(database.tasks.get(i)["seq"])] for i in "ab"]
        assert ends == [["failed", "passed"]] * 2
        # One whose predecessor's keeper is at its work still waits for its name, and the other did both tasks.
        at.wait_for("both workers", lambda: len(database.workers.alive()) == WORKERS)
    second.terminate()
    at.wait_end(second)
    at.wait_nothing_left()
