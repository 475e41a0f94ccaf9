"""Requests (control rows): carried out or refused with the reason, in order for each target.

A row about a running attempt belongs to its worker for a few seconds, then to the reaper, which ends the attempt
itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from swarm_reaper.slots import Slots
from swarm_reaper.threads.long_requests import LongRequests
from swarm_shared.carry_out import Carried, carry_out
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import InputError, NotFound, SupervisorError, SwarmError
from swarm_shared.domain.models import LONG_VERBS, TASK_VERBS, Outcome, Verb
from swarm_shared.program.logs import event
from swarm_shared.store.queue.recovery import Ending, OpenAttempt
from swarm_shared.store.requests.bulk import Bulk
from swarm_shared.store.requests.control import ControlRow, NewestAttempt
from swarm_shared.store.swarm.swarm import EMERGENCY_STOP

LOG = logging.getLogger("swarm.reaper")
BY = "reaper"
WORKER_ANSWERS_WITHIN_MS = 5_000
ELSEWHERE_ANSWERS_WITHIN_MS = 30_000
STOP_WITHIN_MS = 30_000
ROUND_BUDGET_MS = 100  # deaths are not heard while rows are carried out
BULK_BUDGET_MS = 50  # of it, for an action on many tasks
PENDING_LIMIT = 1_000
PROLONG_EVERY_MS = 10_000
_STOPPING = {Verb.KILL: Outcome.KILLED, Verb.CANCEL: Outcome.CANCELLED}


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """A row that takes longer, with the time since this process knows it. Monotonic ms."""

    since: int
    prolong_at: int


class Requests:
    """Rounds over the open rows. Each row is closed once, by the first process to do so."""

    def __init__(self, database: TaskDatabase, slots: Slots, long: LongRequests) -> None:
        """Bind to a database, to the supervisord that starts its workers, and to the thread for long requests."""
        self._db = database
        self._slots = slots
        self._long = long
        self._waiting: dict[int, _Waiting] = {}
        self._bulk = Bulk(database.connection, database.clock)
        self.has_more = False  # a piece of an action on many tasks is done, and another one can follow at once

    @property
    def unfinished(self) -> bool:
        """Whether some row must be checked again soon."""
        return bool(self._waiting)

    def run_once(self) -> None:
        """Carry out the rows that can be, oldest first; a row waits for earlier open rows of the same target."""
        rows = self._db.control.pending(limit=PENDING_LIMIT)
        until = self._db.clock.mono_ms() + ROUND_BUDGET_MS
        self.has_more = False
        taken: set[tuple[str, str]] = set()
        for row in sorted(rows, key=lambda row: (row.verb is not Verb.EMERGENCY_STOP, row.id)):
            if self._db.clock.mono_ms() >= until:
                break
            target = _target(row)
            if target in taken:
                self._keep_waiting(row)
            elif not self._handle(row):
                taken.add(target)
        pending = {row.id for row in rows}
        self._waiting = {key: value for key, value in self._waiting.items() if key in pending}

    def answer_stops(self) -> None:
        """Store the outcome of emergency stops: the last thing to do for a reaper that is about to end itself."""
        for row in self._db.control.pending(limit=PENDING_LIMIT):
            if row.verb is Verb.EMERGENCY_STOP:
                self._handle(row)

    def _handle(self, row: ControlRow) -> bool:
        """Store the row's outcome; False while it must wait."""
        expired = row.id not in self._waiting and self._db.clock.wall_ms() > row.expires_at
        if row.verb in LONG_VERBS and not (expired and row.handled_by is None):
            self._long.offer(row, late=expired)
            self._keep_waiting(row)
            return False
        if expired:
            return self._answer(row, "expired", "not handled in time: no reaper ran, or it was held up; try again")
        try:
            done = self._carry_out(row)
        except (SupervisorError, InputError, NotFound) as refusal:
            done = self._refuse(row, refusal)
        if done:
            self._waiting.pop(row.id, None)
        else:
            self._keep_waiting(row)
        return done

    def _carry_out(self, row: ControlRow) -> bool:
        match row.verb:
            case Verb.SCALE:
                scaled = self._slots.scale(row.argument)
                return self._answer(row, "done", scaled, record=("scaled", f"by {row.actor}: {scaled}"))
            case Verb.RESTART_WORKER:
                said = self._slots.restart(
                    row.target, now=row.argument.get("now") is True, task=self._db.workers.task_of(row.target)
                )
                return said is not None and self._answer(row, "done", said)
            case Verb.EMERGENCY_STOP:
                return self._emergency_stop(row)
            case Verb.BULK:
                return self._many(row)
            case verb if verb in TASK_VERBS:
                return self._task_verb(row)
            case verb:
                carried = self._do(row)
                if verb is Verb.RESUME:
                    self._slots.revive()
                return carried is not Carried.IMPORTING

    def _emergency_stop(self, row: ControlRow) -> bool:
        """Set the flag immediately; store the outcome when no agent is left."""
        if row.id not in self._waiting and EMERGENCY_STOP not in self._db.swarm.flags():
            self._db.swarm.set_flag(EMERGENCY_STOP, actor=row.actor, reason=str(row.argument.get("reason") or ""))
        left = [attempt.task_id for attempt in self._db.recovery.open_attempts()]
        if not left:
            return self._answer(row, "done", "stopped: no agent is left")
        if self._waited_ms(row) < STOP_WITHIN_MS:
            return False
        tasks = ", ".join(left[:5])
        return self._answer(row, "done", f"stopped, but the agents of these tasks are not proven dead yet: {tasks}")

    def _many(self, row: ControlRow) -> bool:
        """Handle some more tasks of a bulk action, and store its outcome after the last ones."""
        until = self._db.clock.mono_ms() + BULK_BUDGET_MS
        while not self._bulk.step(row):
            if self._db.clock.mono_ms() >= until:
                self.has_more = True
                return False
        verb = row.argument["verb"]
        return self._answer(row, "done", f"{verb}: {self._bulk.progress(row.id).summary()}")

    # ───── verbs on tasks ─────

    def _task_verb(self, row: ControlRow) -> bool:
        newest = self._db.control.newest_attempt(row.target)
        if newest is not None and row.attempt_id is not None:
            if row.attempt_id != newest.attempt:
                return self._answer(
                    row, "refused", f"the attempt that it was meant for is over; attempt {newest.number} came after it"
                )
            if row.verb is Verb.KILL and newest.is_over:
                return self._answer(row, "refused", _what_became(newest))
        carried = self._do(row)
        if carried is Carried.MUST_STOP:
            return self._stop_running(row, newest)
        return carried is not Carried.IMPORTING

    def _do(self, row: ControlRow) -> Carried:
        """Carry out what only needs the database, and store the outcome."""
        carried = carry_out(self._db, row, by=BY)
        if carried in (Carried.ANSWERED, Carried.CLOSED):
            event(LOG, "request_handled", verb=row.verb, target=row.target or None, actor=row.actor)
        return carried

    def _stop_running(self, row: ControlRow, newest: NewestAttempt | None) -> bool:
        attempt = next((a for a in self._db.recovery.open_attempts() if a.task_id == row.target), None)
        if attempt is None or newest is None or attempt.attempt != newest.attempt:
            return False  # its status changed between two reads: the next round decides
        if row.attempt_id is None:
            return self._aim(row, attempt)
        if attempt.ending is not None and row.id in attempt.ending.control:
            return False  # on its way
        if attempt.ending is None and attempt.worker.is_alive() is None:
            return self._leave_elsewhere(row, attempt)
        ending = Ending(
            outcome=_STOPPING[row.verb],
            failure_class=None,
            error=f"{_STOPPING[row.verb]} by {row.actor}",
            control=(row.id,),
            by=BY,
        )
        if attempt.ending is not None and not attempt.ending.control:
            self._db.recovery.override(attempt, ending)
        elif attempt.ending is None and self._is_overdue(row, attempt):
            event(LOG, "worker_unresponsive", level=logging.WARNING, task=row.target, worker=attempt.worker_id)
            self._db.recovery.fence(attempt, ending)
        return False

    def _aim(self, row: ControlRow, attempt: OpenAttempt) -> bool:
        if row.verb is Verb.KILL:
            said = f"nothing ran when it was requested; attempt {attempt.number} was started since"
            return self._answer(row, "refused", said)
        self._db.control.aim(row.id, attempt.attempt)
        return False

    def _leave_elsewhere(self, row: ControlRow, attempt: OpenAttempt) -> bool:
        """Processes in another pid namespace, such as a container's, can only be ended by their own worker."""
        if self._waited_ms(row) < ELSEWHERE_ANSWERS_WITHIN_MS:
            return False
        said = f"{attempt.worker_id} runs where this reaper cannot reach it, and did not respond: stop it there"
        return self._answer(row, "expired", said)

    def _is_overdue(self, row: ControlRow, attempt: OpenAttempt) -> bool:
        return attempt.worker.is_alive() is False or self._waited_ms(row) >= WORKER_ANSWERS_WITHIN_MS

    # ───── answers ─────

    def _waited_ms(self, row: ControlRow) -> int:
        waiting = self._waiting.get(row.id)
        return 0 if waiting is None else self._db.clock.mono_ms() - waiting.since

    def _keep_waiting(self, row: ControlRow) -> None:
        now = self._db.clock.mono_ms()
        waiting = self._waiting.setdefault(row.id, _Waiting(since=now, prolong_at=now + PROLONG_EVERY_MS))
        if now >= waiting.prolong_at:
            waiting.prolong_at = now + PROLONG_EVERY_MS
            self._db.control.prolong(row.id, by=BY)

    def _refuse(self, row: ControlRow, refusal: SwarmError) -> bool:
        text = refusal.message if refusal.hint is None else f"{refusal.message} – {refusal.hint}"
        return self._answer(row, "refused", text)

    def _answer(self, row: ControlRow, status: str, result: str, *, record: tuple[str, str] | None = None) -> bool:
        with self._db.connection.transaction():
            if self._db.control.answer(row.id, status, result, by=BY) and record is not None:
                self._db.events.add(*record)
        event(LOG, f"request_{status}", verb=row.verb, target=row.target or None, actor=row.actor, result=result)
        return True


def _target(row: ControlRow) -> tuple[str, str]:
    """The target for which rows are handled in order; a task and a worker may have the same name."""
    if row.verb is Verb.BULK:
        return ("bulk", "")
    if row.verb in LONG_VERBS:
        return (str(row.verb), row.target)
    return ("task" if row.verb in TASK_VERBS | {Verb.ADD} else "worker", row.target)


def _what_became(newest: NewestAttempt) -> str:
    """Why nothing is left to kill."""
    ended = f"attempt {newest.number} has ended already ({newest.outcome})"
    reason = f": {newest.error.splitlines()[0][:200]}" if newest.error else ""
    return f"{ended}{reason}; the task is {newest.task_status} now"
