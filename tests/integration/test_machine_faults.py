"""A machine in trouble, and neighbours: failing disks and descriptors, frozen workers, swarms side by side."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trees
from live_swarm import LiveSwarm, live_swarm, wait_until
from reaper_harness import reaper_harness

from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.procfs import read_stat

STUBBORN = Path(trees.__file__).with_name("stubborn_worker.py")
MOST_OF_A_LOG_BYTES = 16 * 1024

pytestmark = pytest.mark.integration


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


def is_alive(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and not stat.ended


def kill_with_keeper(swarm: LiveSwarm) -> None:
    """Kill the worker that has a task, and its keeper before that can end the tree."""
    [worker] = [w for w in swarm.db.workers.alive() if w.attempt is not None]
    assert worker.keeper is not None
    worker.keeper.kill(signal.SIGSTOP)
    worker.process.kill(signal.SIGKILL)
    worker.keeper.kill(signal.SIGKILL)
    wait_until(lambda: not worker.process.is_alive(), swarm.logs)


# ───── resources that run out ─────


def limit(pid: int, what: int, soft: int | None) -> None:
    """Set a limit of a running process; None raises it to the maximum."""
    _, most = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most if soft is None else soft, most))


def test_a_file_that_is_read_only_for_a_while_loses_nothing_and_costs_no_attempt(swarm: LiveSwarm) -> None:
    go = swarm.folder / "go"
    swarm.add(swarm.scripted("a", max_retries=0, script={"builder": [{"wait_for": str(go)}]}), swarm.scripted("b"))
    worker = swarm.worker("worker-1", "--no-validation")
    swarm.wait_for_agent("a")
    # A disk in use cannot be made read-only. This limit does the same to the database, not to the short log.
    pid = swarm.db.workers.alive()[0].process.pid
    limit(pid, resource.RLIMIT_FSIZE, MOST_OF_A_LOG_BYTES)
    assert Path(f"{swarm.path}-wal").stat().st_size > MOST_OF_A_LOG_BYTES
    go.touch()
    wait_until(lambda: "_waited" in swarm.logs() or worker.poll() is not None, swarm.logs)
    limit(pid, resource.RLIMIT_FSIZE, None)
    for task in ("a", "b"):
        done = swarm.wait_for(task, Status.COMPLETED)
        assert (done["failures"], done["crashes"]) == (0, 0)
    assert len(swarm.attempts("a")) == 1
    assert worker.poll() is None


def test_a_worker_without_free_descriptors_survives_and_costs_the_task_nothing(
    swarm: LiveSwarm,
) -> None:
    worker = swarm.worker("worker-1", "--no-validation")
    swarm.add(swarm.scripted("warm-up"))
    swarm.wait_for("warm-up", Status.COMPLETED)
    wait_until(lambda: swarm.db.workers.alive()[0].status == "idle", swarm.logs)
    pid = swarm.db.workers.alive()[0].process.pid
    # Now and then it opens one for a moment: the lowest number seen is the number that it always has.
    limit(pid, resource.RLIMIT_NOFILE, min(len(os.listdir(f"/proc/{pid}/fd")) for _ in range(100)))
    swarm.add(swarm.scripted("a", max_retries=0))
    wait_until(lambda: "attempt_dropped" in swarm.logs() or worker.poll() is not None, swarm.logs)
    limit(pid, resource.RLIMIT_NOFILE, None)
    done = swarm.wait_for("a", Status.COMPLETED)
    assert (done["failures"], done["crashes"]) == (0, 0)
    assert {attempt["failure_class"] for attempt in swarm.attempts("a")[:-1]} == {"interrupted"}
    assert worker.poll() is None


# ───── frozen at the worst moment ─────


def test_a_worker_frozen_between_its_claim_and_its_agent_never_starts_that_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with reaper_harness(tmp_path) as harness:
        harness.add("a")
        harness.reaper(SWARM_HEARTBEAT_S="0.2")
        token = trees.fresh_token()
        monkeypatch.setenv("FREEZE", "1")
        worker = subprocess.Popen(
            [sys.executable, str(STUBBORN), str(harness.path), "worker-1", "0.8"],
            env={**os.environ, "AGENT": json.dumps(trees.plain(token))},
            stdin=subprocess.DEVNULL,
        )
        try:
            harness.wait(lambda: harness.attempts("a"), "a is claimed")
            harness.wait_for("a", Status.NOT_STARTED)
            assert worker.wait(trees.DEADLINE_S) == 128 + signal.SIGKILL
        finally:
            worker.kill()
            worker.wait()
        monkeypatch.delenv("FREEZE")
        second = harness.worker("worker-2")
        assert harness.status("a") is Status.IN_PROGRESS
        assert second.me.is_alive()
        assert trees.alive(token) == []


# ───── neighbours ─────


def test_two_swarms_with_identical_ids_do_not_affect_each_other(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with live_swarm(tmp_path / "one") as one, live_swarm(tmp_path / "other") as other:
        go = tmp_path / "go"
        for swarm in (one, other):
            step = {"wait_for": str(go), "spawn": ["setsid"]}
            swarm.add(swarm.scripted("a", script={"builder": [step]}))
            swarm.worker("worker-1", "--no-validation")
        agents = [swarm.wait_for_agent("a")["pid"] for swarm in (one, other)]
        kill_with_keeper(one)
        one.reaper()
        one.wait_for("a", Status.NOT_STARTED)
        assert [is_alive(pid) for pid in agents] == [False, True]
        go.touch()
        assert other.wait_for("a", Status.COMPLETED)["attempt_count"] == 1


def test_a_swarm_inside_a_swarm_ends_with_it_and_its_own_end_affects_nothing_outside(tmp_path: Path) -> None:
    (tmp_path / "outer").mkdir()
    (tmp_path / "inner").mkdir()
    with live_swarm(tmp_path / "outer") as outer, live_swarm(tmp_path / "inner") as inner:
        inner.add(inner.scripted("a", script={"builder": [{"hang": True, "spawn": ["setsid", "envi"]}]}))
        worker = f"SWARM_DB={inner.path} SWARM_AGENT_CLI=scripted {sys.executable} -m swarm_worker --no-validation"
        worker += f" --worker-id worker-1 --project-root {inner.project}"
        outer.add(TaskSpec(id="a", name="a", agent_cli="command", run=f"{worker}; {worker}; exec sleep 1000"))
        outer.worker("worker-1", "--no-validation")
        first = inner.wait_for_agent("a")["pid"]

        # The inner swarm loses its worker: what it left is ended, and nothing of the outer agent.
        kill_with_keeper(inner)
        assert inner.db.reset_orphaned_tasks() == 1
        second = inner.wait_for_agent("a", 2)["pid"]
        assert [is_alive(first), is_alive(second)] == [False, True]
        assert [attempt["ended_at"] for attempt in outer.attempts("a")] == [None]

        # The outer one loses its worker: everything below it ends, including the inner swarm.
        last = outer.db.workers.alive()[0].process
        last.kill(signal.SIGKILL)
        wait_until(lambda: not last.is_alive(), outer.logs)
        assert outer.db.reset_orphaned_tasks() == 1
        assert outer.status("a") is Status.NOT_STARTED
        assert not is_alive(second)
        assert inner.leftovers() == []


def test_a_worker_in_a_separate_container_is_not_considered_dead(tmp_path: Path) -> None:
    contained = ("unshare", "-pf", "--mount-proc", "--kill-child")
    if subprocess.run([*contained, "true"], capture_output=True).returncode != 0:
        pytest.skip("a pid namespace needs root")
    with live_swarm(tmp_path) as swarm:
        go = tmp_path / "go"
        swarm.add(swarm.scripted("a", script={"builder": [{"wait_for": str(go)}]}))
        swarm.reaper()
        swarm.within = contained
        container = swarm.worker("worker-1", "--no-validation", SWARM_HEARTBEAT_S="0.2")
        swarm.wait_for_agent("a")
        [worker] = swarm.db.workers.alive()
        assert worker.process.is_alive() is None, "its pid means nothing here"
        wait_until(lambda: swarm.db.workers.alive()[0].lease_until_mono > worker.lease_until_mono + 2_000, swarm.logs)
        go.touch()
        assert swarm.wait_for("a", Status.COMPLETED)["attempt_count"] == 1
        container.kill()  # it passes on no other signal
