"""Carries out control rows that need neither the end of an agent nor supervisord: verbs on idle tasks, and flags.

The reaper handles waiting rows with `carry_out`. If no reaper is running, the command line writes a row that already
has its outcome (`carry_out_now`), so that the audit is always complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from swarm_shared.domain.errors import InputError, NotFound, StateError, SupervisorError, SwarmError
from swarm_shared.domain.models import DEFINITION_VERBS, TASK_VERBS, Verb
from swarm_shared.program.nearest import suggestion
from swarm_shared.runners.following import removal, seen_running
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.requests.steering import RUNNING, Applied, MustStop, Steered
from swarm_shared.store.swarm.swarm import DRAINED, EMERGENCY_STOP, PAUSED

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

NEEDS_SUPERVISORD = frozenset({Verb.SCALE, Verb.RESTART_WORKER})
_REFUSALS = (StateError, NotFound, InputError)


class Carried(StrEnum):
    """The result for a waiting row."""

    ANSWERED = "answered"  # by this call: done, or refused with the reason
    CLOSED = "closed"  # it already had its outcome; nothing was changed
    MUST_STOP = "must stop"  # an attempt must be stopped first; the row still waits
    IMPORTING = "importing"  # another process has its turn to change definitions; the row still waits


def carry_out(database: TaskDatabase, row: ControlRow, *, by: str) -> Carried:
    """Carry out a waiting row and store its outcome, in one transaction.

    Raises:
        SupervisorError: The verb needs supervisord; the row still waits.
    """
    try:
        _refuse_running(database, row.verb, row.target, row.argument)
        with _turn(database, row.verb, wait=False) as granted, database.connection.transaction():
            # Checked inside the transaction: two reapers, or reaper and worker, may handle the same row.
            if database.control.get(row.id).status != "pending":
                return Carried.CLOSED
            if not granted:
                return Carried.IMPORTING
            done = _apply(database, row.verb, row.target, row.argument, row.actor)
            if isinstance(done, MustStop):
                return Carried.MUST_STOP
            if done.added is not None:
                database.control.set_target(row.id, done.added)
            database.control.answer(row.id, "done", done.text, by=by)
            return Carried.ANSWERED
    except _REFUSALS as refusal:
        # The first transaction rolled back everything that the verb had begun.
        answered = database.control.answer(row.id, "refused", _reason(refusal), by=by)
        return Carried.ANSWERED if answered else Carried.CLOSED


def carry_out_now(
    database: TaskDatabase, verb: Verb, target: str, argument: Mapping[str, Any], *, actor: str
) -> ControlRow | MustStop:
    """Carry a request out and store it with its outcome in the same transaction; the row.

    Returns:
        `MustStop` where an attempt must be stopped first; nothing was written.

    Raises:
        SupervisorError: The verb needs supervisord; nothing was written.
        NotFound: No such task; nothing was written.
    """
    try:
        _refuse_running(database, verb, target, argument)
        with _turn(database, verb, wait=True), database.connection.transaction():
            done = _apply(database, verb, target, argument, actor)
            if isinstance(done, MustStop):
                return done
            row = database.control.request(verb, done.added or target, argument, actor=actor)
            database.control.answer(row, "done", done.text, by=actor)
    except (StateError, InputError) as refusal:
        with database.connection.transaction():
            row = database.control.request(verb, target, argument, actor=actor)
            database.control.answer(row, "refused", _reason(refusal), by=actor)
    return database.control.get(row)


@contextmanager
def _turn(database: TaskDatabase, verb: Verb, *, wait: bool) -> Iterator[bool]:
    """Keep imports out while a definition is changed: the plan of an import must stay valid; False: an import is
    running.
    """
    if verb not in DEFINITION_VERBS:
        yield True
        return
    with database.imports.alone(wait=wait) as taken:
        yield taken


def _refuse_running(database: TaskDatabase, verb: Verb, target: str, argument: Mapping[str, Any]) -> None:
    """Refuse a confirmation that nothing of a task runs where an engine knows better; nothing is locked meanwhile.

    Raises:
        StateError: A run of the task's last attempt is seen running.
    """
    if verb not in TASK_VERBS or not argument.get("gone"):
        return
    for attempt in database.recovery.open_attempts():
        if attempt.task_id != target or attempt.status in RUNNING:
            continue
        running = seen_running(database.recovery.open_runs(attempt))
        if running:
            raise StateError(
                f"what attempt {attempt.number} of task {target} has started runs: "
                + ", ".join(f"{run.runner} {run.name}" for run in running),
                hint=f"remove each; the reaper then has its proof: {'; '.join(map(removal, running))}",
            )


def _apply(database: TaskDatabase, verb: Verb, target: str, argument: Mapping[str, Any], actor: str) -> Steered:
    """Change the rows, inside the caller's transaction."""
    if verb is Verb.ADD:
        return database.definitions.add(argument, actor=actor)
    if verb is Verb.EDIT:
        return database.definitions.edit(target, argument, actor=actor)
    if verb in TASK_VERBS:
        return database.steering.apply(verb, target, argument, actor=actor)
    if verb in NEEDS_SUPERVISORD:
        raise SupervisorError(f"{verb} needs supervisord", hint="start the swarm: amplifier-swarm start")
    reason = str(argument.get("reason") or "")
    match verb:
        case Verb.PAUSE:
            database.swarm.set_flag(PAUSED, actor=actor, reason=reason)
            return Applied(text="paused: no new tasks will start")
        case Verb.RESUME:
            database.swarm.resume(actor=actor)
            return Applied(text="resumed")
        case Verb.EMERGENCY_STOP:
            database.swarm.set_flag(EMERGENCY_STOP, actor=actor, reason=reason)
            return Applied(text="emergency stop: all sessions end now")
        case Verb.DRAIN if target:
            if not database.workers.want(target, "drain"):
                known = [worker.worker_id for worker in database.workers.alive()]
                raise NotFound(f"no worker {target!r} is running", hint=suggestion(target, known, "workers are"))
            return Applied(text=f"{target} leaves after its current task")
        case _:
            database.swarm.set_flag(DRAINED, actor=actor, reason=reason)
            return Applied(text="draining: workers finish their tasks within the graceful timeout and leave")


def _reason(refusal: SwarmError) -> str:
    return refusal.message if refusal.hint is None else f"{refusal.message} – {refusal.hint}"
