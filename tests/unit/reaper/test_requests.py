"""Control rows: what each verb does or refuses in each status, in order, and what a worker that is silent costs."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from queue_desk import QueueDesk, failed

from swarm_reaper.long_requests import LongRequests
from swarm_reaper.requests import WORKER_ANSWERS_WITHIN_MS, Requests
from swarm_reaper.slots import Slots
from swarm_shared.domain.models import FailureClass, Outcome, Status, TaskSpec, Verb
from swarm_shared.processes.file_lock import alone
from swarm_shared.processes.identity import ProcessId
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.policy import Budgets
from swarm_shared.store.requests.control import ControlRow

S, V = Status, Verb
WAITS = "pending"


class OrdersDesk(QueueDesk):
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

    def told(self, verb: Verb, target: str = "t", **argument: object) -> tuple[str, str | None]:
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
def desk(tmp_path: Path) -> Iterator[OrdersDesk]:
    desk = OrdersDesk(tmp_path)
    yield desk
    desk.sleeper.kill()
    desk.sleeper.wait()
    desk.db.close()


def as_blocked(desk: OrdersDesk) -> None:
    desk.add("needed", TaskSpec(id="t", name="t", dependencies=("needed",)))


def as_waiting_files(desk: OrdersDesk) -> None:
    desk.add("t")
    with desk.db.connection.transaction():
        desk.db.connection.change("UPDATE tasks SET status = 'waiting_files'")


def as_scheduled(desk: OrdersDesk) -> None:
    desk.budgets = Budgets(max_retries=3, retry_delay_s=60)
    desk.add("t")
    desk.run(failed(FailureClass.QUALITY))


def as_failed(desk: OrdersDesk) -> None:
    desk.add("t")
    desk.run(failed(FailureClass.QUALITY))


def as_completed(desk: OrdersDesk) -> None:
    desk.add("t")
    desk.run()


def as_held(desk: OrdersDesk) -> None:
    desk.add("t")
    desk.db.steering.apply(Verb.HOLD, "t", {}, actor="ann")


def as_cancelled(desk: OrdersDesk) -> None:
    desk.add("t")
    desk.db.steering.apply(Verb.CANCEL, "t", {}, actor="ann")


def as_claimed(desk: OrdersDesk) -> None:
    desk.add("t")
    desk.take()


def as_in_progress(desk: OrdersDesk) -> None:
    desk.add("t")
    desk.start()


MADE: dict[Status, Callable[[OrdersDesk], None]] = {
    S.NOT_STARTED: lambda desk: desk.add("t"),
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
# What a verb makes of a task in a status; WAITS: its worker is asked first; everything else is refused.
ALLOWED: dict[tuple[Verb, Status], Status | str] = {
    **{(V.KILL, s): WAITS for s in (S.CLAIMED, S.IN_PROGRESS)},
    **{(V.CANCEL, s): WAITS for s in (S.CLAIMED, S.IN_PROGRESS)},
    **{(V.CANCEL, s): S.CANCELLED for s in (S.NOT_STARTED, S.BLOCKED, S.WAITING_FILES, S.SCHEDULED, S.FAILED, S.HELD)},
    **{(V.RETRY, s): S.NOT_STARTED for s in (S.FAILED, S.HELD, S.CANCELLED, S.COMPLETED)},
    **{(V.HOLD, s): S.HELD for s in (S.NOT_STARTED, S.BLOCKED, S.WAITING_FILES, S.SCHEDULED)},
    (V.RELEASE, S.HELD): S.NOT_STARTED,
    **{(V.REJECT, s): S.NOT_STARTED for s in (S.HELD, S.COMPLETED)},
    **{(V.PRIORITIZE, s): s for s in (S.NOT_STARTED, S.BLOCKED, S.WAITING_FILES, S.SCHEDULED, S.HELD)},
}
ARGUMENTS: dict[Verb, dict[str, object]] = {V.REJECT: {"note": "again"}, V.PRIORITIZE: {"priority": "high"}}
VERBS = (V.KILL, V.RETRY, V.CANCEL, V.HOLD, V.RELEASE, V.APPROVE, V.REJECT, V.PRIORITIZE)


@pytest.mark.parametrize("status", MADE)
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_does_what_the_table_says_or_is_refused_with_the_reason(
    desk: OrdersDesk, verb: Verb, status: Status
) -> None:
    MADE[status](desk)
    assert desk.status("t") is status
    said, result = desk.told(verb, **ARGUMENTS.get(verb, {}))
    expected = ALLOWED.get((verb, status), "refused")
    if expected == WAITS:
        assert said == WAITS
    elif expected == "refused":
        assert said == "refused"
        assert result is not None
        assert "t" in result
        assert desk.status("t") is status
    else:
        assert (said, desk.status("t")) == ("done", expected), result


def test_an_approval_of_an_objection_completes_the_task(desk: OrdersDesk) -> None:
    desk.add(TaskSpec(id="t", name="t", max_retries=0))
    desk.run(failed(FailureClass.QUALITY, validator_result={"verdict": "FAIL"}))
    assert desk.told(V.APPROVE)[0] == "done"
    assert desk.status("t") is S.COMPLETED


def test_a_retry_behind_a_cancel_of_the_same_task_waits_for_it(desk: OrdersDesk) -> None:
    desk.add("t", "other")
    claim = desk.start()
    cancel, retry = desk.ask(V.CANCEL), desk.ask(V.RETRY)
    elsewhere = desk.ask(V.HOLD, "other")
    desk.requests.run_once()
    assert [desk.db.control.get(row).status for row in (cancel, retry, elsewhere)] == [WAITS, WAITS, "done"]
    result = failed(FailureClass.INTERRUPTED)
    desk.settle(claim, type(result)(outcome=Outcome.CANCELLED), answers=[cancel])
    desk.requests.run_once()
    assert [desk.db.control.get(row).status for row in (cancel, retry)] == ["done", "done"]
    assert desk.status("t") is S.NOT_STARTED


@pytest.mark.parametrize(("verb", "outcome"), [(V.KILL, Outcome.KILLED), (V.CANCEL, Outcome.CANCELLED)])
def test_a_worker_has_five_seconds_to_answer_then_its_attempt_is_fenced(
    desk: OrdersDesk, verb: Verb, outcome: Outcome
) -> None:
    desk.add("t")
    claim = desk.start()
    row = desk.ask(verb)
    desk.requests.run_once()
    desk.clock.pass_s(4.9)
    desk.requests.run_once()
    assert desk.ending_of(claim) is None
    desk.clock.pass_s(0.2)
    desk.requests.run_once()
    assert desk.ending_of(claim) == (outcome, (row,))
    assert not desk.db.queue.owns(claim)
    assert desk.db.control.get(row).status == WAITS  # answered with the proof, not with the fence


def test_a_dead_worker_is_not_waited_for(desk: OrdersDesk) -> None:
    desk.add("t")
    claim = desk.start()
    desk.sleeper.kill()
    desk.sleeper.wait()
    row = desk.ask(V.KILL)
    desk.requests.run_once()
    assert desk.ending_of(claim) == (Outcome.KILLED, (row,))


def test_a_persons_word_replaces_the_reason_of_an_attempt_that_is_being_ended(desk: OrdersDesk) -> None:
    desk.add("t")
    claim = desk.start()
    (attempt,) = desk.db.recovery.open_attempts()
    from swarm_shared.store.queue.recovery import crash

    desk.db.recovery.fence(attempt, crash("died"))
    row = desk.ask(V.KILL)
    desk.requests.run_once()
    assert desk.ending_of(claim) == (Outcome.KILLED, (row,))
    desk.db.recovery.close(attempt, crash("died"), desk.budgets)
    assert desk.status("t") is S.HELD
    assert desk.db.control.get(row).status == "done"


def test_a_kill_never_hits_a_later_attempt(desk: OrdersDesk) -> None:
    desk.add("t")
    first = desk.start()
    row = desk.ask(V.KILL)
    desk.settle(first, failed(FailureClass.INTERRUPTED))
    second = desk.start()
    answer = desk.answer(row)
    assert answer.status == "refused"
    assert "attempt 2" in (answer.result or "")
    assert desk.db.queue.owns(second)


def test_a_kill_of_an_attempt_that_is_over_shows_what_became_of_it(desk: OrdersDesk) -> None:
    desk.add("t")
    claim = desk.start()
    row = desk.ask(V.KILL)
    desk.settle(claim)
    answer = desk.answer(row)
    assert answer.status == "refused"
    assert "passed" in (answer.result or "")
    assert "completed" in (answer.result or "")


def test_a_cancel_of_a_task_that_no_longer_runs_is_carried_out(desk: OrdersDesk) -> None:
    desk.add("t")
    claim = desk.start()
    row = desk.ask(V.CANCEL)
    desk.settle(claim, failed(FailureClass.INTERRUPTED))
    assert desk.answer(row).status == "done"
    assert desk.status("t") is S.CANCELLED


def test_a_cancel_that_was_asked_for_just_before_the_claim_is_aimed_at_the_attempt(desk: OrdersDesk) -> None:
    desk.add("t")
    row = desk.ask(V.CANCEL)
    claim = desk.start()
    assert desk.answer(row).attempt_id == claim.attempt
    assert [order[0] for order in desk.db.control.for_attempt(claim.attempt)] == [row]


def test_a_kill_that_was_asked_for_before_the_claim_is_refused(desk: OrdersDesk) -> None:
    desk.add("t")
    row = desk.ask(V.KILL)
    claim = desk.start()
    assert desk.answer(row).status == "refused"
    assert desk.db.queue.owns(claim)


def test_a_row_that_nobody_took_in_time_expires_instead_of_striking_late(desk: OrdersDesk) -> None:
    desk.add("t")
    row = desk.ask(V.CANCEL)
    desk.clock.pass_s(31)
    answer = desk.answer(row)
    assert answer.status == "expired"
    assert desk.status("t") is S.NOT_STARTED


def test_a_row_that_is_worked_on_does_not_expire(desk: OrdersDesk) -> None:
    desk.add("t")
    desk.start()
    row = desk.ask(V.KILL)
    for _ in range(40):
        desk.requests.run_once()
        desk.clock.pass_s(2)
    answer = desk.answer(row)
    assert answer.status == WAITS
    assert answer.expires_at > desk.clock.wall
    assert answer.handled_by == "reaper"


def test_pause_drain_and_resume_are_stored(desk: OrdersDesk) -> None:
    desk.add("t")
    assert desk.told(V.PAUSE, "", reason="lunch")[0] == "done"
    assert desk.db.swarm.flags()["paused"].reason == "lunch"
    assert desk.claim() is None
    assert desk.told(V.DRAIN, "")[0] == "done"
    assert desk.told(V.RESUME, "")[0] == "done"
    assert desk.db.swarm.flags() == {}
    assert desk.claim() is not None


def test_one_worker_can_be_drained(desk: OrdersDesk) -> None:
    run = desk.claimant().run
    assert desk.told(V.DRAIN, "worker-1")[0] == "done"
    assert desk.db.workers.wanted(run) == "drain"
    assert desk.told(V.DRAIN, "worker-9")[0] == "refused"


def test_an_emergency_stop_is_stored_at_once_and_answered_when_no_agent_is_left(desk: OrdersDesk) -> None:
    desk.add("t")
    claim = desk.start()
    row = desk.ask(V.EMERGENCY_STOP, "")
    assert desk.answer(row).status == WAITS
    assert "emergency_stop" in desk.db.swarm.flags()
    desk.settle(claim, failed(FailureClass.INTERRUPTED))
    assert desk.answer(row).status == "done"


def test_a_resume_behind_an_emergency_stop_waits_for_its_end(desk: OrdersDesk) -> None:
    desk.add("t")
    claim = desk.start()
    stop, resume = desk.ask(V.EMERGENCY_STOP, ""), desk.ask(V.RESUME, "")
    assert desk.answer(resume).status == WAITS
    desk.settle(claim, failed(FailureClass.INTERRUPTED))
    desk.requests.run_once()
    assert [desk.db.control.get(row).status for row in (stop, resume)] == ["done", "done"]
    assert desk.db.swarm.flags() == {}


@pytest.mark.parametrize("verb", [V.SCALE, V.RESTART_WORKER])
def test_without_supervisord_scaling_and_restarting_are_refused_with_what_to_do(desk: OrdersDesk, verb: Verb) -> None:
    said, result = desk.told(verb, "worker-1" if verb is V.RESTART_WORKER else "", workers=3)
    assert said == "refused"
    assert "supervisord" in (result or "")


@pytest.mark.parametrize("workers", [None, -1, 257, "3", True, 2.5])
def test_a_scale_to_no_number_of_workers_is_refused(desk: OrdersDesk, workers: object) -> None:
    said, result = desk.told(V.SCALE, "", workers=workers)
    assert said == "refused"
    assert "0 to 256" in (result or "")


def test_one_verb_on_many_tasks_is_carried_out_by_pieces_while_other_rows_continue(
    desk: OrdersDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swarm_reaper.requests.BULK_BUDGET_MS", 0)
    monkeypatch.setattr("swarm_shared.store.requests.bulk.BATCH", 2)
    desk.add("1", "2", "3", "t")
    many = desk.db.control.request(Verb.BULK, "", {"verb": "hold", "ids": ["1", "2", "3"]}, actor="ann")
    other = desk.ask(Verb.HOLD)
    assert desk.answer(many).status == "pending"
    assert desk.db.control.get(other).status == "done"
    assert desk.requests.has_more
    row = desk.answer(many)
    assert (row.status, row.result) == ("done", "hold: 3 done")
    assert [desk.status(i) for i in "123"] == [Status.HELD] * 3


def test_a_task_is_added_by_request(desk: OrdersDesk) -> None:
    assert desk.told(V.ADD, "", task={"id": "new", "name": "New"}) == ("done", "added new")
    assert desk.status("new") is S.NOT_STARTED


def test_an_edit_of_a_task_at_work_is_refused_and_its_agent_continues(desk: OrdersDesk) -> None:
    desk.add("t")
    claim = desk.start()
    assert desk.told(V.EDIT, set={"name": "Other"}) == (
        "refused",
        "cannot edit t: it runs – add another task, or kill or retry it first",
    )
    assert desk.ending_of(claim) is None


def test_definitions_wait_while_an_import_is_at_work(desk: OrdersDesk) -> None:
    row = desk.ask(V.ADD, "", task={"name": "New"})
    with alone(desk.path.with_name("tasks.db.swarm") / "import.lock", wait=True):
        assert desk.answer(row).status == WAITS
    assert desk.answer(row).status == "done"
