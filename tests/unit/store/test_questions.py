"""A task that is held for a question costs nothing, and one answer makes it ready again."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_desk import PASSED, QueueDesk, failed

from swarm_shared.carry_out import carry_out, carry_out_now
from swarm_shared.diagnosis.why import Why
from swarm_shared.domain.errors import InputError, StateError
from swarm_shared.domain.models import FailureClass, HoldReason, Status, TaskSpec, Verb
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.requests.steering import Applied

ASKS = failed(
    FailureClass.INTERRUPTED, "the builder asks: SQL or files?", hold=HoldReason.QUESTION, question="SQL or files?"
)


@pytest.fixture
def desk(tmp_path: Path) -> QueueDesk:
    made = QueueDesk(tmp_path, budgets=Budgets(max_retries=0))
    made.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    return made


def answer(desk: QueueDesk, text: str = "Files.", **argument: object) -> str:
    with desk.db.connection.transaction():
        done = desk.db.steering.apply(Verb.ANSWER, "a", {"text": text, **argument}, actor="anna")
    assert isinstance(done, Applied)
    return done.text


def test_a_question_holds_the_task_and_costs_no_retry(desk: QueueDesk) -> None:
    desk.run(ASKS)
    task = desk.task("a")
    assert (task["status"], task["hold_reason"], task["question"]) == (Status.HELD, "question", "SQL or files?")
    assert (task["failures"], task["crashes"]) == (0, 0)
    assert desk.db.failures.groups(10) == []
    [reason] = Why(desk.db.connection, desk.clock).explain("a", default_cli="command").reasons
    assert reason.text == "it is held: its builder cannot continue without your answer: SQL or files?"
    assert reason.advice == 'amplifier-swarm answer a "…"'


def test_an_answer_makes_it_ready_with_its_budgets_as_they_were(desk: QueueDesk) -> None:
    desk.budgets = Budgets(max_retries=2)
    desk.run(failed(FailureClass.QUALITY))
    desk.run(ASKS)
    token = desk.db.connection.value("SELECT lease_token FROM tasks WHERE id = 'a'")
    assert answer(desk, "  Files.\n", attempt=2) == "answered: attempt 3 gets the answer"
    task = desk.task("a")
    assert (task["status"], task["hold_reason"], task["question"], task["failures"]) == ("not_started", None, None, 1)
    assert desk.db.connection.value("SELECT lease_token FROM tasks WHERE id = 'a'") == token + 1
    first, second = desk.db.tasks.history(task["seq"])
    assert (first["question"], first["answer"]) == (None, None)
    assert (second["question"], second["answer"]) == ("SQL or files?", "Files.")
    assert "answered" in desk.events()
    desk.run(PASSED)
    assert desk.status("b") is Status.NOT_STARTED


def test_the_same_answer_again_changes_nothing_and_another_one_is_refused(desk: QueueDesk) -> None:
    desk.run(ASKS)
    answer(desk)
    assert answer(desk) == "answered already"
    with pytest.raises(StateError, match="it has no open question; it is ready and not started yet"):
        answer(desk, "SQL.")
    [attempt] = desk.db.tasks.history(desk.task("a")["seq"])
    assert attempt["answer"] == "Files."
    assert desk.events().count("answered") == 1


def test_an_answer_to_an_earlier_question_is_not_taken_for_one_to_a_later(desk: QueueDesk) -> None:
    desk.run(ASKS)
    answer(desk, attempt=1)
    desk.run(ASKS)
    with pytest.raises(StateError, match="attempt 2 came after the question of attempt 1"):
        answer(desk, "SQL.", attempt=1)
    assert desk.status("a") is Status.HELD
    answer(desk, "SQL.", attempt=2)


def test_in_other_statuses_an_answer_is_refused(desk: QueueDesk) -> None:
    with pytest.raises(StateError, match="it has no open question"):
        answer(desk)
    desk.start()
    with pytest.raises(StateError, match="cannot answer a: it has no open question; it is in progress"):
        answer(desk)


def test_a_task_that_is_held_for_another_reason_has_no_question_to_answer(desk: QueueDesk) -> None:
    desk.run(ASKS)
    with desk.db.connection.transaction():
        desk.db.steering.apply(Verb.RETRY, "a", {}, actor="anna")
        desk.db.steering.apply(Verb.HOLD, "a", {}, actor="anna")
    with pytest.raises(StateError, match="no open question"):
        answer(desk, "SQL.")
    assert desk.task("a")["hold_reason"] == HoldReason.BY_PERSON


def test_an_empty_answer_is_refused(desk: QueueDesk) -> None:
    desk.run(ASKS)
    with pytest.raises(InputError, match="the answer is empty"):
        answer(desk, " \n")
    assert desk.status("a") is Status.HELD


def test_the_request_is_in_the_audit_with_its_outcome(desk: QueueDesk) -> None:
    desk.run(ASKS)
    row = desk.db.control.request(Verb.ANSWER, "a", {"text": "Files.", "attempt": 1}, actor="dashboard")
    assert carry_out(desk.db, desk.db.control.get(row), by="reaper")
    refused = carry_out_now(desk.db, Verb.ANSWER, "a", {"text": "SQL."}, actor="anna")
    assert [(each.verb, each.status) for each in desk.db.control.newest(limit=9)] == [
        (Verb.ANSWER, "refused"),
        (Verb.ANSWER, "done"),
    ]
    assert "it has no open question" in str(refused.result)


def test_a_retry_without_an_answer_leaves_the_decision_to_the_builder(desk: QueueDesk) -> None:
    desk.run(ASKS)
    with desk.db.connection.transaction():
        desk.db.steering.apply(Verb.RETRY, "a", {}, actor="anna")
    [attempt] = desk.db.tasks.history(desk.task("a")["seq"])
    assert (desk.status("a"), attempt["question"], attempt["answer"]) == (
        Status.NOT_STARTED,
        "SQL or files?",
        None,
    )


def test_a_held_question_is_exported_and_imported_as_held(desk: QueueDesk, tmp_path: Path) -> None:
    desk.run(ASKS)
    exported = list(desk.db.tasks.specs())
    (tmp_path / "other").mkdir()
    other = QueueDesk(tmp_path / "other")
    other.add(*exported)
    assert (other.status("a"), other.task("a")["hold_reason"]) == (Status.HELD, HoldReason.AS_IMPORTED)
