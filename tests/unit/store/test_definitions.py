"""The requests `add` and `edit`: checked like a task file, merged like an import, refused where work would be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from queue_desk import PASSED, QueueDesk

from swarm_shared.carry_out import Carried, carry_out, carry_out_now
from swarm_shared.domain.errors import NotFound
from swarm_shared.domain.models import HoldReason, Status, TaskSpec, Verb
from swarm_shared.processes.file_lock import alone
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.requests.definitions import MAX_PROPOSALS


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[QueueDesk]:
    desk = QueueDesk(tmp_path)
    desk.add(TaskSpec(id="a", name="A"), TaskSpec(id="b", name="B", dependencies=("a",)))
    yield desk
    desk.db.close()


def add(desk: QueueDesk, **argument: Any) -> ControlRow:
    return carry_out_now(desk.db, Verb.ADD, "", argument, actor="anna")


def edit(desk: QueueDesk, task_id: str, was: Mapping[str, Any] | None = None, **changes: Any) -> ControlRow:
    argument = {"set": changes} | ({"was": was} if was is not None else {})
    return carry_out_now(desk.db, Verb.EDIT, task_id, argument, actor="anna")


def chain(desk: QueueDesk, task_id: str) -> int:
    return int(desk.db.connection.value("SELECT chain FROM tasks WHERE id = ?", (task_id,)))


def test_an_added_task_is_queued_behind_its_dependencies(desk: QueueDesk) -> None:
    row = add(desk, task={"id": "c", "name": "C", "dependencies": ["b"], "priority": "high", "files": ["src/**"]})
    assert (row.status, row.target, row.result) == ("done", "c", "added c")
    assert desk.task("c") | {"status": "blocked", "priority": "high"} == desk.task("c")
    assert [desk.run(PASSED) for _ in "abc"] == ["a", "b", "c"]


def test_an_added_task_that_needs_nothing_can_be_claimed(desk: QueueDesk) -> None:
    add(desk, task={"id": "now", "name": "Now", "priority": "critical"})
    assert desk.take().task_id == "now"


def test_an_id_is_made_from_the_name_and_stays_unique(desk: QueueDesk) -> None:
    task = {"name": "Écrire le manuel!"}
    assert [add(desk, task=task).target for _ in range(2)] == ["ecrire-le-manuel", "ecrire-le-manuel-2"]
    assert add(desk, task={"name": "手冊"}).target == "task"


def test_a_request_repeated_with_its_key_adds_one_task(desk: QueueDesk) -> None:
    argument = {"task": {"name": "Once"}}
    rows = [desk.db.control.request(Verb.ADD, "", argument, actor="anna", idempotency_key="k") for _ in range(2)]
    assert rows[0] == rows[1]
    for _ in rows:
        carry_out(desk.db, desk.db.control.get(rows[0]), by="reaper")
    assert len(desk.db.imports.known_ids()) == 3


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
def test_a_wrong_task_is_refused_and_nothing_changes(desk: QueueDesk, task: Any, expected: str) -> None:
    row = add(desk, task=task)
    assert row.status == "refused"
    assert expected in str(row.result)
    assert desk.db.imports.known_ids() == {"a", "b"}


def test_all_problems_of_a_task_are_in_one_refusal(desk: QueueDesk) -> None:
    said = str(add(desk, task={"name": "C", "priority": "soon", "files": ["/etc"]}).result)
    assert "priority" in said
    assert "/etc" in said


def test_an_unknown_key_is_kept_and_mentioned(desk: QueueDesk) -> None:
    row = add(desk, task={"id": "c", "name": "C", "colour": "red"})
    assert "colour" in str(row.result)
    assert desk.db.tasks.editable("c").extra == {"colour": "red"}


def test_a_mistyped_key_is_refused(desk: QueueDesk) -> None:
    row = add(desk, task={"id": "c", "name": "C", "dependancies": ["a"]})
    assert "dependancies" in str(row.result)
    assert "dependencies" in str(row.result)
    with pytest.raises(NotFound):
        desk.db.tasks.editable("c")


def test_an_unknown_part_of_a_request_is_refused(desk: QueueDesk) -> None:
    assert "unknown key 'holt'" in str(add(desk, task={"name": "C"}, holt=True).result)


def test_a_held_task_waits_for_its_release(desk: QueueDesk) -> None:
    add(desk, task={"id": "c", "name": "C", "priority": "critical"}, hold=True)
    assert desk.task("c")["hold_reason"] == HoldReason.BY_PERSON
    assert desk.take().task_id == "a"
    carry_out_now(desk.db, Verb.RELEASE, "c", {}, actor="anna")
    assert desk.status("c") is Status.NOT_STARTED


def test_a_proposal_waits_for_approval(desk: QueueDesk) -> None:
    row = add(desk, task={"id": "c", "name": "C", "status": "completed"}, proposed_by="a")
    assert row.result == "proposed c: held until you release it"
    assert (desk.status("c"), desk.task("c")["hold_reason"]) == (Status.HELD, HoldReason.PROPOSED)


def test_proposals_of_a_task_are_bounded(desk: QueueDesk) -> None:
    rows = [add(desk, task={"name": f"P{n}"}, proposed_by="a") for n in range(MAX_PROPOSALS + 1)]
    assert [row.status for row in rows] == ["done"] * MAX_PROPOSALS + ["refused"]
    assert add(desk, task={"name": "Of another"}, proposed_by="b").status == "done"


def test_what_waits_for_an_added_task_s_needs_moves_up_in_the_order(desk: QueueDesk) -> None:
    add(desk, task={"id": "c", "name": "C", "dependencies": ["b"]})
    assert [chain(desk, each) for each in "abc"] == [2, 1, 0]


def test_an_edit_changes_the_named_keys_only(desk: QueueDesk) -> None:
    add(desk, task={"id": "c", "name": "C", "description": "as it was", "labels": ["x"], "odd": "kept"})
    row = edit(desk, "c", name="See", labels=None, estimated_hours=2)
    assert (row.status, row.result) == ("done", "changed name, labels, estimated hours")
    spec = desk.db.tasks.editable("c")
    assert (spec.name, spec.labels, spec.estimated_hours) == ("See", (), 2.0)
    assert (spec.description, spec.extra) == ("as it was", {"odd": "kept"})
    assert "edited" in desk.events()


def test_an_unknown_key_can_be_edited_and_removed(desk: QueueDesk) -> None:
    edit(desk, "a", odd={"x": [1]})
    assert desk.db.tasks.editable("a").extra == {"odd": {"x": [1]}}
    edit(desk, "a", odd=None)
    assert desk.db.tasks.editable("a").extra == {}


def test_an_edit_moves_dependencies(desk: QueueDesk) -> None:
    edit(desk, "b", dependencies=None)
    assert desk.status("b") is Status.NOT_STARTED
    edit(desk, "a", depends_on=["b"])
    assert desk.status("a") is Status.BLOCKED
    assert chain(desk, "b") > chain(desk, "a")


def test_an_edit_that_closes_a_circle_is_refused_with_the_way(desk: QueueDesk) -> None:
    add(desk, task={"id": "c", "name": "C", "dependencies": ["b"]})
    row = edit(desk, "a", dependencies=["c"])
    assert row.status == "refused"
    assert "a → c → b → a" in str(row.result)
    assert desk.status("a") is Status.NOT_STARTED


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
def test_a_wrong_edit_is_refused_and_nothing_changes(desk: QueueDesk, changes: dict[str, Any], expected: str) -> None:
    before = desk.task("a")
    row = edit(desk, "a", **changes)
    assert row.status == "refused"
    assert expected in str(row.result)
    assert desk.task("a") == before


def test_a_task_at_work_is_not_edited(desk: QueueDesk) -> None:
    claim = desk.start()
    assert "cannot edit a: it runs" in str(edit(desk, "a", name="Other").result)
    desk.settle(claim)
    assert "cannot edit a: it is completed" in str(edit(desk, "a", name="Other").result)


def test_an_edit_that_began_before_another_one_is_refused_where_they_meet(desk: QueueDesk) -> None:
    edit(desk, "a", description="from the browser", labels=["x"])
    assert edit(desk, "a", {"description": None}, description="from the editor").status == "refused"
    assert edit(desk, "a", {"description": "from the browser"}, description="from the editor").status == "done"
    assert desk.db.tasks.editable("a").labels == ("x",)


def test_a_raised_priority_survives_an_edit_of_something_else(desk: QueueDesk) -> None:
    carry_out_now(desk.db, Verb.PRIORITIZE, "a", {"priority": "critical"}, actor="anna")
    edit(desk, "a", description="more")
    assert desk.task("a")["priority"] == "critical"


def test_an_edit_waits_while_an_import_is_at_work(desk: QueueDesk) -> None:
    row = desk.db.control.get(desk.db.control.request(Verb.ADD, "", {"task": {"name": "C"}}, actor="anna"))
    lock = desk.path.with_name("tasks.db.swarm") / "import.lock"
    with alone(lock, wait=True):
        assert carry_out(desk.db, row, by="reaper") is Carried.IMPORTING
    assert desk.db.control.get(row.id).status == "pending"
    assert carry_out(desk.db, row, by="reaper") is Carried.ANSWERED
    assert desk.db.control.get(row.id).result == "added c"
