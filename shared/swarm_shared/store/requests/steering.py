"""Carries out a user's request on a task that no agent works on: what is allowed in each status, and its effect."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import InputError, NotFound, StateError
from swarm_shared.domain.models import FailureCause, HoldReason, Status, Verb, priority_label, priority_value
from swarm_shared.store.engine.connection import Connection
from swarm_shared.store.engine.data_access import DataAccess
from swarm_shared.store.queue.overlaps import Overlaps
from swarm_shared.store.queue.recovery import TAKE_MY_WORD, Recovery
from swarm_shared.store.sql import SQL

WAITING = frozenset({Status.NOT_STARTED, Status.BLOCKED, Status.WAITING_FILES, Status.SCHEDULED})
RUNNING = frozenset({Status.CLAIMED, Status.IN_PROGRESS})
ENDED = frozenset({Status.FAILED, Status.HELD, Status.CANCELLED, Status.COMPLETED})
# What a verb on many tasks means where their statuses are not named.
MEANT: Mapping[Verb, tuple[Status, ...]] = MappingProxyType(
    {
        Verb.RETRY: (Status.FAILED, Status.HELD, Status.CANCELLED),
        Verb.CANCEL: tuple(s for s in Status if s not in (Status.COMPLETED, Status.CANCELLED)),
        Verb.HOLD: tuple(sorted(WAITING)),
        Verb.RELEASE: (Status.HELD,),
        Verb.KILL: tuple(sorted(RUNNING)),
        Verb.APPROVE: (Status.HELD, Status.FAILED),
        Verb.REJECT: (Status.HELD,),
        Verb.PRIORITIZE: (*sorted(WAITING), Status.HELD),
    }
)
_STATUS_WORDS = {
    Status.NOT_STARTED: "ready and not started yet",
    Status.WAITING_FILES: "waiting for files",
    Status.SCHEDULED: "waiting for its next attempt",
    Status.APPROVED: "waiting to land",
}
_MAX_CHAIN = 100_000


class Applied(Struct, frozen=True, kw_only=True):
    """The verb was carried out; `text` says in one line what it did, `added` is the id of a task that it added."""

    text: str
    added: str | None = None


class MustStop(Struct, frozen=True, kw_only=True):
    """The verb is allowed, but an attempt must be stopped first, by its worker or the reaper; nothing was changed."""

    why: str


Steered = Applied | MustStop


class Steering(DataAccess):
    """Each verb joins the transaction that closes the control row."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        super().__init__(connection, clock)
        self._recovery = Recovery(connection, clock, random.Random())

    def apply(self, verb: Verb, task_id: str, argument: Mapping[str, Any], *, actor: str) -> Steered:
        """Do it. A refusal comes before the first change.

        Returns:
            `MustStop` for `kill` or `cancel` of a task that an attempt still has open.

        Raises:
            NotFound: No such task.
            StateError: Not allowed in the task's status; the message says why.
            InputError: The argument does not fit the verb.
        """
        row = self._db.row(SQL["task_state"], {"id": task_id})
        if row is None:
            raise NotFound(f"no task {task_id!r}", hint="amplifier-swarm list-tasks shows the ids")
        seq, _, status, open_attempt = row[:4]
        task = _Task(
            seq=seq,
            id=task_id,
            status=Status(status),
            open_attempt=open_attempt,
            landing_commit=row[12],
        )
        verbs: dict[Verb, Callable[[_Task, Mapping[str, Any], str], Steered]] = {
            Verb.KILL: self._kill,
            Verb.RETRY: self._retry,
            Verb.CANCEL: self._cancel,
            Verb.HOLD: self._hold,
            Verb.RELEASE: self._release,
            Verb.APPROVE: self._approve,
            Verb.REJECT: self._reject,
            Verb.PRIORITIZE: self._prioritize,
            Verb.ANSWER: self._answer,
        }
        return verbs[verb](task, argument, actor)

    def _kill(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status in RUNNING:
            return MustStop(why=f"task {task.id} runs")
        raise _refusal(task, "kill", f"it is not running, it is {_words(task)}")

    def _retry(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status is Status.BLOCKED:
            return self._retry_chain(task, argument, actor)
        if task.status not in ENDED:
            raise _refusal(task, "retry", f"it is {_words(task)}; only tasks that have ended are retried")
        self._refuse_unproven(task, "retry", argument, actor)
        if task.status is Status.COMPLETED:
            # Its dependents waited for a result that is now in question.
            self._db.change(SQL["bind_dependents"], {"task": task.seq, "wall": self._clock.wall_ms()})
        self._make_ready(task, argument.get("note"), actor)
        return Applied(text=f"ready again, attempt {self._attempts(task) + 1} is next")

    def _retry_chain(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        ended = [t for t in self._needed_by(task) if t.status in ENDED - {Status.COMPLETED}]
        if not ended:
            raise _refusal(task, "retry", "it waits for tasks that can still complete")
        if not argument.get("chain"):
            names = ", ".join(t.id for t in ended[:5])
            raise StateError(
                f"task {task.id} is blocked by {names}",
                hint=f"retry that one, or: amplifier-swarm retry {task.id} --chain",
            )
        for needed in ended:
            self._refuse_unproven(needed, "retry", {}, actor)
        for needed in ended:
            self._make_ready(needed, argument.get("note"), actor)
        return Applied(text="retried what it waits for: " + ", ".join(t.id for t in ended[:20]))

    def _cancel(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status in RUNNING:
            return MustStop(why=f"task {task.id} runs")
        if task.status in (Status.COMPLETED, Status.CANCELLED):
            raise _refusal(task, "cancel", f"it is already {task.status}")
        if task.status in (Status.APPROVED, Status.LANDING) and task.landing_commit is not None:
            raise _refusal(task, "cancel", "it is past the point of no return: its commit may have landed")
        if task.status is Status.LANDING:
            return MustStop(why=f"task {task.id} is being landed")
        self._db.change(SQL["cancel_task"], {"task": task.seq, "wall": self._clock.wall_ms()})
        if task.status is Status.APPROVED:
            Overlaps(self._db, self._clock).let_go()  # its files are free now
        self._record("cancelled", task, f"by {actor}")
        return Applied(text="cancelled")

    def _hold(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status in RUNNING:
            raise _refusal(task, "hold", "it is running; kill it to stop its agent and hold it")
        if task.status not in WAITING:
            raise _refusal(task, "hold", f"it is {_words(task)}; only tasks that have not started are held")
        self._db.change(
            SQL["hold_task"],
            {"task": task.seq, "reason": HoldReason.BY_PERSON, "wall": self._clock.wall_ms()},
        )
        self._record("held", task, f"by {actor}")
        return Applied(text="held")

    def _release(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status is not Status.HELD:
            raise _refusal(task, "release", f"it is not held, it is {_words(task)}")
        self._refuse_unproven(task, "release", argument, actor)
        self._db.change(SQL["release_task"], {"task": task.seq, "wall": self._clock.wall_ms()})
        self._record("released", task, f"by {actor}")
        return Applied(text="released")

    def _approve(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status not in (Status.HELD, Status.FAILED):
            raise _refusal(task, "approve", f"it is {_words(task)}; only held and failed tasks are approved")
        self._refuse_unproven(task, "approve", {}, actor)
        match self._db.value(SQL["cause_of_stop"], {"task": task.seq}):
            case FailureCause.VALIDATOR:
                pass
            case FailureCause.CHECK:
                raise _refusal(task, "approve", "a check failed; approve only overrides the validator")
            case _:
                raise _refusal(task, "approve", "its last attempt did not end with a validator's objection")
        values = {"task": task.seq, "wall": self._clock.wall_ms(), "actor": actor}
        if self._db.dicts(SQL["last_attempt"], {"task": task.seq})[0]["head_sha"] is not None:
            self._db.change(SQL["approve_to_land"], values)
            self._record("approved", task, f"approved by {actor}")
            return Applied(text="approved: waits to land")
        self._db.change(SQL["approve_task"], values)
        self._db.change(SQL["free_dependents"], values)
        self._record("completed", task, f"approved by {actor}")
        return Applied(text="approved: completed")

    def _reject(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status not in (Status.HELD, Status.FAILED, Status.COMPLETED):
            raise _refusal(task, "reject", f"it is {_words(task)}; only held, failed and completed tasks are rejected")
        if not str(argument.get("note") or "").strip():
            raise InputError("a rejection needs a note", hint='say what must be fixed: --note "…"')
        return self._retry(task, argument, actor)

    def _prioritize(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        if task.status not in WAITING | {Status.HELD}:
            raise _refusal(task, "prioritize", f"it is already {_words(task)}")
        try:
            priority = priority_value(argument.get("priority", ""))
        except ValueError as error:
            raise InputError(
                f"{argument.get('priority')!r} is not a priority",
                hint="critical, high, medium, low or an integer",
            ) from error
        values = {"task": task.seq, "priority": priority, "wall": self._clock.wall_ms()}
        self._db.change(SQL["prioritize_task"], values)
        return Applied(text=f"priority {priority_label(priority)}")

    def _answer(self, task: _Task, argument: Mapping[str, Any], actor: str) -> Steered:
        """Answer the question that holds the task; `attempt`, a number, names the attempt that asked it."""
        text = str(argument.get("text") or "").strip()
        if not text:
            raise InputError("the answer is empty", hint=f'amplifier-swarm answer {task.id} "…"')
        last = next(iter(self._db.dicts(SQL["last_attempt"], {"task": task.seq})), None)
        meant = argument.get("attempt")
        if last is not None and meant is not None and meant != last["number"]:
            raise _refusal(task, "answer", f"attempt {last['number']} came after the question of attempt {meant}")
        if last is not None and last["answer"] == text:
            return Applied(text="answered already")  # the same request again
        if last is None or not self._db.change(SQL["release_answered"], self._now(task)):
            raise _refusal(task, "answer", f"it has no open question; it is {_words(task)}")
        self._db.change(SQL["answer_question"], {"attempt": last["id"], "answer": text})
        self._record("answered", task, f"by {actor}: {text[:300]}")
        return Applied(text=f"answered: attempt {self._attempts(task) + 1} gets the answer")

    def _now(self, task: _Task) -> dict[str, Any]:
        return {"task": task.seq, "wall": self._clock.wall_ms()}

    def _make_ready(self, task: _Task, note: object, actor: str) -> None:
        text = str(note).strip() if note else ""
        self._db.change(SQL["set_task_ready"], {"task": task.seq, "note": text or None, "wall": self._clock.wall_ms()})
        self._record("manual_retry", task, f"by {actor}" + (f": {text[:300]}" if text else ""))

    def _refuse_unproven(self, task: _Task, verb: str, argument: Mapping[str, Any], actor: str) -> None:
        """Let nothing start before the old tree is proven gone; where that is impossible, the user can confirm it."""
        if task.open_attempt is None:  # else it is held for that, or cancelled since
            return
        if not argument.get("gone"):
            by_word = TAKE_MY_WORD.format("retry" if verb == Verb.RETRY else "release", task.id)
            raise StateError(
                f"cannot {verb} task {task.id}: processes of its last attempt are not proven gone",
                hint=f"the reaper keeps trying; if you know that they are gone: {by_word}",
            )
        self._recovery.take_word(task.open_attempt)
        self._record("proven_gone", task, f"{actor} confirmed that nothing of its last attempt runs")

    def _needed_by(self, task: _Task) -> list[_Task]:
        """Everything the task waits for, directly or not, that is not completed."""
        seen: dict[int, _Task] = {}
        todo = [task.seq]
        while todo and len(seen) < _MAX_CHAIN:
            for needed_id, status, seq in self._db.rows(SQL["needs_of"], {"task": todo.pop()}):
                if status != Status.COMPLETED and seq not in seen:
                    row = self._db.row(SQL["task_state"], {"id": needed_id})
                    if row is not None:
                        seen[seq] = _Task(
                            seq=seq,
                            id=needed_id,
                            status=Status(status),
                            open_attempt=row[3],
                        )
                        todo.append(seq)
        return list(seen.values())

    def _attempts(self, task: _Task) -> int:
        row = self._db.row(SQL["task_state"], {"id": task.id})
        return 0 if row is None else int(row[9])

    def _record(self, kind: str, task: _Task, message: str) -> None:
        self._event(kind, message, task=task.seq, task_id=task.id)


class _Task:
    """The few facts a verb depends on."""

    __slots__ = ("id", "landing_commit", "open_attempt", "seq", "status")

    def __init__(
        self,
        *,
        seq: int,
        id: str,
        status: Status,
        open_attempt: str | None,
        landing_commit: str | None = None,
    ) -> None:
        self.seq, self.id, self.status = seq, id, status
        self.open_attempt, self.landing_commit = open_attempt, landing_commit


def _words(task: _Task) -> str:
    """The status as a sentence has it."""
    return _STATUS_WORDS.get(task.status, task.status.replace("_", " "))


def _refusal(task: _Task, verb: str, why: str) -> StateError:
    return StateError(f"cannot {verb} {task.id}: {why}")
