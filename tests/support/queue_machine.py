"""Random steps on the store and on the model of it side by side; `queue_walk` compares everything after each."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from queue_harness import PASSED, failed
from queue_model import FILES, LEASE_MS
from queue_walk import BUDGETS, WORKERS, QueueWalk

from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Role, Stage, Status, TaskSpec, Verb
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.queue.recovery import Ending

IDS = "abcdef"
DAY_MS = 24 * 3600 * 1000

_built = {"base_sha": "base", "head_sha": "head"}
_objection = {"validator_result": {"verdict": "FAIL"}}
RESULTS = [
    PASSED,
    AttemptResult(outcome=Outcome.PASSED, **_built, validator_result={"verdict": "PASS"}),
    AttemptResult(outcome=Outcome.KILLED, error="killed"),
    AttemptResult(outcome=Outcome.CANCELLED, error="cancelled"),
    *(failed(kind) for kind in FailureClass),
    failed(FailureClass.CRASH),  # again: it has the longest limit
    failed(FailureClass.QUALITY, **_objection, check_results=[{"passed": True}]),
    failed(FailureClass.QUALITY, **_objection, check_results=[{"passed": False}]),
    failed(FailureClass.QUALITY, **_objection, **_built),
]
ENDINGS = [
    Ending(outcome=Outcome.FAILED, failure_class=FailureClass.CRASH, error="its worker died"),
    Ending(outcome=Outcome.FAILED, failure_class=FailureClass.INTERRUPTED, error="stopped"),
    Ending(outcome=Outcome.FAILED, failure_class=FailureClass.QUALITY, error="no sign of progress"),
    Ending(outcome=Outcome.KILLED, failure_class=None, error="killed"),
    Ending(outcome=Outcome.CANCELLED, failure_class=None, error="cancelled"),
]
VERBS = [Verb.RETRY, Verb.RETRY, Verb.CANCEL, Verb.HOLD, Verb.RELEASE, Verb.APPROVE, Verb.REJECT, Verb.PRIORITIZE]

_any = st.integers(0, 2**16)  # picks one of however many there are now
_rarely = st.integers(0, 7).map(lambda n: n == 7)


@st.composite
def _specs(draw: st.DrawFn, *, at_least: int = 1) -> list[TaskSpec]:
    """A task file. Most are valid; some name tasks that may not exist, or have a cycle."""
    specs = []
    ids = draw(st.lists(st.sampled_from(IDS), unique=True, min_size=at_least, max_size=len(IDS)))
    for task_id in ids:
        others = set(IDS) - {task_id} if draw(_rarely) else {other for other in ids if other < task_id}
        needs = draw(st.sets(st.sampled_from(sorted(others)), max_size=2)) if others else set()
        status = draw(st.sampled_from([*[Status.NOT_STARTED] * 8, Status.COMPLETED, Status.HELD, Status.FAILED]))
        specs.append(
            TaskSpec(
                id=task_id,
                name=task_id,
                description=draw(st.sampled_from(["", "another text"])),
                status=status,
                priority=draw(st.sampled_from([3, 3, 3, 1, 4])),
                max_retries=draw(st.sampled_from([None, None, 0, 1])),
                files=draw(st.sampled_from(list(FILES))),
                dependencies=tuple(sorted(needs)),
            )
        )
    return specs


class QueueMachine(QueueWalk):
    """The actions of workers, reapers, users and the clock."""

    # ───── tasks come and go ─────

    @initialize(specs=_specs(at_least=len(IDS)))
    def begin(self, specs: list[TaskSpec]) -> None:
        self._import(specs, clear=False, force=False)

    @rule(specs=_specs(), clear=_rarely, force=st.booleans())
    def import_tasks(self, specs: list[TaskSpec], clear: bool, force: bool) -> None:
        self._import(specs, clear=clear, force=force)

    def _import(self, specs: list[TaskSpec], *, clear: bool, force: bool) -> None:
        had = [task.open.claim for task in self.model.open() if task.open]
        if not self.both(
            lambda: self.db.imports.run(specs, source="a file", actor="test", clear=clear, force=force),
            lambda: self.model.load(specs, clear=clear, force=force),
        ):
            return
        if clear:
            self.stale += had

    # ───── workers ─────

    # Each rule is as likely as any other; there should be mostly whole attempts.

    @rule(pick=_any, landing=_rarely)
    def claim(self, pick: int, landing: bool) -> None:
        self._claim(pick, landing=landing)

    @rule(pick=_any, result=st.sampled_from(RESULTS))
    @precondition(lambda self: self.hands)
    def settle(self, pick: int, result: AttemptResult) -> None:
        self._settle(pick, result)

    @rule(results=st.lists(st.sampled_from(RESULTS), min_size=1, max_size=4), pick=_any)
    def whole_attempts(self, results: list[AttemptResult], pick: int) -> None:
        for result in results:
            self._claim(pick)
            if self.hands:
                self._settle(pick, result)
                self.the_rows_are_as_the_model_says()

    def _claim(self, pick: int, *, landing: bool = False) -> None:
        free = [worker for worker in self.workers if worker.run not in self.hands]
        if not free:
            return
        worker = free[pick % len(free)]
        # Like workers: passed work is landed before anything new is begun, but the choice is theirs.
        if landing or any(t.status is Status.APPROVED for t in self.model.tasks.values()):
            expected = self.model.next_landing()
            landed = self.db.landings.claim(worker)
            self.given(worker, expected, landed.claim if landed else None)
        if worker.run not in self.hands:
            expected = self.model.next_task()
            self.given(worker, expected, self.db.queue.claim(worker))

    @rule(pick=_any, role=st.sampled_from([Role.BUILDER, Role.VALIDATOR]))
    @precondition(lambda self: self.hands)
    def open_session(self, pick: int, role: Role) -> None:
        claim, task = self.held(pick)
        stage = Stage.BUILDING if role is Role.BUILDER else Stage.VALIDATING
        if task is None:
            self.lost(lambda: self.session(claim, role, stage))
            return
        self.session(claim, role, stage)
        assert task.open is not None
        task.open.progress = self.clock.mono
        if task.status is Status.CLAIMED:
            task.status = Status.IN_PROGRESS

    def _settle(self, pick: int, result: AttemptResult) -> None:
        claim, task = self.held(pick)
        del self.hands[claim.run]
        if task is None:
            self.lost(lambda: self.db.queue.settle(claim, result, BUDGETS))
            return
        self.db.queue.settle(claim, result, BUDGETS)
        self.model.settle(task, result, reported=True)
        self.stale.append(claim)

    @rule(pick=_any)
    @precondition(lambda self: any(claim.landing for claim in self.hands.values()))
    def pass_point_of_no_return(self, pick: int) -> None:
        claim, task = self.held(pick, landing=True)
        if task is None:
            self.lost(lambda: self.db.landings.pass_point_of_no_return(claim, new="new", old="old"))
        else:
            assert self.db.landings.pass_point_of_no_return(claim, new="new", old="old")
            task.past_return = True

    @rule(pick=_any, result=st.sampled_from(RESULTS))
    @precondition(lambda self: self.stale)
    def write_with_a_stale_token(self, pick: int, result: AttemptResult) -> None:
        claim = self.stale[pick % len(self.stale)]
        self.lost(lambda: self.session(claim, Role.BUILDER, Stage.BUILDING))
        self.lost(lambda: self.db.landings.note_head(claim, base_sha="x", head_sha="y"))
        self.lost(lambda: self.db.landings.pass_point_of_no_return(claim, new="new", old="old"))
        if claim.run not in self.hands:
            self.lost(lambda: self.db.queue.settle(claim, result, BUDGETS))

    @rule(pick=_any)
    def beat(self, pick: int) -> None:
        worker = self.workers[pick % WORKERS]
        beats = self.db.workers.heartbeat(worker.run, began_mono_ms=self.clock.mono, lease_s=LEASE_MS / 1000)
        assert beats == (worker.run not in self.over)
        if beats:
            self.leases[worker.run] = self.clock.mono + LEASE_MS

    @rule(pick=_any)
    def show_progress(self, pick: int) -> None:
        if self.hands:
            claim, _ = self.held(pick)
            self.db.queue.note_progress(claim)
            task = self.task_of(claim)  # recorded even without the lease, for an attempt that has not ended
            if task and task.open:
                task.open.progress = self.clock.mono

    @rule(pick=_any)
    def a_worker_ends(self, pick: int) -> None:
        """Its row says so; its open attempt stays open, and another worker replaces it."""
        n = pick % WORKERS
        gone = self.workers[n]
        self.db.workers.end(gone.run, crashed=True, reason="it died")
        self.over.add(gone.run)
        assert self.db.queue.claim(gone) is None
        self.workers[n] = self.register(len(self.leases))
        self.leases[self.workers[n].run] = self.clock.mono + LEASE_MS
        if claim := self.hands.pop(gone.run, None):  # valid until the lease is taken away
            assert self.db.queue.owns(claim) == (self.owner(claim) is not None)

    # ───── the reaper's part, as rows ─────

    @rule(pick=_any, ending=st.sampled_from(ENDINGS))
    @precondition(lambda self: any(self.model.open()))
    def fence(self, pick: int, ending: Ending) -> None:
        _, attempt, row = self.open(pick)
        assert self.db.recovery.fence(row, ending) == (attempt.ending is None)
        if attempt.ending is None:
            attempt.ending = _result_of(ending)
            self.stale.append(attempt.claim)

    @rule(pick=_any, ending=st.sampled_from(ENDINGS))
    @precondition(lambda self: any(self.model.open()))
    def override(self, pick: int, ending: Ending) -> None:
        _, attempt, row = self.open(pick)
        assert self.db.recovery.override(row, ending) == (attempt.ending is not None)
        if attempt.ending is not None:
            attempt.ending = _result_of(ending)

    @rule(pick=_any, unproven=st.booleans())
    @precondition(lambda self: any(self.model.open()))
    def prove_gone_or_not(self, pick: int, unproven: bool) -> None:
        task, attempt, row = self.open(pick)
        if attempt.ending is None:
            attempt.ending = _result_of(ENDINGS[0])
            assert self.db.recovery.fence(row, ENDINGS[0])
            self.stale.append(attempt.claim)
        if unproven:
            if task.status is not Status.CANCELLED:  # the reaper leaves those unchanged
                self.db.recovery.hold_unproven(row, "it is still there")
                task.status, task.hold_reason = Status.HELD, HoldReason.NOT_PROVEN_DEAD
            return
        assert self.db.recovery.close(row, ENDINGS[0], BUDGETS), "the stored reason counts, not this one"
        assert not self.db.recovery.close(row, ENDINGS[0], BUDGETS), "closed twice"
        out = task.status is Status.CANCELLED
        self.model.settle(task, AttemptResult(outcome=Outcome.CANCELLED) if out else attempt.ending, reported=False)

    # ───── users ─────

    @rule(
        pick=_any,
        verb=st.sampled_from(VERBS),
        note=st.sampled_from([None, "mind the gap"]),
        chain=st.booleans(),
        priority=st.integers(1, 4),
    )
    @precondition(lambda self: self.model.tasks)
    def steer(self, pick: int, verb: Verb, note: str | None, chain: bool, priority: int) -> None:
        task = self.any_task(pick)
        model: dict[Verb, Callable[[], None]] = {
            Verb.RETRY: lambda: self.model.retry(task, note, chain=chain),
            Verb.CANCEL: lambda: self.model.cancel(task),
            Verb.HOLD: lambda: self.model.hold(task),
            Verb.RELEASE: lambda: self.model.release(task),
            Verb.APPROVE: lambda: self.model.approve(task),
            Verb.REJECT: lambda: self.model.reject(task, note),
            Verb.PRIORITIZE: lambda: self.model.prioritize(task, priority),
        }
        argument = {"note": note, "chain": chain, "priority": priority}
        self.both(lambda: self.apply(verb, task, argument), model[verb])

    @rule()
    def pause_and_resume(self) -> None:
        self.db.swarm.set_flag("paused", actor="test")
        for worker in self.workers:
            assert self.db.queue.claim(worker) is None
            assert self.db.landings.claim(worker) is None
        self.db.swarm.resume(actor="test")

    # ───── time ─────

    @rule(seconds=st.sampled_from([1, 16, 16, 119, 121, 1801]))
    def time_passes(self, seconds: int) -> None:
        self.clock.pass_s(seconds)

    @rule(step_ms=st.sampled_from([DAY_MS, -DAY_MS]), boots=_rarely)
    def the_clock_steps(self, step_ms: int, boots: bool) -> None:
        self.clock.wall += step_ms
        if boots:
            self.clock.boot += "'"
            self.clock.mono = 1_000
            self.model.reboot()
        assert self.db.recovery.note_boot() == boots


def _result_of(ending: Ending) -> AttemptResult:
    return AttemptResult(outcome=ending.outcome, failure_class=ending.failure_class, error=ending.error)
