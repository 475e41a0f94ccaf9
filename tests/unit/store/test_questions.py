"""A task that is held for a question costs no retry, and one answer makes it ready again."""

from __future__ import annotations

from pathlib import Path

import pytest
from queue_harness import PASSED, QueueHarness, failed

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
def harness(tmp_path: Path) -> QueueHarness:
    made = QueueHarness(tmp_path, budgets=Budgets(max_retries=0))
    made.add("a", TaskSpec(id="b", name="b", dependencies=("a",)))
    return made


def answer(harness: QueueHarness, text: str = "Files.", **argument: object) -> str:
    with harness.db.connection.transaction():
        done = harness.db.steering.apply(Verb.ANSWER, "a", {"text": text, **argument}, actor="anna")
    assert isinstance(done, Applied)
    return done.text


def test_a_question_holds_the_task_and_costs_no_retry(harness: QueueHarness) -> None:
    harness.run(ASKS)
    task = harness.task("a")
    assert (task["status"], task["hold_reason"], task["question"]) == (Status.HELD, "question", "SQL or files?")
    assert (task["failures"], task["crashes"]) == (0, 0)
    assert harness.db.failures.groups(10) == []
    [reason] = Why(harness.db.connection, harness.clock).explain("a", default_cli="command").reasons
    assert reason.text == "it is held: its builder cannot continue without your answer: SQL or files?"
    assert reason.advice == 'amplifier-swarm answer a "…"'


def test_an_answer_makes_it_ready_with_unchanged_limits(harness: QueueHarness) -> None:
    harness.budgets = Budgets(max_retries=2)
    harness.run(failed(FailureClass.QUALITY))
    harness.run(ASKS)
    token = harness.db.connection.value("SELECT lease_token FROM tasks WHERE id = 'a'")
    assert answer(harness, "  Files.\n", attempt=2) == "answered: attempt 3 gets the answer"
    task = harness.task("a")
    assert (task["status"], task["hold_reason"], task["question"], task["failures"]) == ("not_started", None, None, 1)
    assert harness.db.connection.value("SELECT lease_token FROM tasks WHERE id = 'a'") == token + 1
    first, second = harness.db.tasks.history(task["seq"])
    assert (first["question"], first["answer"]) == (None, None)
    assert (second["question"], second["answer"]) == ("SQL or files?", "Files.")
    assert "answered" in harness.events()
    harness.run(PASSED)
    assert harness.status("b") is Status.NOT_STARTED


def test_the_same_answer_again_changes_nothing_and_a_different_one_is_refused(harness: QueueHarness) -> None:
    harness.run(ASKS)
    answer(harness)
    assert answer(harness) == "answered already"
    with pytest.raises(StateError, match="it has no open question; it is ready and not started yet"):
        answer(harness, "SQL.")
    [attempt] = harness.db.tasks.history(harness.task("a")["seq"])
    assert attempt["answer"] == "Files."
    assert harness.events().count("answered") == 1


def test_an_answer_to_an_earlier_question_does_not_count_for_a_later_one(harness: QueueHarness) -> None:
    harness.run(ASKS)
    answer(harness, attempt=1)
    harness.run(ASKS)
    with pytest.raises(StateError, match="attempt 2 came after the question of attempt 1"):
        answer(harness, "SQL.", attempt=1)
    assert harness.status("a") is Status.HELD
    answer(harness, "SQL.", attempt=2)


def test_in_other_statuses_an_answer_is_refused(harness: QueueHarness) -> None:
    with pytest.raises(StateError, match="it has no open question"):
        answer(harness)
    harness.start()
    with pytest.raises(StateError, match="cannot answer a: it has no open question; it is in progress"):
        answer(harness)


def test_a_task_that_is_held_for_another_reason_has_no_question_to_answer(harness: QueueHarness) -> None:
    harness.run(ASKS)
    with harness.db.connection.transaction():
        harness.db.steering.apply(Verb.RETRY, "a", {}, actor="anna")
        harness.db.steering.apply(Verb.HOLD, "a", {}, actor="anna")
    with pytest.raises(StateError, match="no open question"):
        answer(harness, "SQL.")
    assert harness.task("a")["hold_reason"] == HoldReason.BY_PERSON


def test_an_empty_answer_is_refused(harness: QueueHarness) -> None:
    harness.run(ASKS)
    with pytest.raises(InputError, match="the answer is empty"):
        answer(harness, " \n")
    assert harness.status("a") is Status.HELD


def test_the_request_is_in_the_audit_log_with_its_outcome(harness: QueueHarness) -> None:
    harness.run(ASKS)
    row = harness.db.control.request(Verb.ANSWER, "a", {"text": "Files.", "attempt": 1}, actor="dashboard")
    assert carry_out(harness.db, harness.db.control.get(row), by="reaper")
    refused = carry_out_now(harness.db, Verb.ANSWER, "a", {"text": "SQL."}, actor="anna")
    assert [(each.verb, each.status) for each in harness.db.control.newest(limit=9)] == [
        (Verb.ANSWER, "refused"),
        (Verb.ANSWER, "done"),
    ]
    assert "it has no open question" in str(refused.result)


def test_a_retry_without_an_answer_leaves_the_decision_to_the_builder(harness: QueueHarness) -> None:
    harness.run(ASKS)
    with harness.db.connection.transaction():
        harness.db.steering.apply(Verb.RETRY, "a", {}, actor="anna")
    [attempt] = harness.db.tasks.history(harness.task("a")["seq"])
    assert (harness.status("a"), attempt["question"], attempt["answer"]) == (
        Status.NOT_STARTED,
        "SQL or files?",
        None,
    )


def test_a_held_question_is_exported_and_imported_as_held(harness: QueueHarness, tmp_path: Path) -> None:
    harness.run(ASKS)
    exported = list(harness.db.tasks.specs())
    (tmp_path / "other").mkdir()
    other = QueueHarness(tmp_path / "other")
    other.add(*exported)
    assert (other.status("a"), other.task("a")["hold_reason"]) == (Status.HELD, HoldReason.AS_IMPORTED)
