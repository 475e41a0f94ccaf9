"""Each changing route writes only its control row; buttons offer what the rules allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dashboard_harness import DashboardHarness

from swarm_dashboard.payloads.actions import verbs_for
from swarm_dashboard.routes.requests import SWARM_ROUTES, TASK_ROUTES, WORKER_ROUTES
from swarm_shared.domain.errors import InputError, StateError
from swarm_shared.domain.models import FailureCause, HoldReason, Status, Verb

ARGUMENTS: dict[str, dict[str, Any]] = {
    "retry": {"note": "mind the order"},
    "reject": {"note": "no"},
    "prioritize": {"priority": 1},
    "scale": {"workers": 5},
    "answer": {"text": "the second one", "attempt": 1},
}


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    made = DashboardHarness(tmp_path)
    made.add("1", "2")
    made.claimant("worker-1")
    return made


@pytest.mark.parametrize(("word", "verb"), TASK_ROUTES.items())
def test_a_task_verb_writes_its_row(harness: DashboardHarness, word: str, verb: Verb) -> None:
    argument = ARGUMENTS.get(word, {})
    response = harness.post(f"/api/tasks/1/{word}", argument)
    assert response.status_code == 202
    row = harness.db.control.get(response.get_json()["control_id"])
    assert (row.verb, row.target, row.actor, row.status) == (verb, "1", "dashboard", "pending")
    assert dict(row.argument) == argument
    assert harness.task("1")["status"] == "not_started"


@pytest.mark.parametrize(("word", "verb"), SWARM_ROUTES.items())
def test_a_swarm_verb_writes_its_row(harness: DashboardHarness, word: str, verb: Verb) -> None:
    argument = ARGUMENTS.get(word, {})
    row = harness.db.control.get(harness.post(f"/api/{word}", argument).get_json()["control_id"])
    assert (row.verb, row.target, dict(row.argument)) == (verb, "", argument)


@pytest.mark.parametrize(("word", "verb"), WORKER_ROUTES.items())
def test_a_worker_verb_writes_its_row(harness: DashboardHarness, word: str, verb: Verb) -> None:
    row = harness.db.control.get(harness.post(f"/api/workers/worker-1/{word}").get_json()["control_id"])
    assert (row.verb, row.target) == (verb, "worker-1")
    assert harness.post(f"/api/workers/worker-9/{word}").status_code == 404


def test_an_unknown_task_is_not_found(harness: DashboardHarness) -> None:
    assert harness.post("/api/tasks/3/retry").status_code == 404
    assert harness.db.control.newest(limit=1) == []


def test_a_verb_on_a_running_task_names_its_attempt(harness: DashboardHarness) -> None:
    claim = harness.start()
    row = harness.db.control.get(harness.post(f"/api/tasks/{claim.task_id}/kill").get_json()["control_id"])
    assert row.attempt_id == claim.attempt


def test_a_repeated_request_is_recorded_once(harness: DashboardHarness) -> None:
    first = harness.post("/api/tasks/1/retry", {"idempotency_key": "k1"}).get_json()
    again = harness.post("/api/tasks/1/retry", {"idempotency_key": "k1"}).get_json()
    header = harness.post("/api/tasks/1/retry", Idempotency_Key="k1").get_json()
    assert first == again == header
    assert len(harness.db.control.newest(limit=10)) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/tasks/1/reject", {}),
        ("/api/tasks/1/reject", {"note": "   "}),
        ("/api/tasks/1/retry", {"note": 7}),
        ("/api/tasks/1/retry", {"note": "\ud800"}),
        ("/api/tasks/1/retry", {"note": "x" * 20_001}),
        ("/api/tasks/1/retry", {"idempotency_key": "x" * 101}),
        ("/api/tasks/1/prioritize", {}),
        ("/api/tasks/1/prioritize", {"priority": "urgent"}),
        ("/api/tasks/1/prioritize", {"priority": [1]}),
        ("/api/scale", {}),
        ("/api/scale", {"workers": "many"}),
        ("/api/scale", {"workers": True}),
        ("/api/scale", {"workers": None}),
        ("/api/scale", {"workers": -1}),
        ("/api/scale", {"workers": 257}),
        ("/api/scale", {"workers": "4"}),
        ("/api/scale", {"workers": 4.5}),
        ("/api/pause", []),
        ("/api/tasks/bulk", {"verb": "explode", "ids": ["1"]}),
        ("/api/tasks/bulk", {"verb": "retry", "ids": []}),
        ("/api/tasks/bulk", {"verb": "retry", "ids": [1]}),
        ("/api/tasks/bulk", {"verb": "retry", "ids": ["1"] * 501}),
        ("/api/tasks/bulk", {"verb": "retry"}),
        ("/api/tasks/bulk", {"ids": ["1"]}),
        ("/api/tasks/bulk", {"verb": "retry", "ids": ["1"], "matching": {}}),
        ("/api/tasks/bulk", {"verb": "retry", "matching": "all"}),
        ("/api/tasks/bulk", {"verb": "retry", "matching": {"status": "odd"}}),
        ("/api/tasks/bulk", {"verb": "retry", "matching": {"q": "since:yesterday"}}),
        ("/api/tasks/bulk", {"verb": "reject", "matching": {}}),
    ],
)
def test_an_invalid_body_is_refused_with_a_message(harness: DashboardHarness, path: str, body: Any) -> None:
    response = harness.post(path, body)
    assert response.status_code == 400
    assert response.get_json()["error"]["message"]
    assert harness.db.control.newest(limit=1) == []


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b'"text"', b"\xff\xfe", b"NaN"])
def test_a_body_that_is_not_a_json_object_is_refused(harness: DashboardHarness, data: bytes) -> None:
    response = harness.client.post("/api/pause", data=data, content_type="application/json", headers=harness.headers())
    assert response.status_code == 400


def test_several_tasks_at_once_are_one_row(harness: DashboardHarness) -> None:
    response = harness.post("/api/tasks/bulk", {"verb": "cancel", "ids": ["1", "2", "1", "nope"]})
    assert response.status_code == 202
    answer = response.get_json()
    assert answer["not_found"] == ["nope"]
    row = harness.db.control.get(answer["control_id"])
    assert (row.verb, dict(row.argument)) == (Verb.BULK, {"verb": "cancel", "ids": ["1", "2"]})
    assert harness.post("/api/tasks/bulk", {"verb": "cancel", "ids": ["nope"]}).status_code == 404


def test_a_bulk_request_is_one_row_however_many_tasks_match(harness: DashboardHarness) -> None:
    body = {"verb": "hold", "matching": {"q": "task", "status": "not_started"}, "idempotency_key": "k"}
    first, again = (harness.post("/api/tasks/bulk", body).get_json()["control_id"] for _ in range(2))
    assert first == again
    argument = harness.db.control.get(first).argument
    assert argument["filter"]["words"] == ["task"]
    assert argument["upto"] == 2
    refused = harness.post("/api/tasks/bulk", {"verb": "kill", "matching": {"status": "failed"}})
    assert refused.status_code == 409


def test_the_count_shows_how_many_tasks_match_and_to_how_many_the_verb_applies(harness: DashboardHarness) -> None:
    harness.settle(harness.start())
    everything = harness.get("/api/count?verb=hold").get_json()
    assert everything == {"matching": 2, "meant": 1, "left_alone": {"completed": 1}, "cursor": None}
    assert harness.get("/api/count?verb=kill&status=completed").get_json()["meant"] == 0
    assert harness.get("/api/count?q=task+2").get_json()["matching"] == 1
    assert harness.get("/api/count?verb=explode").status_code == 400
    assert harness.get("/api/count?verb=answer").status_code == 400, "each question has its own answer"


def test_the_outcome_of_a_row_is_reported_even_if_no_reaper_handled_it(harness: DashboardHarness) -> None:
    row = harness.post("/api/tasks/1/hold").get_json()["control_id"]
    assert harness.get(f"/api/control/{row}").get_json()["status"] == "pending"
    harness.clock.pass_s(31)
    late = harness.get(f"/api/control/{row}").get_json()
    assert late["status"] == "expired"
    assert "its reaper is not running" in late["hint"]
    harness.db.control.answer(row, "refused", "it runs", by="reaper")
    assert harness.get(f"/api/control/{row}").get_json()["result"] == "it runs"
    assert harness.get("/api/control").get_json()["control"][0]["id"] == row


def standing(harness: DashboardHarness, status: Status, reason: HoldReason | None) -> None:
    """Put task 1 into a status, as far as the steering rules check it."""
    with harness.db.connection.transaction():
        attempt = harness.db.connection.value("SELECT open_attempt FROM tasks WHERE id = '1'")
        running = status in (Status.CLAIMED, Status.IN_PROGRESS)
        harness.db.connection.change(
            "UPDATE tasks SET status = :status, hold_reason = :reason, open_attempt = :attempt, due_mono = :due, "
            "due_at = :due WHERE id = '1'",
            {
                "status": str(status),
                "reason": reason,
                "attempt": attempt if running else None,
                "due": 1 if status is Status.SCHEDULED else None,
            },
        )


CASES: list[tuple[Status, HoldReason | None, FailureCause | None]] = [
    *((s, None, None) for s in Status if s is not Status.HELD),
    *((Status.HELD, r, FailureCause.VALIDATOR if r is HoldReason.OBJECTION else None) for r in HoldReason),
    *((Status.FAILED, None, cause) for cause in FailureCause),
]


@pytest.mark.parametrize(("status", "reason", "cause"), CASES)
def test_buttons_offer_exactly_what_the_rules_allow(
    harness: DashboardHarness, status: Status, reason: HoldReason | None, cause: FailureCause | None
) -> None:
    harness.start()
    standing(harness, status, reason)
    if cause is not None:
        problem = "INSERT INTO problems (fingerprint, cause, sample, newest_at) VALUES ('f', ?, '', 0)"
        harness.db.connection.change(problem, (str(cause),))
        harness.db.connection.change("UPDATE tasks SET fingerprint = 'f' WHERE id = '1'")
    if reason is HoldReason.QUESTION:
        harness.db.connection.change("UPDATE attempts SET question = 'Which?'")
    offered = verbs_for({"status": status, "hold_reason": reason, "cause": cause})
    for verb in TASK_ROUTES.values():
        if verb is Verb.REJECT and status is Status.FAILED and cause is not FailureCause.VALIDATOR:
            continue  # Retry with a note is the same there, and is offered
        try:
            with harness.db.connection.transaction():
                harness.db.steering.apply(verb, "1", {"note": "n", "priority": 1, "text": "t"}, actor="test")
                raise KeyboardInterrupt  # allowed; rolled back, so that the next verb finds the same status
        except KeyboardInterrupt:
            allowed = True
        except (StateError, InputError):
            allowed = False
        assert (verb in offered) == allowed, (verb, status, reason, cause)


@pytest.mark.parametrize("body", [{}, {"text": " ", "attempt": 1}, {"text": "x"}, {"text": "x", "attempt": "1"}])
def test_an_answer_without_a_text_or_an_attempt_number_is_refused(
    harness: DashboardHarness, body: dict[str, Any]
) -> None:
    assert harness.post("/api/tasks/1/answer", body).status_code == 400
    assert harness.db.control.newest(limit=1) == []
