"""A worker's reactions to requests, signals, lost leases and a dead keeper."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import LiveSwarm, live_swarm, wait_until
from runner_harness import is_dead

from swarm_shared.domain.models import Status, Verb

pytestmark = pytest.mark.integration

STUBBORN = {"builder": [{"hang": True, "ignore_term": True, "spawn": ["setsid", "envi", "doublefork"]}, {}]}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    with live_swarm(tmp_path) as swarm:
        yield swarm


def test_kill_ends_a_stubborn_agent_with_everything_below_it_and_holds_the_task(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script=STUBBORN))
    swarm.worker()
    agent = swarm.wait_for_agent("a")
    row = swarm.db.control.request(Verb.KILL, "a", actor="me")
    task = swarm.wait_for("a", Status.HELD)
    assert task["hold_reason"] == "killed"
    assert is_dead(agent["pid"])
    assert swarm.leftovers() == []
    assert swarm.db.control.get(row).status == "done"
    assert swarm.db.control.get(row).handled_by == "worker-1"
    assert task["failures"] == 0


def test_cancel_then_retry_while_the_agent_ignores_term_gives_one_agent_at_a_time(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script=STUBBORN))
    swarm.worker("worker-1", "--no-validation")
    swarm.worker("worker-2", "--no-validation")
    first = swarm.wait_for_agent("a")
    swarm.db.control.request(Verb.CANCEL, "a", actor="me")
    swarm.wait_for("a", Status.CANCELLED)
    assert is_dead(first["pid"])
    with swarm.db.connection.transaction():
        swarm.db.steering.apply(Verb.RETRY, "a", {"note": "again"}, actor="me")
    swarm.wait_for("a", Status.COMPLETED)
    assert [a["outcome"] for a in swarm.attempts("a")] == ["cancelled", "passed"]


def test_the_first_term_lets_the_attempt_finish_and_the_worker_exits_with_0(swarm: LiveSwarm) -> None:
    go = swarm.folder / "go"
    swarm.add(swarm.scripted("a", script={"builder": [{"wait_for": str(go)}], "validator": [{}]}), swarm.scripted("b"))
    worker = swarm.worker()
    swarm.wait_for_agent("a")
    swarm.hand_down(worker, signal.SIGTERM)
    go.touch()
    assert worker.wait(20) == 0
    assert swarm.status("a") is Status.COMPLETED
    assert swarm.status("b") is Status.NOT_STARTED


def test_the_second_term_interrupts_at_once_and_costs_the_task_nothing(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", max_retries=0, script=STUBBORN))
    worker = swarm.worker()
    agent = swarm.wait_for_agent("a")
    worker.terminate()
    wait_until(lambda: swarm.db.workers.shown()[0]["status"] == "draining", swarm.logs)
    assert not is_dead(agent["pid"])
    worker.terminate()
    assert worker.wait(20) == 0
    assert is_dead(agent["pid"])
    task = swarm.db.tasks.get("a")
    assert (task["status"], task["failures"], task["crashes"]) == ("not_started", 0, 0)
    assert swarm.attempts("a")[0]["failure_class"] == "interrupted"
    assert swarm.leftovers() == []


def test_usr2_lets_a_retiring_worker_stay(swarm: LiveSwarm) -> None:
    go = swarm.folder / "go"
    swarm.add(swarm.scripted("a", script={"builder": [{"wait_for": str(go)}]}), swarm.scripted("b"))
    worker = swarm.worker("worker-1", "--no-validation")
    swarm.wait_for_agent("a")
    swarm.hand_down(worker, signal.SIGUSR1)
    wait_until(lambda: swarm.db.workers.shown()[0]["status"] == "retiring", swarm.logs)
    swarm.hand_down(worker, signal.SIGUSR2)
    wait_until(lambda: swarm.db.workers.shown()[0]["status"] == "busy", swarm.logs)
    go.touch()
    swarm.wait_for("b", Status.COMPLETED)
    assert worker.poll() is None


def test_a_worker_whose_keeper_is_killed_ends_the_tree_itself_and_the_task_runs_again(swarm: LiveSwarm) -> None:
    script = {"builder": [{"hang": True, "spawn": ["setsid", "envi", "doublefork"]}, {}]}
    swarm.add(swarm.scripted("a", script=script))
    worker = swarm.worker("worker-1", "--no-validation")
    agent = swarm.wait_for_agent("a")
    worker.kill()  # what was started is the keeper
    worker.wait()
    # At once, as supervisord does: the new one lets the old one end its agents first.
    swarm.worker("worker-1", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)
    assert is_dead(agent["pid"])
    assert swarm.leftovers() == []
    assert swarm.attempts("a")[0]["failure_class"] == "crash"


def test_a_worker_that_lost_its_lease_kills_its_agent_and_drops_the_result(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script=STUBBORN))
    swarm.worker()
    agent = swarm.wait_for_agent("a")
    with swarm.db.connection.transaction():
        swarm.db.connection.change("UPDATE tasks SET lease_token = lease_token + 1")
    wait_until(lambda: is_dead(agent["pid"]), swarm.logs)
    wait_until(lambda: not swarm.leftovers(), swarm.leftovers)
    assert swarm.attempts("a")[0]["outcome"] is None


def test_a_killed_workers_tree_dies_with_it_and_reset_orphans_requeues_the_task(swarm: LiveSwarm) -> None:
    swarm.add(swarm.scripted("a", script={"builder": [{"hang": True, "spawn": ["setsid", "envi", "doublefork"]}, {}]}))
    worker = swarm.worker("worker-1", "--no-validation")
    agent = swarm.wait_for_agent("a")
    os.kill(swarm.db.workers.alive()[0].process.pid, signal.SIGKILL)
    assert worker.wait(20) == 128 + signal.SIGKILL
    assert swarm.db.reset_orphaned_tasks() == 1
    assert is_dead(agent["pid"])
    assert swarm.leftovers() == []
    assert swarm.attempts("a")[0]["failure_class"] == "crash"
    swarm.worker("worker-2", "--no-validation")
    swarm.wait_for("a", Status.COMPLETED)


def test_agents_do_not_see_our_settings(swarm: LiveSwarm) -> None:
    from swarm_shared.domain.models import TaskSpec

    swarm.add(TaskSpec(id="a", name="a", run="env", agent_cli="command"))
    swarm.worker()
    swarm.wait_for("a", Status.COMPLETED)
    session = swarm.db.tasks.sessions(swarm.attempts("a")[0]["id"])[0]
    text = b"".join(c.data for c in swarm.db.output.read(session["id"])).decode()
    names = [line.partition("=")[0] for line in text.splitlines()]
    assert [name for name in names if name.startswith(("SWARM_", "SUPERVISOR_"))] == ["SWARM_PORT"]
    assert "AMPLIFIER_SWARM_ATTEMPT" in names
