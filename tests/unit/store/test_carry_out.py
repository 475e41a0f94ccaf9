"""Control rows are carried out once, completely or not at all, and never on a task whose agent is still running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_shared.carry_out import Carried, carry_out, carry_out_now
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import NotFound, SupervisorError
from swarm_shared.domain.models import Status, TaskSpec, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claimant
from swarm_shared.store.requests.steering import MustStop, Steered, Steering


@pytest.fixture
def database(tmp_path: Path) -> Iterator[TaskDatabase]:
    with TaskDatabase(tmp_path / "tasks.db") as database:
        specs = [TaskSpec(id="a", name="A"), TaskSpec(id="failed", name="F", status=Status.FAILED)]
        database.imports.run(specs, source="test", actor="test")
        yield database


def claim(database: TaskDatabase) -> None:
    mine = ProcessId.mine()
    run = database.workers.register("worker-1", mine, mine, lease_s=60)
    assert database.queue.claim(Claimant(run=run, worker_id="worker-1", agent_cli="amplifier")) is not None


def test_a_row_is_carried_out_and_gets_its_outcome(database: TaskDatabase) -> None:
    row = database.control.get(database.control.request(Verb.HOLD, "a", actor="anna"))
    assert carry_out(database, row, by="reaper") is Carried.ANSWERED
    answered = database.control.get(row.id)
    assert (answered.status, answered.handled_by) == ("done", "reaper")
    assert database.tasks.get("a")["status"] == "held"
    assert "anna" in database.events.newest(1)[0]["message"]


def test_a_row_that_already_has_an_outcome_is_left_alone(database: TaskDatabase) -> None:
    row = database.control.get(database.control.request(Verb.HOLD, "a", actor="anna"))
    database.control.answer(row.id, "expired", "too late", by="anna")
    assert carry_out(database, row, by="reaper") is Carried.CLOSED
    assert database.tasks.get("a")["status"] == "not_started"
    assert database.control.get(row.id).status == "expired"


def test_a_refusal_rolls_back_everything_that_was_begun(
    database: TaskDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Steering.apply

    def half(self: Steering, verb: Verb, task_id: str, argument: object, *, actor: str) -> Steered:
        whole(self, Verb.CANCEL, "failed", {}, actor=actor)
        return whole(self, verb, task_id, {}, actor=actor)

    monkeypatch.setattr(Steering, "apply", half)
    row = database.control.get(database.control.request(Verb.RELEASE, "a", actor="anna"))
    assert carry_out(database, row, by="reaper") is Carried.ANSWERED
    assert database.control.get(row.id).status == "refused"
    assert database.tasks.get("failed")["status"] == "failed"
    assert carry_out_now(database, Verb.RELEASE, "a", {}, actor="anna").status == "refused"
    assert database.tasks.get("failed")["status"] == "failed"


def test_a_running_task_is_left_to_the_worker_that_can_stop_its_agent(database: TaskDatabase) -> None:
    claim(database)
    row = database.control.get(database.control.request(Verb.CANCEL, "a", actor="anna"))
    assert carry_out(database, row, by="reaper") is Carried.MUST_STOP
    assert database.control.get(row.id).status == "pending"
    assert isinstance(carry_out_now(database, Verb.KILL, "a", {}, actor="anna"), MustStop)
    assert len(database.control.newest(limit=10)) == 1  # the second change was never written


def test_a_request_that_needs_supervisord_stays_open(database: TaskDatabase) -> None:
    row = database.control.get(database.control.request(Verb.SCALE, "", {"workers": 2}, actor="anna"))
    with pytest.raises(SupervisorError):
        carry_out(database, row, by="reaper")
    assert database.control.get(row.id).status == "pending"


def test_a_row_that_is_carried_out_directly_is_created_with_its_outcome(database: TaskDatabase) -> None:
    row = carry_out_now(database, Verb.RETRY, "failed", {"note": "again"}, actor="anna")
    assert (row.status, row.handled_by, dict(row.argument)) == ("done", "anna", {"note": "again"})
    assert database.tasks.get("failed")["note"] == "again"


def test_an_unknown_task_creates_no_row(database: TaskDatabase) -> None:
    with pytest.raises(NotFound):
        carry_out_now(database, Verb.RETRY, "zz", {}, actor="anna")
    assert database.control.newest(limit=10) == []


def test_one_worker_or_all_workers_can_be_drained(database: TaskDatabase) -> None:
    claim(database)
    assert carry_out_now(database, Verb.DRAIN, "worker-1", {}, actor="anna").status == "done"
    assert database.workers.alive()[0].worker_id == "worker-1"
    assert database.workers.wanted(database.workers.alive()[0].run) == "drain"
    carry_out_now(database, Verb.DRAIN, "", {}, actor="anna")
    assert set(database.swarm.flags()) == {"drained"}
    carry_out_now(database, Verb.RESUME, "", {}, actor="anna")
    assert database.swarm.flags() == {}
    assert database.workers.wanted(database.workers.alive()[0].run) is None
