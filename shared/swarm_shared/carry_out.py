"""Carrying out control rows that need neither an agent's end nor supervisord: verbs on resting tasks, and flags.

The reaper answers waiting rows with `carry_out`; where no reaper runs, the command line does the same with a row that
is born answered (`carry_out_now`), so that the audit is complete either way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swarm_shared.domain.errors import InputError, NotFound, StateError, SupervisorError, SwarmError
from swarm_shared.domain.models import TASK_VERBS, Verb
from swarm_shared.store.queue.swarm import DRAINED, EMERGENCY_STOP, PAUSED
from swarm_shared.store.requests.control import ControlRow
from swarm_shared.store.requests.steering import TaskRunning

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

NEEDS_SUPERVISORD = frozenset({Verb.SCALE, Verb.RESTART_WORKER})
_REFUSALS = (StateError, NotFound, InputError)


def carry_out(database: TaskDatabase, row: ControlRow, *, by: str) -> bool:
    """Do what a waiting row asks and answer it, in one transaction: done, or refused with the reason.

    Returns:
        False when it was closed already; then nothing was changed.

    Raises:
        TaskRunning: An attempt must be stopped first; the row still waits.
        SupervisorError: The verb needs supervisord; the row still waits.
    """
    try:
        with database.connection.transaction():
            # Looked at inside the transaction: two reapers, or reaper and worker, may hold the same row.
            if database.control.get(row.id).status != "pending":
                return False
            said = _apply(database, row.verb, row.target, row.argument, row.actor)
            return database.control.answer(row.id, "done", said, by=by)
    except TaskRunning:
        raise
    except _REFUSALS as refusal:
        # The first transaction rolled back everything that the verb had begun.
        return database.control.answer(row.id, "refused", _reason(refusal), by=by)


def carry_out_now(
    database: TaskDatabase, verb: Verb, target: str, argument: Mapping[str, Any], *, actor: str
) -> ControlRow:
    """Write a row and carry it out in the same transaction; the row with its answer.

    Raises:
        TaskRunning: An attempt must be stopped first; nothing was written.
        SupervisorError: The verb needs supervisord; nothing was written.
        NotFound: No such task; nothing was written.
    """
    try:
        with database.connection.transaction():
            row = database.control.request(verb, target, argument, actor=actor)
            database.control.answer(row, "done", _apply(database, verb, target, argument, actor), by=actor)
    except (TaskRunning, NotFound):
        raise
    except (StateError, InputError) as refusal:
        with database.connection.transaction():
            row = database.control.request(verb, target, argument, actor=actor)
            database.control.answer(row, "refused", _reason(refusal), by=actor)
    return database.control.get(row)


def _apply(database: TaskDatabase, verb: Verb, target: str, argument: Mapping[str, Any], actor: str) -> str:
    """Change the rows, inside the caller's transaction; what was done, in one line."""
    if verb in TASK_VERBS:
        return database.steering.apply(verb, target, argument, actor=actor)
    if verb in NEEDS_SUPERVISORD:
        raise SupervisorError(f"{verb} needs supervisord", hint="start the swarm: amplifier-swarm start")
    reason = str(argument.get("reason") or "")
    match verb:
        case Verb.PAUSE:
            database.swarm.set_flag(PAUSED, actor=actor, reason=reason)
            return "paused: no new tasks will start"
        case Verb.RESUME:
            database.swarm.resume(actor=actor)
            return "resumed"
        case Verb.EMERGENCY_STOP:
            database.swarm.set_flag(EMERGENCY_STOP, actor=actor, reason=reason)
            return "emergency stop: all sessions end now"
        case Verb.DRAIN if target:
            if not database.workers.want(target, "drain"):
                raise NotFound(f"no worker {target!r} runs", hint="amplifier-swarm workers lists them")
            return f"{target} leaves after its current task"
        case _:
            database.swarm.set_flag(DRAINED, actor=actor, reason=reason)
            return "draining: workers finish their tasks within the graceful timeout and leave"


def _reason(refusal: SwarmError) -> str:
    return refusal.message if refusal.hint is None else f"{refusal.message} – {refusal.hint}"
