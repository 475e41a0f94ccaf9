"""Landing into one of the user's branches, by the command line and for a request alike; and undoing it."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from msgspec.structs import replace

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError, InputError, SwarmError
from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.land_into import LandedInto, Seen, heads, land_into, merge_refusal
from swarm_shared.git.landing.undo_landing import move_back
from swarm_shared.git.merging.marked import MarksOf
from swarm_shared.git.merging.merging import MergeKind
from swarm_shared.git.plumbing.stale_locks import repository_lock
from swarm_shared.merge_back.repository import integration_of
from swarm_shared.plan_marks import plan_marks
from swarm_shared.store.requests.control import ControlRow

LANDED_INTO = "landed_into"
_SHORT = 12
_COMMIT = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")
_TOO_LATE = "the reaper that began it ended before it was done; nothing was changed; try again"


def marks_of(database: TaskDatabase, integration: Integration) -> MarksOf:
    """How plans are ticked, so that a ticked item and your edit next to it merge."""
    return partial(plan_marks, database.landings, integration.repository)


def land(database: TaskDatabase, branch: str) -> LandedInto:
    """Land into a branch, alone among all swarm processes of the repository.

    Raises:
        StateError: The two branches cannot be merged.
        SwarmError: As `land_into`, and if the repository is missing.
    """
    done = _land(database, branch, seen=None, only_report=False)
    assert done is not None, "it does more than report"
    return done


def _land(database: TaskDatabase, branch: str, *, seen: Seen | None, only_report: bool) -> LandedInto | None:
    """As `land`; None if nothing was done that could be reported."""
    with _locked(database) as integration:
        if only_report and seen is not None and heads(integration, branch).into == seen.into:
            return None
        done = land_into(integration, branch, marks=marks_of(database, integration), seen=seen)
    refusal = merge_refusal(done.merge, branch=branch, landed=integration.branch)
    if refusal is not None:
        raise refusal
    return done


@contextmanager
def _locked(database: TaskDatabase) -> Iterator[Integration]:
    """The integration branch, alone among all swarm processes of the repository.

    A git that a killed process has left behind is waited for: it holds the lock.
    """
    integration, _ = integration_of(database.landings)
    with repository_lock(integration.repository) as git:
        yield replace(integration, repository=dataclasses.replace(integration.repository, git=git))


def in_words(done: LandedInto) -> str:
    """What was done, in a sentence that names the commit to go back to."""
    if done.merge.kind is MergeKind.CONTAINED or done.merge.new is None:
        return f"{done.branch} has all landed work already"
    updated = "" if done.checkout is None else f"; its checkout {os.fspath(done.checkout)} was updated"
    return f"{done.branch} is now at {done.merge.new[:_SHORT]}; it was at {done.merge.old[:_SHORT]}{updated}"


def carry_out_landing(database: TaskDatabase, row: ControlRow, *, by: str, late: bool = False) -> bool:
    """Carry out a request to land or to undo a landing, and store its outcome; False when it had one already.

    A process that dies in between leaves the request open, and the branch where it was or where it was to go. The
    next one finds the latter out and stores the same outcome.

    Args:
        late: The request has expired since it was begun: what was done is reported, and nothing is done now.
    """
    carry_out = _undo if row.argument.get("undo") is True else _do
    try:
        done = carry_out(database, row, late)
    except DatabaseError:
        raise  # nothing could be stored either
    except SwarmError as refusal:
        text = refusal.message if refusal.hint is None else f"{refusal.message} – {refusal.hint}"
        return database.control.answer(row.id, "refused", text, by=by)
    if done is None:
        return database.control.answer(row.id, "expired", _TOO_LATE, by=by)
    text, found = done
    with database.connection.transaction():
        answered = database.control.answer(row.id, "done", text, by=by)
        if answered and found:
            database.control.amend(row.id, {**row.argument, **found})
            database.events.add(LANDED_INTO, f"{text} (by {row.actor})")
    return answered


_Done = tuple[str, dict[str, Any]] | None  # the outcome in words, and what it adds to the request's argument


def _do(database: TaskDatabase, row: ControlRow, late: bool) -> _Done:
    seen = Seen(into=_commit(row, "into"), tip=_commit(row, "tip"))
    done = _land(database, row.target, seen=seen, only_report=late)
    if done is None:
        return None
    moved = done.merge.new not in (None, done.merge.old)
    return in_words(done), {"new": done.merge.new, "undo_command": done.undo_command()} if moved else {}


def _undo(database: TaskDatabase, row: ControlRow, late: bool) -> _Done:
    new, old, branch = _commit(row, "from"), _commit(row, "to"), row.target
    with _locked(database) as integration:
        if late and heads(integration, branch).into == new:
            return None
        at = move_back(integration, branch, new=new, old=old)
    updated = "" if at is None else f"; its checkout {os.fspath(at)} was updated"
    return f"{branch} is back at {old[:_SHORT]}; it was at {new[:_SHORT]}{updated}", {"undone": True}


def _commit(row: ControlRow, name: str) -> str:
    value = row.argument.get(name)
    if not isinstance(value, str) or not _COMMIT.fullmatch(value):
        raise InputError(f"the request lacks the commit {name!r} of its preview")
    return value
