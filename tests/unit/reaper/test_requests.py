"""Control rows: what each verb does or refuses in each status, in order, and the effect of a silent worker."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from queue_harness import QueueHarness, failed

from swarm_reaper.requests import WORKER_ANSWERS_WITHIN_MS, Requests
from swarm_reaper.slots import Slots
from swarm_reaper.threads.long_requests import LongRequests
from swarm_shared.domain.models import FailureClass, Outcome, Status, TaskSpec, Verb
from swarm_shared.processes.file_lock import alone
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.requests.control import ControlRow

S, V = Status, Verb
WAITS = "pending"


class RequestsHarness(QueueHarness):
    """A queue whose worker is a real process that does nothing, and the reaper's requests on it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, budgets=Budgets(max_retries=0))
        self.long = LongRequests(self.path, self.clock)
        self.requests = Requests(self.db, Slots(None, self.clock), self.long)
        self.sleeper = subprocess.Popen(["/bin/sleep", "1000"])

    def claimant(self, worker_id: str = "worker-1") -> Claimant:
        if worker_id not in self._claimants:
            process = ProcessId.of(self.sleeper.pid)
            assert process is not None
            run = self.db.workers.register(worker_id, process, process, lease_s=120)
            self._claimants[worker_id] = Claimant(run=run, worker_id=worker_id, agent_cli="command")
        return self._claimants[worker_id]

    def ask(self, verb: Verb, target: str = "t", actor: str = "ann", **argument: object) -> int:
        return self.db.control.request(verb, target, argument, actor=actor)

    def answer(self, row_id: int) -> ControlRow:
        self.requests.run_once()
        return self.db.control.get(row_id)

    def outcome_of(self, verb: Verb, target: str = "t", **argument: object) -> tuple[str, str | None]:
        row = self.answer(self.ask(verb, target, **argument))
        return row.status, row.result

    def ending_of(self, claim: Claim) -> tuple[Outcome, tuple[int, ...]] | None:
        for attempt in self.db.recovery.open_attempts():
            if attempt.attempt == claim.attempt and attempt.ending is not None:
                return attempt.ending.outcome, attempt.ending.control
        return None

    def wait_out_the_worker(self) -> None:
        for _ in range(2):
            self.requests.run_once()
            self.clock.pass_s(WORKER_ANSWERS_WITHIN_MS / 2000)
        self.requests.run_once()


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[RequestsHarness]:
    harness = RequestsHarness(tmp_path)
    yield harness
    harness.sleeper.kill()
    harness.sleeper.wait()
    harness.db.close()


def as_blocked(harness: RequestsHarness) -> None:
    harness.add("needed", TaskSpec(id="t", name="t", dependencies=("needed",)))


def as_waiting_files(harness: RequestsHarness) -> None:
    harness.add("t")
    with harness.db.connection.transaction():
        harness.db.connection.change("UPDATE tasks SET status = 'waiting_files'")


def as_scheduled(harness: RequestsHarness) -> None:
    harness.budgets = Budgets(max_retries=3, retry_delay_s=60)
    harness.add("t")
    harness.run(failed(FailureClass.QUALITY))


def as_failed(harness: RequestsHarness) -> None:
    harness.add("t")
    harness.run(failed(FailureClass.QUALITY))


def as_completed(harness: RequestsHarness) -> None:
    harness.add("t")
    harness.run()


def as_held(harness: RequestsHarness) -> None:
    harness.add("t")
    harness.db.steering.apply(Verb.HOLD, "t", {}, actor="ann")


def as_cancelled(harness: RequestsHarness) -> None:
    harness.add("t")
    harness.db.steering.apply(Verb.CANCEL, "t", {}, actor="ann")


def as_claimed(harness: RequestsHarness) -> None:
    harness.add("t")
    harness.take()


def as_in_progress(harness: RequestsHarness) -> None:
    harness.add("t")
    harness.start()


MADE: dict[Status, Callable[[RequestsHarness], None]] = {
    S.NOT_STARTED: lambda harness: harness.add("t"),
    S.BLOCKED: as_blocked,
    S.WAITING_FILES: as_waiting_files,
    S.SCHEDULED: as_scheduled,
    S.CLAIMED: as_claimed,
    S.IN_PROGRESS: as_in_progress,
    S.COMPLETED: as_completed,
    S.FAILED: as_failed,
    S.HELD: as_held,
    S.CANCELLED: as_cancelled,
}
# The effect of a verb on a task in a status; WAITS: its worker is asked first; everything else is refused.
ALLOWED: dict[tuple[Verb, Status], Status | str] = {
    **{(V.KILL, s): WAITS for s in (S.CLAIMED, S.IN_PROGRESS)},
    **{(V.CANCEL, s): WAITS for s in (S.CLAIMED, S.IN_PROGRESS)},
    **{(V.CANCEL, s): S.CANCELLED for s in (S.NOT_STARTED, S.BLOCKED, S.WAITING_FILES, S.SCHEDULED, S.FAILED, S.HELD)},
    **{(V.RETRY, s): S.NOT_STARTED for s in (S.FAILED, S.HELD, S.CANCELLED, S.COMPLETED)},
    **{(V.HOLD, s): S.HELD for s in (S.NOT_STARTED, S.BLOCKED, S.WAITING_FILES, S.SCHEDULED)},
    (V.RELEASE, S.HELD): S.NOT_STARTED,
    **{(V.REJECT, s): S.NOT_STARTED for s in (S.HELD, S.FAILED, S.COMPLETED)},
    **{(V.PRIORITIZE, s): s for s in (S.NOT_STARTED, S.BLOCKED, S.WAITING_FILES, S.SCHEDULED, S.HELD)},
}
ARGUMENTS: dict[Verb, dict[str, object]] = {V.REJECT: {"note": "again"}, V.PRIORITIZE: {"priority": "high"}}
VERBS = (V.KILL, V.RETRY, V.CANCEL, V.HOLD, V.RELEASE, V.APPROVE, V.REJECT, V.PRIORITIZE)


@pytest.mark.parametrize("status", MADE)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_the_effect_in_the_table_or_is_refused_with_the_reason(
    harness: RequestsHarness, verb: Verb, status: Status
) -> None:
    MADE[status](harness)
    assert harness.status("t") is status
    said, result = harness.outcome_of(verb, **ARGUMENTS.get(verb, {}))
    expected = ALLOWED.get((verb, status), "refused")
    if expected == WAITS:
        assert said == WAITS
    elif expected == "refused":
        assert said == "refused"
        assert result is not None
        assert "t" in result
        assert harness.status("t") is status
    else:
        assert (said, harness.status("t")) == ("done", expected), result


def test_an_approval_of_an_objection_completes_the_task(harness: RequestsHarness) -> None:
    harness.add(TaskSpec(id="t", name="t", max_retries=0))
    harness.run(failed(FailureClass.QUALITY, validator_result={"verdict": "FAIL"}))
    assert harness.outcome_of(V.APPROVE)[0] == "done"
    assert harness.status("t") is S.COMPLETED


def test_a_retry_behind_a_cancel_of_the_same_task_waits_for_it(harness: RequestsHarness) -> None:
    harness.add("t", "other")
    claim = harness.start()
    cancel, retry = harness.ask(V.CANCEL), harness.ask(V.RETRY)
    elsewhere = harness.ask(V.HOLD, "other")
    harness.requests.run_once()
    assert [harness.db.control.get(row).status for row in (cancel, retry, elsewhere)] == [WAITS, WAITS, "done"]
    result = failed(FailureClass.INTERRUPTED)
    harness.settle(claim, type(result)(outcome=Outcome.CANCELLED), answers=[cancel])
    harness.requests.run_once()
    assert [harness.db.control.get(row).status for row in (cancel, retry)] == ["done", "done"]
    assert harness.status("t") is S.NOT_STARTED


@pytest.mark.parametrize(("verb", "outcome"), [(V.KILL, Outcome.KILLED), (V.CANCEL, Outcome.CANCELLED)])
def test_a_worker_has_five_seconds_to_respond_then_its_attempt_is_fenced(
    harness: RequestsHarness, verb: Verb, outcome: Outcome
) -> None:
    harness.add("t")
    claim = harness.start()
    row = harness.ask(verb)
    harness.requests.run_once()
    harness.clock.pass_s(4.9)
    harness.requests.run_once()
    assert harness.ending_of(claim) is None
    harness.clock.pass_s(0.2)
    harness.requests.run_once()
    assert harness.ending_of(claim) == (outcome, (row,))
    assert not harness.db.queue.owns(claim)
    assert harness.db.control.get(row).status == WAITS  # its outcome comes with the proof, not with the fence


def test_a_dead_worker_is_not_waited_for(harness: RequestsHarness) -> None:
    harness.add("t")
    claim = harness.start()
    harness.sleeper.kill()
    harness.sleeper.wait()
    row = harness.ask(V.KILL)
    harness.requests.run_once()
    assert harness.ending_of(claim) == (Outcome.KILLED, (row,))


def test_a_users_request_replaces_the_reason_of_an_attempt_that_is_being_ended(harness: RequestsHarness) -> None:
    harness.add("t")
    claim = harness.start()
    (attempt,) = harness.db.recovery.open_attempts()
    from swarm_shared.store.queue.recovery import crash

    harness.db.recovery.fence(attempt, crash("died"))
    row = harness.ask(V.KILL)
    harness.requests.run_once()
    assert harness.ending_of(claim) == (Outcome.KILLED, (row,))
    harness.db.recovery.close(attempt, crash("died"), harness.budgets)
    assert harness.status("t") is S.HELD
    assert harness.db.control.get(row).status == "done"


def test_a_kill_never_affects_a_later_attempt(harness: RequestsHarness) -> None:
    harness.add("t")
    first = harness.start()
    row = harness.ask(V.KILL)
    harness.settle(first, failed(FailureClass.INTERRUPTED))
    second = harness.start()
    answer = harness.answer(row)
    assert answer.status == "refused"
    assert "attempt 2" in (answer.result or "")
    assert harness.db.queue.owns(second)


def test_a_kill_of_an_ended_attempt_shows_what_became_of_it(harness: RequestsHarness) -> None:
    harness.add("t")
    claim = harness.start()
    row = harness.ask(V.KILL)
    harness.settle(claim)
    answer = harness.answer(row)
    assert answer.status == "refused"
    assert "passed" in (answer.result or "")
    assert "completed" in (answer.result or "")


def test_a_cancel_of_a_task_that_no_longer_runs_is_carried_out(harness: RequestsHarness) -> None:
    harness.add("t")
    claim = harness.start()
    row = harness.ask(V.CANCEL)
    harness.settle(claim, failed(FailureClass.INTERRUPTED))
    assert harness.answer(row).status == "done"
    assert harness.status("t") is S.CANCELLED


def test_a_cancel_requested_just_before_the_claim_applies_to_the_attempt(harness: RequestsHarness) -> None:
    harness.add("t")
    row = harness.ask(V.CANCEL)
    claim = harness.start()
    assert harness.answer(row).attempt_id == claim.attempt
    assert [order[0] for order in harness.db.control.for_attempt(claim.attempt)] == [row]


def test_a_kill_requested_before_the_claim_is_refused(harness: RequestsHarness) -> None:
    harness.add("t")
    row = harness.ask(V.KILL)
    claim = harness.start()
    assert harness.answer(row).status == "refused"
    assert harness.db.queue.owns(claim)


def test_a_row_that_was_not_handled_in_time_expires_instead_of_taking_effect_late(harness: RequestsHarness) -> None:
    harness.add("t")
    row = harness.ask(V.CANCEL)
    harness.clock.pass_s(31)
    answer = harness.answer(row)
    assert answer.status == "expired"
    assert harness.status("t") is S.NOT_STARTED


def test_a_row_in_progress_does_not_expire(harness: RequestsHarness) -> None:
    harness.add("t")
    harness.start()
    row = harness.ask(V.KILL)
    for _ in range(40):
        harness.requests.run_once()
        harness.clock.pass_s(2)
    answer = harness.answer(row)
    assert answer.status == WAITS
    assert answer.expires_at > harness.clock.wall
    assert answer.handled_by == "reaper"


def test_pause_drain_and_resume_are_stored(harness: RequestsHarness) -> None:
    harness.add("t")
    assert harness.outcome_of(V.PAUSE, "", reason="lunch")[0] == "done"
    assert harness.db.swarm.flags()["paused"].reason == "lunch"
    assert harness.claim() is None
    assert harness.outcome_of(V.DRAIN, "")[0] == "done"
    assert harness.outcome_of(V.RESUME, "")[0] == "done"
    assert harness.db.swarm.flags() == {}
    assert harness.claim() is not None


def test_one_worker_can_be_drained(harness: RequestsHarness) -> None:
    run = harness.claimant().run
    assert harness.outcome_of(V.DRAIN, "worker-1")[0] == "done"
    assert harness.db.workers.wanted(run) == "drain"
    assert harness.outcome_of(V.DRAIN, "worker-9")[0] == "refused"


def test_an_emergency_stop_is_stored_at_once_and_gets_its_outcome_when_no_agent_is_left(
    harness: RequestsHarness,
) -> None:
    harness.add("t")
    claim = harness.start()
    row = harness.ask(V.EMERGENCY_STOP, "")
    assert harness.answer(row).status == WAITS
    assert "emergency_stop" in harness.db.swarm.flags()
    harness.settle(claim, failed(FailureClass.INTERRUPTED))
    assert harness.answer(row).status == "done"


def test_a_resume_behind_an_emergency_stop_waits_for_its_end(harness: RequestsHarness) -> None:
    harness.add("t")
    claim = harness.start()
    stop, resume = harness.ask(V.EMERGENCY_STOP, ""), harness.ask(V.RESUME, "")
    assert harness.answer(resume).status == WAITS
    harness.settle(claim, failed(FailureClass.INTERRUPTED))
    harness.requests.run_once()
    assert [harness.db.control.get(row).status for row in (stop, resume)] == ["done", "done"]
    assert harness.db.swarm.flags() == {}


@pytest.mark.parametrize("verb", [V.SCALE, V.RESTART_WORKER])
def test_without_supervisord_scaling_and_restarting_are_refused_with_advice(
    harness: RequestsHarness, verb: Verb
) -> None:
    said, result = harness.outcome_of(verb, "worker-1" if verb is V.RESTART_WORKER else "", workers=3)
    assert said == "refused"
    assert "supervisord" in (result or "")


@pytest.mark.parametrize("workers", [None, -1, 257, "3", True, 2.5])
def test_a_scale_to_an_invalid_number_of_workers_is_refused(harness: RequestsHarness, workers: object) -> None:
    said, result = harness.outcome_of(V.SCALE, "", workers=workers)
    assert said == "refused"
    assert "0 to 256" in (result or "")


def test_a_bulk_request_is_carried_out_in_pieces_while_other_rows_continue(
    harness: RequestsHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_reaper.requests.BULK_BUDGET_MS", 0)
    monkeypatch.setattr("swarm_shared.store.requests.bulk.BATCH", 2)
    harness.add("1", "2", "3", "t")
    many = harness.db.control.request(Verb.BULK, "", {"verb": "hold", "ids": ["1", "2", "3"]}, actor="ann")
    other = harness.ask(Verb.HOLD)
    assert harness.answer(many).status == "pending"
    assert harness.db.control.get(other).status == "done"
    assert harness.requests.has_more
    row = harness.answer(many)
    assert (row.status, row.result) == ("done", "hold: 3 done")
    assert [harness.status(i) for i in "123"] == [Status.HELD] * 3


def test_a_task_is_added_by_request(harness: RequestsHarness) -> None:
    assert harness.outcome_of(V.ADD, "", task={"id": "new", "name": "New"}) == ("done", "added new")
    assert harness.status("new") is S.NOT_STARTED


def test_an_edit_of_a_running_task_is_refused_and_its_agent_continues(harness: RequestsHarness) -> None:
    harness.add("t")
    claim = harness.start()
    assert harness.outcome_of(V.EDIT, set={"name": "Other"}) == (
        "refused",
        "cannot edit t: it runs – add another task, or kill or retry it first",
    )
    assert harness.ending_of(claim) is None


def test_definitions_wait_while_an_import_is_running(harness: RequestsHarness) -> None:
    row = harness.ask(V.ADD, "", task={"name": "New"})
    with alone(harness.path.with_name("tasks.db.swarm") / "import.lock", wait=True):
        assert harness.answer(row).status == WAITS
    assert harness.answer(row).status == "done"
