"""The queue as a page of plain Python: what the store must do, stated a second time without a database.

A test plays the same steps on both and compares. Nothing is taken from the store but its terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fixed_time import ManualClock
from msgspec.structs import replace

from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Status, TaskSpec
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.queue.policy import AttemptResult

MAX_RETRIES, CRASH_BUDGET, CRASH_BACKOFF_MS, LANDING_TRIES = 2, 3, 15_000, 2
LEASE_MS, SILENCE_MS = 120_000, 30 * 60_000

# What each declaration of files covers; two of them overlap if they share a letter.
FILES: dict[tuple[str, ...], frozenset[str]] = {
    (): frozenset(),
    ("a.py",): frozenset("a"),
    ("src/**",): frozenset("xy"),
    ("src/x.py",): frozenset("x"),
    ("src/y.py", "a.py"): frozenset("ya"),
}
ENDED = {Status.FAILED, Status.HELD, Status.CANCELLED, Status.COMPLETED}
RUNNING = {Status.CLAIMED, Status.IN_PROGRESS}
TO_LAND = {Status.APPROVED, Status.LANDING}
CUT_SHORT = set(FailureClass) - {FailureClass.QUALITY}


class Refused(Exception):
    """The store must refuse as well, and change nothing."""


@dataclass(slots=True)
class Attempt:
    """One that is not proven gone."""

    claim: Claim
    progress: int
    ending: AttemptResult | None = None  # set once its lease was taken away


@dataclass(slots=True)
class Task:
    """Not started means everything that waits; `Model.shown` says for what."""

    spec: TaskSpec
    priority: int
    chain: int
    needs: frozenset[str]
    status: Status
    hold_reason: HoldReason | None = None
    due: int | None = None
    due_within: tuple[int, int] | None = None  # random: to be looked up
    failures: int = 0
    crashes: int = 0
    refused: int = 0  # landings
    attempts: int = 0
    note: str | None = None
    last: AttemptResult | None = None  # what its last attempt at the work reported
    stopped: AttemptResult | None = None  # the same, while it is failed or held for that
    approved_at: int = 0
    past_return: bool = False
    open: Attempt | None = None

    @property
    def is_unproven(self) -> bool:
        return self.open is not None and self.status in ENDED


class Model:
    """All tasks, in import order."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.tasks: dict[str, Task] = {}

    # ───── what is visible ─────

    def shown(self, task: Task) -> Status:
        if task.status is not Status.NOT_STARTED:
            return task.status
        if task.due is not None or task.due_within is not None:
            return Status.SCHEDULED
        return Status.BLOCKED if self.unmet(task) else Status.NOT_STARTED

    def unmet(self, task: Task) -> list[Task]:
        return [self.tasks[n] for n in task.needs if self.tasks[n].status is not Status.COMPLETED]

    def open(self) -> Iterator[Task]:
        return (task for task in self.tasks.values() if task.open is not None)

    # ───── imports ─────

    def load(self, specs: Sequence[TaskSpec], *, clear: bool, force: bool) -> None:
        if clear and not force and any(self.open()):
            raise Refused
        known = {} if clear else self.tasks
        left = {s.id for s in specs if s.id in known and self._is_left(known[s.id], s)}
        stored = {task_id: task.needs for task_id, task in known.items()}
        stated = {s.id: frozenset(s.dependencies) for s in specs}
        if any(n not in {*stored, *stated} for needs in stated.values() for n in needs):
            raise Refused
        to_be = {task_id: needs for task_id, needs in stated.items() if task_id not in left}
        if _circle(stored | stated) or _circle(stored | to_be):
            raise Refused
        chains = _chains(specs)
        self.tasks = dict(known)
        for spec in specs:
            old = self.tasks.get(spec.id)
            if old is None:
                self.tasks[spec.id] = _new(spec, chains[spec.id])
            elif _text(old.spec) == _text(spec):
                old.chain = chains[spec.id]
            elif spec.id not in left:
                if old.spec.priority != spec.priority:
                    old.priority = spec.priority
                old.spec, old.chain, old.needs = spec, chains[spec.id], frozenset(spec.dependencies)

    def _is_left(self, task: Task, spec: TaskSpec) -> bool:
        never = task.open is not None or task.status in {*TO_LAND, Status.COMPLETED}
        return never and _text(task.spec) != _text(spec)

    # ───── attempts ─────

    def next_task(self) -> Task | None:
        """The tasks that the next claim may get."""
        for task in self.tasks.values():
            if task.due is not None and task.due <= self.clock.mono:
                task.due = None
        order = {task.spec.id: n for n, task in enumerate(self.tasks.values())}
        ready = [t for t in self.tasks.values() if self.shown(t) is Status.NOT_STARTED and t.open is None]
        ready.sort(key=lambda t: (t.priority, -t.chain, order[t.spec.id]))
        return next((t for t in ready if not self._clashes(t)), None)

    def _clashes(self, task: Task) -> bool:
        at_work = [t for t in self.tasks.values() if t is not task and (t.open or t.status in TO_LAND)]
        return any(FILES[task.spec.files] & FILES[other.spec.files] for other in at_work)

    def next_landing(self) -> Task | None:
        if any(t.status is Status.LANDING for t in self.tasks.values()):
            return None
        waiting = [t for t in self.tasks.values() if t.status is Status.APPROVED]
        return min(waiting, key=lambda t: t.approved_at, default=None)

    def claimed(self, task: Task, claim: Claim) -> None:
        task.open = Attempt(claim=claim, progress=self.clock.mono)
        if claim.landing:
            task.status = Status.LANDING
        else:
            task.status, task.last = Status.CLAIMED, None
            task.attempts += 1

    def settle(self, task: Task, result: AttemptResult, *, reported: bool) -> None:
        """The end of an attempt, `reported` by its own worker, else found by the reaper."""
        assert task.open is not None
        landing = task.open.claim.landing
        task.open = None
        task.hold_reason = None
        task.stopped = None
        if not landing:
            task.last = result if reported else None
        task.note = task.note if not landing and result.failure_class in CUT_SHORT else None
        if result.outcome is Outcome.PASSED:
            task.crashes = 0
            lands = not landing and result.head_sha is not None
            task.status = Status.APPROVED if lands else Status.COMPLETED
        elif result.outcome is Outcome.CANCELLED:
            task.status = Status.CANCELLED
        elif result.outcome is Outcome.KILLED:
            self._hold(task, HoldReason.KILLED)
        elif landing:
            self._not_landed(task, result)
        else:
            self._not_built(task, result)
        if not landing and reported and task.status in (Status.FAILED, Status.HELD):
            task.stopped = result
        if task.status is Status.APPROVED and not landing:
            task.approved_at, task.past_return = self.clock.wall, False

    def _not_built(self, task: Task, result: AttemptResult) -> None:
        task.status = Status.NOT_STARTED
        match result.failure_class:
            case FailureClass.QUALITY:
                task.failures, task.crashes = task.failures + 1, 0
                own = task.spec.max_retries
                if task.failures > (MAX_RETRIES if own is None else own):
                    task.status = Status.FAILED
            case FailureClass.CRASH:
                task.crashes += 1
                if task.crashes >= CRASH_BUDGET:
                    self._hold(task, HoldReason.CRASHED)
                elif task.crashes > 1:
                    least = CRASH_BACKOFF_MS * 2 ** (task.crashes - 2)
                    task.due_within = (self.clock.mono + least, self.clock.mono + least * 3 // 2)
            case FailureClass.UNREADABLE:
                task.crashes = 0
                self._hold(task, HoldReason.UNREADABLE)

    def _not_landed(self, task: Task, result: AttemptResult) -> None:
        task.status = Status.APPROVED
        if result.failure_class is FailureClass.QUALITY:
            task.refused, task.crashes, task.past_return = task.refused + 1, 0, False
            task.status = Status.NOT_STARTED
            if task.refused >= LANDING_TRIES:
                self._hold(task, HoldReason.NOT_LANDED)
        elif result.failure_class is FailureClass.CRASH:
            task.crashes += 1
            if task.crashes >= CRASH_BUDGET:
                self._hold(task, HoldReason.CRASHED)

    def _hold(self, task: Task, reason: HoldReason) -> None:
        task.status, task.hold_reason, task.due, task.due_within = Status.HELD, reason, None, None

    # ───── users ─────

    def retry(self, task: Task, note: str | None, *, chain: bool) -> None:
        if self.shown(task) is Status.BLOCKED:
            again = [t for t in self._all_unmet(task) if t.status in ENDED]
            if not again or not chain:
                raise Refused
        elif task.status in ENDED:
            again = [task]
        else:
            raise Refused
        if any(t.is_unproven for t in again):
            raise Refused
        for one in again:
            if one.status is Status.COMPLETED:
                self._take_back(one)
            one.status, one.hold_reason, one.past_return = Status.NOT_STARTED, None, False
            one.stopped = None
            one.failures = one.crashes = one.refused = 0
            one.note = note or one.note

    def _take_back(self, task: Task) -> None:
        for dependent in self.tasks.values():
            if task.spec.id in dependent.needs and dependent.status is Status.NOT_STARTED:
                dependent.due = None

    def _all_unmet(self, task: Task) -> list[Task]:
        found: list[Task] = []
        todo = [task]
        while todo:
            fresh = [t for t in self.unmet(todo.pop()) if t not in found]
            found += fresh
            todo += fresh
        return found

    def cancel(self, task: Task) -> None:
        if task.status in {*RUNNING, Status.LANDING, Status.COMPLETED, Status.CANCELLED}:
            raise Refused
        if task.status is Status.APPROVED and task.past_return:
            raise Refused
        task.status, task.hold_reason, task.due, task.stopped = Status.CANCELLED, None, None, None

    def hold(self, task: Task) -> None:
        if task.status is not Status.NOT_STARTED:
            raise Refused
        self._hold(task, HoldReason.BY_PERSON)

    def release(self, task: Task) -> None:
        if task.status is not Status.HELD or task.is_unproven:
            raise Refused
        task.status, task.hold_reason, task.stopped = Status.NOT_STARTED, None, None

    def approve(self, task: Task) -> None:
        last = task.stopped
        if task.status not in (Status.HELD, Status.FAILED) or task.is_unproven or last is None:
            raise Refused
        if last.failure_class is not FailureClass.QUALITY or last.validator_result is None:
            raise Refused
        if any(not check["passed"] for check in last.check_results or []):
            raise Refused
        task.hold_reason = task.stopped = None
        task.status = Status.COMPLETED if last.head_sha is None else Status.APPROVED
        if last.head_sha is not None:
            task.approved_at, task.past_return = self.clock.wall, False

    def reject(self, task: Task, note: str | None) -> None:
        if task.status not in (Status.HELD, Status.FAILED, Status.COMPLETED) or not note:
            raise Refused
        self.retry(task, note, chain=False)

    def prioritize(self, task: Task, priority: int) -> None:
        if task.status not in (Status.NOT_STARTED, Status.HELD):
            raise Refused
        task.priority = priority

    def reboot(self) -> None:
        """Times of another boot are meaningless: tasks that waited for one are due."""
        for task in self.tasks.values():
            if task.due is not None:
                task.due = 0


def _new(spec: TaskSpec, chain: int) -> Task:
    reason = HoldReason.AS_IMPORTED if spec.status is Status.HELD else None
    needs = frozenset(spec.dependencies)
    return Task(spec=spec, priority=spec.priority, chain=chain, needs=needs, status=spec.status, hold_reason=reason)


def _text(spec: TaskSpec) -> TaskSpec:
    """The status of a file counts for new tasks only."""
    return replace(spec, status=Status.NOT_STARTED)


def _chains(specs: Sequence[TaskSpec]) -> dict[str, int]:
    def height(task_id: str) -> int:
        return max((1 + height(s.id) for s in specs if task_id in s.dependencies), default=0)

    return {spec.id: height(spec.id) for spec in specs}


def _circle(needs: dict[str, frozenset[str]]) -> bool:
    left = dict(needs)
    while free := [task_id for task_id, needed in left.items() if not needed & left.keys()]:
        for task_id in free:
            del left[task_id]
    return bool(left)
