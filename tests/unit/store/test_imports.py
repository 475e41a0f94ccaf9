"""Imports merge a file completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from queue_harness import PASSED, QueueHarness, failed

from swarm_shared.domain.errors import DatabaseError, InputError, StateError
from swarm_shared.domain.models import FailureClass, Status, TaskSpec, Verb
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.importing import imports
from swarm_shared.store.importing.writing import Writing


@pytest.fixture
def harness(tmp_path: Path) -> QueueHarness:
    return QueueHarness(tmp_path)


def spec(task_id: str, *needs: str, **more: object) -> TaskSpec:
    return TaskSpec(id=task_id, name=task_id, dependencies=needs, **more)  # type: ignore[arg-type]


def run(harness: QueueHarness, *specs: TaskSpec, **how: object) -> tuple[int, int, int, int]:
    result = harness.db.imports.run(specs, source="f.yaml", actor="test", **how)  # type: ignore[arg-type]
    return result.imported, result.updated, result.unchanged, result.skipped


def test_importing_the_same_file_twice_changes_nothing(harness: QueueHarness) -> None:
    specs = [spec("a"), spec("b", "a"), spec("c", "b", description="x")]
    assert run(harness, *specs) == (3, 0, 0, 0)
    before = harness.db.connection.rows("SELECT * FROM tasks ORDER BY seq")
    assert run(harness, *specs) == (0, 0, 3, 0)
    assert harness.db.connection.rows("SELECT * FROM tasks ORDER BY seq") == before


def test_waiting_failed_held_and_cancelled_tasks_take_the_new_text_and_keep_their_status(harness: QueueHarness) -> None:
    run(harness, *(spec(t, max_retries=0) for t in "abcd"))
    harness.run(failed(FailureClass.QUALITY))
    for task_id, verb in (("b", Verb.HOLD), ("c", Verb.CANCEL)):
        with harness.db.connection.transaction():
            harness.db.steering.apply(verb, task_id, {}, actor="test")
    assert run(harness, *(spec(t, max_retries=0, description="new") for t in "abcd")) == (0, 4, 0, 0)
    assert [harness.status(t) for t in "abcd"] == [Status.FAILED, Status.HELD, Status.CANCELLED, Status.NOT_STARTED]
    assert all(harness.task(t)["description"] == "new" for t in "abcd")


def test_running_and_completed_tasks_are_left_unchanged_and_reported(harness: QueueHarness) -> None:
    run(harness, spec("a"), spec("b"))
    harness.run(PASSED)
    harness.start()
    result = harness.db.imports.run(
        [spec("a", description="new"), spec("b", description="new")], source="f", actor="test"
    )
    assert result.skipped == 2
    assert any("completed" in reason for reason in result.reasons)
    assert any("runs" in reason for reason in result.reasons)
    assert harness.task("a")["description"] == ""


def test_tasks_missing_from_the_file_are_kept(harness: QueueHarness) -> None:
    run(harness, spec("a"))
    run(harness, spec("b"))
    assert harness.db.tasks.page()[1] == 2


def test_a_priority_set_by_a_user_survives_a_change_of_the_text(harness: QueueHarness) -> None:
    run(harness, spec("a"))
    with harness.db.connection.transaction():
        harness.db.steering.apply(Verb.PRIORITIZE, "a", {"priority": "critical"}, actor="test")
    run(harness, spec("a", description="new"))
    assert harness.task("a")["priority"] == "critical"


def test_a_dependency_on_a_completed_task_does_not_block(harness: QueueHarness) -> None:
    run(harness, spec("a"))
    harness.run(PASSED)
    run(harness, spec("b", "a"))
    assert harness.status("b") is Status.NOT_STARTED


def test_changed_dependencies_of_a_waiting_task_take_effect(harness: QueueHarness) -> None:
    run(harness, spec("a"), spec("b"))
    assert harness.status("b") is Status.NOT_STARTED
    run(harness, spec("b", "a"))
    assert harness.status("b") is Status.BLOCKED
    run(harness, spec("b"))
    assert harness.status("b") is Status.NOT_STARTED


def test_clear_replaces_the_queue(harness: QueueHarness) -> None:
    run(harness, spec("a"), spec("b", "a"))
    run(harness, spec("c"), clear=True)
    assert [row["id"] for row in harness.db.tasks.page()[0]] == ["c"]


def test_clear_is_refused_while_a_task_runs_unless_forced(harness: QueueHarness) -> None:
    run(harness, spec("a"))
    harness.start()
    with pytest.raises(StateError, match="is running"):
        run(harness, spec("b"), clear=True)
    assert harness.status("a") is Status.IN_PROGRESS
    run(harness, spec("b"), clear=True, force=True)
    assert [row["id"] for row in harness.db.tasks.page()[0]] == ["b"]


def test_a_cycle_through_tasks_of_the_queue_is_refused_and_changes_nothing(harness: QueueHarness) -> None:
    run(harness, spec("a"), spec("b", "a"))
    with pytest.raises(InputError, match=r"a → b → a|b → a → b"):
        run(harness, spec("a", "b"))
    assert harness.task("a")["dependencies"] == []


def test_a_cycle_through_a_running_task_is_refused_because_that_task_stays_unchanged(harness: QueueHarness) -> None:
    run(harness, spec("a"), spec("b", "a"))
    harness.run(PASSED)
    harness.start()  # b is running and needs a, whatever the file now says
    with harness.db.connection.transaction():
        harness.db.steering.apply(Verb.RETRY, "a", {}, actor="test")
    with pytest.raises(InputError, match="circular"):
        run(harness, spec("a", "b"), spec("b", description="new"))
    run(harness, spec("a", description="new"), spec("b", "a", description="new"))


def test_a_dry_run_reports_the_changes_and_makes_none(harness: QueueHarness) -> None:
    assert run(harness, spec("a"), dry_run=True) == (1, 0, 0, 0)
    assert harness.db.tasks.page()[1] == 0


def test_a_large_import_gives_the_same_result_as_small_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    specs = [spec(f"t{n}", *([f"t{n - 1}"] if n % 3 else []), estimated_hours=1.0) for n in range(200)]
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    small, large = QueueHarness(tmp_path / "small"), QueueHarness(tmp_path / "large")
    run(small, *specs)
    monkeypatch.setattr(imports, "AT_ONCE_ROWS", 10)
    run(large, *specs)
    for table in ("tasks", "definitions", "dependencies", "counters"):
        statement = f"SELECT * FROM {table} ORDER BY 1, 2"
        assert large.db.connection.rows(statement) == small.db.connection.rows(statement), table
    assert large.db.connection.value("SELECT count(*) FROM staged") == 0


class Killed(BaseException):
    """Simulates kill -9: nothing after this runs."""


@pytest.mark.parametrize("step", range(0, 260, 37))
def test_an_import_that_dies_leaves_nothing_visible_or_is_rolled_forward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    harness = QueueHarness(tmp_path)
    monkeypatch.setattr(imports, "AT_ONCE_ROWS", 10)
    monkeypatch.setattr(imports, "ROWS_BETWEEN_CHECKS", 7)
    monkeypatch.setattr(imports, "BATCH_MS", -1)
    specs = [spec(f"t{n}", *([f"t{n + 1}"] if n < 99 else [])) for n in range(100)]
    commits = 0
    finish = type(harness.db.connection).finish

    def dying(self: object, *, commit: bool) -> None:
        nonlocal commits
        commits += 1
        if commits == step // 5 + 1:
            finish(self, commit=False)  # type: ignore[arg-type]
            raise Killed
        finish(self, commit=commit)  # type: ignore[arg-type]

    monkeypatch.setattr(type(harness.db.connection), "finish", dying)
    monkeypatch.setattr(imports.Imports, "_abandon", lambda self, import_id: None)
    try:
        run(harness, *specs)
    except Killed:
        pass
    monkeypatch.undo()
    harness.db.imports.clear_up()
    count = harness.db.tasks.page()[1]
    assert count in (0, 100)
    if count:
        assert harness.status("t99") is Status.NOT_STARTED
        assert harness.status("t0") is Status.BLOCKED
        assert harness.db.connection.value("SELECT count(*) FROM dependencies") == 99
    assert harness.db.connection.value("SELECT count(*) FROM staged") == 0


def test_an_import_whose_staged_tasks_are_missing_fails_and_publishes_nothing(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "AT_ONCE_ROWS", 10)

    def clear_up_anyway(done: int, of: int) -> None:
        harness.db.imports._finish_interrupted()  # like a process without file locks

    with pytest.raises(DatabaseError, match="nothing was imported"):
        run(harness, *(spec(f"t{n}") for n in range(100)), progress=clear_up_anyway)
    assert harness.db.tasks.page()[1] == 0


def stop_in_the_middle(harness: QueueHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import of 100 tasks that fails after 50 of them, in a process that keeps running."""
    with monkeypatch.context() as patch:
        patch.setattr(imports, "AT_ONCE_ROWS", 10)
        patch.setattr(imports, "READ_BATCH_ROWS", 10)
        apply = Writing.apply

        def full(self: Writing, step: dict[str, object]) -> bool:
            if step.get("id") == "t50":
                raise DatabaseError("database or disk is full")
            return apply(self, step)

        patch.setattr(Writing, "apply", full)
        with pytest.raises(DatabaseError, match="disk is full"):
            run(harness, *(spec(f"t{n}") for n in range(100)))
    assert harness.db.tasks.page()[1] == 50


def test_an_import_half_published_by_a_living_process_is_completed_by_the_next_one(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in_the_middle(harness, monkeypatch)
    someone_else = ProcessId.of(os.getppid())
    assert someone_else is not None
    with harness.db.connection.transaction():
        harness.db.connection.change(
            "UPDATE imports SET pid = ?, pid_start = ?", (someone_else.pid, someone_else.start_time)
        )
    assert run(harness, *(spec(f"t{n}") for n in range(100))) == (0, 0, 100, 0)
    assert harness.db.connection.value("SELECT count(*) FROM staged") == 0


def test_a_half_published_import_is_completed_even_if_one_of_its_tasks_was_added_meanwhile(
    harness: QueueHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_in_the_middle(harness, monkeypatch)
    with harness.db.connection.transaction():
        harness.db.definitions.add({"task": {"id": "t70", "name": "added by a user"}}, actor="test")
    assert harness.db.imports.clear_up() == 1
    assert harness.db.tasks.page()[1] == 100
    assert harness.task("t70")["name"] == "added by a user"


def test_ids_that_look_alike_stay_distinct(harness: QueueHarness) -> None:
    run(harness, spec("2.1"), spec("2.10"), replace(spec("007"), name="x"), spec("7"))
    assert harness.db.tasks.page()[1] == 4
