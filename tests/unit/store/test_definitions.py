"""The requests `add` and `edit`: checked like a task file, merged like an import, refused where work would be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from queue_harness import PASSED, QueueHarness

from swarm_shared.carry_out import Carried, carry_out, carry_out_now
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import HoldReason, Status, TaskSpec, Verb
from swarm_shared.processes.file_lock import alone
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.requests.definitions import MAX_PROPOSALS


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[QueueHarness]:
    harness = QueueHarness(tmp_path)
    harness.add(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B", dependencies=("a",)))
    yield harness
    harness.db.close()


def add(harness: QueueHarness, **argument: Any) -> ControlRow:
    return carry_out_now(harness.db, Verb.ADD, "", argument, actor="anna")


def edit(harness: QueueHarness, task_id: str, was: Mapping[str, Any] | None = None, **changes: Any) -> ControlRow:
    argument = {"set": changes} | ({"was": was} if was is not None else {})
    return carry_out_now(harness.db, Verb.EDIT, task_id, argument, actor="anna")


def chain(harness: QueueHarness, task_id: str) -> int:
    return int(harness.db.connection.value("SELECT chain FROM tasks WHERE id = ?", (task_id,)))


def test_an_added_task_is_queued_behind_its_dependencies(harness: QueueHarness) -> None:
    row = add(harness, task={"id": "c", "name": "C", "dependencies": ["b"], "priority": "high", "files": ["src/**"]})
    assert (row.status, row.target, row.result) == ("done", "c", "added c")
    assert harness.task("c") | {"status": "blocked", "priority": "high"} == harness.task("c")
    assert [harness.run(PASSED) for _ in "abc"] == ["a", "b", "c"]


def test_an_added_task_without_dependencies_can_be_claimed(harness: QueueHarness) -> None:
    add(harness, task={"id": "now", "name": "Now", "priority": "critical"})
    assert harness.take().task_id == "now"


def test_an_id_is_derived_from_the_name_and_is_unique(harness: QueueHarness) -> None:
    task = {"name": "Écrire le manuel!"}
    assert [add(harness, task=task).target for _ in range(2)] == ["ecrire-le-manuel", "ecrire-le-manuel-2"]
    assert add(harness, task={"name": "手冊"}).target == "task"


def test_a_request_repeated_with_its_key_adds_one_task(harness: QueueHarness) -> None:
    argument = {"task": {"name": "Once"}}
    rows = [harness.db.control.request(Verb.ADD, "", argument, actor="anna", idempotency_key="k") for _ in range(2)]
    assert rows[0] == rows[1]
    for _ in rows:
        carry_out(harness.db, harness.db.control.get(rows[0]), by="reaper")
    assert len(harness.db.imports.known_ids()) == 3


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"id": "a", "name": "Again"}, "task 'a' already exists"),
        ({"id": "c"}, "this task has no name"),
        ({"name": "C", "dependencies": ["nowhere"]}, "no task has the id"),
        ({"id": "c", "name": "C", "dependencies": ["c"]}, "depends on itself"),
        ({"name": "C", "priority": "soon", "files": ["/etc"]}, "priority"),
        ("text", "task must be a mapping"),
    ],
)
def test_an_invalid_task_is_refused_and_nothing_changes(harness: QueueHarness, task: Any, expected: str) -> None:
    row = add(harness, task=task)
    assert row.status == "refused"
    assert expected in str(row.result)
    assert harness.db.imports.known_ids() == {"a", "b"}


def test_one_refusal_lists_all_problems_of_a_task(harness: QueueHarness) -> None:
    said = str(add(harness, task={"name": "C", "priority": "soon", "files": ["/etc"]}).result)
    assert "priority" in said
    assert "/etc" in said


def test_an_unknown_key_is_kept_and_reported(harness: QueueHarness) -> None:
    row = add(harness, task={"id": "c", "name": "C", "colour": "red"})
    assert "colour" in str(row.result)
    assert harness.db.tasks.editable("c").extra == {"colour": "red"}


def test_a_mistyped_key_is_refused(harness: QueueHarness) -> None:
    row = add(harness, task={"id": "c", "name": "C", "dependancies": ["a"]})
    assert "dependancies" in str(row.result)
    assert "dependencies" in str(row.result)
    with pytest.raises(NotFound):
        harness.db.tasks.editable("c")


def test_an_unknown_part_of_a_request_is_refused(harness: QueueHarness) -> None:
    assert "unknown key 'holt'" in str(add(harness, task={"name": "C"}, holt=True).result)


def test_a_held_task_waits_until_it_is_released(harness: QueueHarness) -> None:
    add(harness, task={"id": "c", "name": "C", "priority": "critical"}, hold=True)
    assert harness.task("c")["hold_reason"] == HoldReason.BY_PERSON
    assert harness.take().task_id == "a"
    carry_out_now(harness.db, Verb.RELEASE, "c", {}, actor="anna")
    assert harness.status("c") is Status.NOT_STARTED


def test_a_proposal_waits_for_approval(harness: QueueHarness) -> None:
    row = add(harness, task={"id": "c", "name": "C", "status": "completed"}, proposed_by="a")
    assert row.result == "proposed c: held until you release it"
    assert (harness.status("c"), harness.task("c")["hold_reason"]) == (Status.HELD, HoldReason.PROPOSED)


def test_the_number_of_proposals_by_one_task_is_limited(harness: QueueHarness) -> None:
    rows = [add(harness, task={"name": f"P{n}"}, proposed_by="a") for n in range(MAX_PROPOSALS + 1)]
    assert [row.status for row in rows] == ["done"] * MAX_PROPOSALS + ["refused"]
    assert add(harness, task={"name": "Of another"}, proposed_by="b").status == "done"


def test_waiting_tasks_that_an_added_task_needs_move_up_in_the_order(harness: QueueHarness) -> None:
    add(harness, task={"id": "c", "name": "C", "dependencies": ["b"]})
    assert [chain(harness, each) for each in "abc"] == [2, 1, 0]


def test_an_edit_changes_only_the_named_keys(harness: QueueHarness) -> None:
    add(harness, task={"id": "c", "name": "C", "description": "as it was", "labels": ["x"], "odd": "kept"})
    row = edit(harness, "c", name="See", labels=None, estimated_hours=2)
    assert (row.status, row.result) == ("done", "changed name, labels, estimated hours")
    spec = harness.db.tasks.editable("c")
    assert (spec.name, spec.labels, spec.estimated_hours) == ("See", (), 2.0)
    assert (spec.description, spec.extra) == ("as it was", {"odd": "kept"})
    assert "edited" in harness.events()


def test_an_unknown_key_can_be_edited_and_removed(harness: QueueHarness) -> None:
    edit(harness, "a", odd={"x": [1]})
    assert harness.db.tasks.editable("a").extra == {"odd": {"x": [1]}}
    edit(harness, "a", odd=None)
    assert harness.db.tasks.editable("a").extra == {}


def test_an_edit_moves_dependencies(harness: QueueHarness) -> None:
    edit(harness, "b", dependencies=None)
    assert harness.status("b") is Status.NOT_STARTED
    edit(harness, "a", depends_on=["b"])
    assert harness.status("a") is Status.BLOCKED
    assert chain(harness, "b") > chain(harness, "a")


def test_an_edit_that_closes_a_cycle_is_refused_and_the_cycle_is_shown(harness: QueueHarness) -> None:
    add(harness, task={"id": "c", "name": "C", "dependencies": ["b"]})
    row = edit(harness, "a", dependencies=["c"])
    assert row.status == "refused"
    assert "a → c → b → a" in str(row.result)
    assert harness.status("a") is Status.NOT_STARTED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"id": "z"}, "id cannot be edited"),
        ({"status": "completed"}, "status cannot be edited"),
        ({"name": None}, "no name"),
        ({"max_retries": -1}, "max_retries"),
        ({"dependencies": ["nowhere"]}, "no task has the id"),
    ],
)
def test_an_invalid_edit_is_refused_and_nothing_changes(
    harness: QueueHarness, changes: dict[str, Any], expected: str
) -> None:
    before = harness.task("a")
    row = edit(harness, "a", **changes)
    assert row.status == "refused"
    assert expected in str(row.result)
    assert harness.task("a") == before


def test_a_running_task_cannot_be_edited(harness: QueueHarness) -> None:
    claim = harness.start()
    assert "cannot edit a: it runs" in str(edit(harness, "a", name="Other").result)
    harness.settle(claim)
    assert "cannot edit a: it is completed" in str(edit(harness, "a", name="Other").result)


def test_an_edit_that_conflicts_with_a_later_one_is_refused(harness: QueueHarness) -> None:
    edit(harness, "a", description="from the browser", labels=["x"])
    assert edit(harness, "a", {"description": None}, description="from the editor").status == "refused"
    assert edit(harness, "a", {"description": "from the browser"}, description="from the editor").status == "done"
    assert harness.db.tasks.editable("a").labels == ("x",)


def test_a_raised_priority_survives_an_edit_of_other_keys(harness: QueueHarness) -> None:
    carry_out_now(harness.db, Verb.PRIORITIZE, "a", {"priority": "critical"}, actor="anna")
    edit(harness, "a", description="more")
    assert harness.task("a")["priority"] == "critical"


def test_an_edit_waits_while_an_import_is_running(harness: QueueHarness) -> None:
    row = harness.db.control.get(harness.db.control.request(Verb.ADD, "", {"task": {"name": "C"}}, actor="anna"))
    lock = harness.path.with_name("tasks.db.swarm") / "import.lock"
    with alone(lock, wait=True):
        assert carry_out(harness.db, row, by="reaper") is Carried.IMPORTING
    assert harness.db.control.get(row.id).status == "pending"
    assert carry_out(harness.db, row, by="reaper") is Carried.ANSWERED
    assert harness.db.control.get(row.id).result == "added c"
