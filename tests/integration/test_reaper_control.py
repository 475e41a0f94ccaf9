"""Requests are carried out even if the worker does not respond, and through a real supervisord."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trees
from reaper_harness import ReaperHarness, reaper_harness
from supervision import QUICK_START, Swarm, short_folder, swarm

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, Verb
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.supervisor.client import process_name

pytestmark = pytest.mark.integration


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[ReaperHarness]:
    with reaper_harness(tmp_path) as harness:
        yield harness


def answered(database: TaskDatabase, row_id: int) -> ControlRow:
    trees.wait_until(lambda: database.control.get(row_id).status != "pending", f"row {row_id} is answered")
    return database.control.get(row_id)


def ask(database: TaskDatabase, verb: Verb, target: str = "", **argument: object) -> ControlRow:
    return answered(database, database.control.request(verb, target, argument, actor="ann"))


def test_a_kill_that_a_frozen_worker_does_not_handle_is_carried_out_by_the_reaper(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper()
    worker = harness.worker()
    worker.signal(signal.SIGSTOP)
    began = time.monotonic()
    row = ask(harness.db, Verb.KILL, "a")
    assert (row.status, row.handled_by) == ("done", "reaper")
    assert time.monotonic() - began >= 4.9  # its worker's time to respond
    assert trees.alive(worker.token) == []
    assert harness.status("a") is Status.HELD
    assert harness.db.tasks.get("a")["hold_reason"] == "killed"
    assert harness.attempts("a")[0]["outcome"] == "killed"
    assert "orphaned" not in [event["event_type"] for event in harness.db.events.newest(20)]


def test_cancel_then_retry_never_run_two_agents_at_once(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper()
    worker = harness.worker()
    worker.signal(signal.SIGSTOP)
    cancel = harness.db.control.request(Verb.CANCEL, "a", actor="ann")
    retry = harness.db.control.request(Verb.RETRY, "a", actor="ann")
    assert answered(harness.db, retry).status == "done"
    assert answered(harness.db, cancel).status == "done"
    assert trees.alive(worker.token) == []
    assert harness.status("a") is Status.NOT_STARTED


def test_an_emergency_stop_ends_workers_that_do_not_obey_and_costs_their_tasks_nothing(harness: ReaperHarness) -> None:
    harness.add("a", "b")
    harness.reaper()
    workers = [harness.worker("worker-1"), harness.worker("worker-2")]
    row = ask(harness.db, Verb.EMERGENCY_STOP)
    assert row.status == "done"
    for worker, task in zip(workers, ("a", "b"), strict=True):
        assert worker.process.wait(trees.DEADLINE_S) == 128 + signal.SIGKILL
        assert trees.alive(worker.token) == []
        harness.wait_for(task, Status.NOT_STARTED)
        assert harness.attempts(task)[0]["failure_class"] == "interrupted"
    assert "emergency_stop" in harness.db.swarm.flags()
    assert ask(harness.db, Verb.RESUME).status == "done"
    assert harness.db.swarm.flags() == {}


def test_reset_orphans_next_to_a_reaper_resets_nothing_twice(harness: ReaperHarness) -> None:
    harness.add("a")
    harness.reaper()
    worker = harness.worker()
    worker.signal(signal.SIGKILL)
    harness.db.reset_orphaned_tasks()
    harness.wait_for("a", Status.NOT_STARTED)
    kinds = [event["event_type"] for event in harness.db.events.newest(50)]
    assert (kinds.count("orphaned"), kinds.count("requeued")) == (1, 1)


@contextmanager
def supervised_reaper() -> Iterator[tuple[Swarm, TaskDatabase]]:
    """A real supervisord with stand-ins for the workers, and the real reaper."""
    with short_folder() as folder:
        path = folder / "tasks.db"
        conf = f"{QUICK_START}[program:swarm-reaper]\ncommand={sys.executable} -m swarm_reaper\nstartsecs=0\n"
        with swarm(conf=conf, environ={"SWARM_DB": str(path)}) as running, TaskDatabase(path) as database:
            running.wait_ready("worker-1", "worker-2", "worker-3")
            running.wait_for("the reaper", lambda: database.swarm.services().get("reaper"))
            yield running, database


def test_through_supervisord_workers_are_scaled_restarted_and_started_again() -> None:
    with supervised_reaper() as (running, database):
        row = ask(database, Verb.SCALE, workers=4)
        assert (row.status, row.result) == ("done", "4 workers requested: worker-4 starts")
        pids = running.wait_ready("worker-1", "worker-2", "worker-3", "worker-4")
        assert "scaled" in [event["event_type"] for event in database.events.newest(50)]

        running.note("finish", "worker-2", "0")
        restarted = ask(database, Verb.RESTART_WORKER, "worker-2")
        assert (restarted.status, restarted.result) == ("done", "worker-2 was restarted")
        for file in ("finish-worker-2", "retiring-worker-2"):
            (running.home / file).unlink(missing_ok=True)
        after = running.wait_ready("worker-1", "worker-2", "worker-3", "worker-4")
        assert after["worker-2"] != pids["worker-2"]
        assert {w: p for w, p in after.items() if w != "worker-2"} == {w: p for w, p in pids.items() if w != "worker-2"}

        running.note("finish", "worker-1", "0")
        running.client.signal(process_name("worker-1"), signal.SIGUSR1)
        running.wait_for("worker-1 has left", lambda: "worker-1" not in running.worker_pids())
        for file in ("finish-worker-1", "retiring-worker-1"):
            (running.home / file).unlink()
        assert ask(database, Verb.RESUME).status == "done"
        running.wait_ready("worker-1", "worker-2", "worker-3", "worker-4")

        down = ask(database, Verb.SCALE, workers=3)
        assert down.result == "3 workers requested: worker-4 leaves after its current task"
        refused = ask(database, Verb.RESTART_WORKER, "worker-4")
        assert (refused.status, "scale up" in str(refused.result)) == ("refused", True)
        assert ask(database, Verb.SCALE, workers=4).result == "4 workers requested: worker-4 stays"

        assert ask(database, Verb.RESTART_WORKER, "worker-77").status == "refused"
        service = database.swarm.services()["reaper"]
        assert service.detail["supervised"] is True
