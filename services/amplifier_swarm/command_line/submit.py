"""Makes requests: carries them out directly if no reaper is running, and otherwise waits for their outcome."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from amplifier_swarm.command_line.app import App
from amplifier_swarm.output.terminal import notice, print_json, say
from swarm_shared.carry_out import NEEDS_SUPERVISORD, carry_out, carry_out_now
from swarm_shared.domain.errors import StateError, SupervisorError
from swarm_shared.domain.models import Verb
from swarm_shared.store.requests.control import EXPIRES_AFTER_S, ControlRow
from swarm_shared.store.requests.steering import MustStop

if TYPE_CHECKING:
    from swarm_shared.database import TaskDatabase

LOOK_EVERY_S = 0.05
POLLS = 10
# A large bulk takes the reaper a while; its rows must not expire before it gets to them.
ROWS_HANDLED_PER_S = 100
REQUESTS_AT_ONCE = 500
EXPIRY_GRACE_MS = 1_000
SILENCE_MS = 3_000
_NOT_HANDLED = "not handled within {:.0f} s – see amplifier-swarm doctor: does the reaper of this swarm work?"


class Live(Struct, frozen=True, kw_only=True):
    """The programs of the swarm that are running now."""

    reaper: bool
    workers: int

    @classmethod
    def of(cls, database: TaskDatabase) -> Live:
        return cls(reaper=_has_reaper(database), workers=len(database.workers.present()))


def submit(
    app: App, database: TaskDatabase, verb: Verb, targets: Sequence[str] = ("",), **argument: Any
) -> list[ControlRow]:
    """Write one row per target; return them with their outcomes: done, refused, or expired.

    Without a running reaper, nothing would carry out requests about idle tasks and the queue, and nothing could
    interfere: they are carried out here, in the transaction that writes them.

    Raises:
        NotFound: No such task; requests for earlier targets remain.
        SupervisorError: No program is running that could carry it out.
    """
    given = {name: value for name, value in argument.items() if value is not None}
    live = Live.of(database)
    if live.reaper:
        rows = _request(app, database, verb, targets, given)
    elif verb in NEEDS_SUPERVISORD:
        raise SupervisorError(
            "no reaper is running that could call supervisord",
            hint="start the swarm: amplifier-swarm start, or supervisord -c supervisord.conf",
        )
    else:
        rows = [_without_reaper(app, database, verb, target, given, live) for target in targets]
    return _answered(app, database, rows)


def report_outcomes(rows: Sequence[ControlRow], *, as_json: bool) -> int:
    """Print the outcomes. Returns the exit code.

    Raises:
        StateError: The only row was refused.
        SupervisorError: The only row expired.
    """
    counts = Counter(row.status for row in rows)
    if as_json:
        print_json({"results": [row.shown() for row in rows], **{s: counts[s] for s in ("done", "refused", "expired")}})
    elif len(rows) == 1 and rows[0].status != "done":
        raise (StateError if rows[0].status == "refused" else SupervisorError)(str(rows[0].result))
    else:
        for row in rows:
            text = f"{row.target}: {row.result}" if row.target else str(row.result)
            say(text) if row.status == "done" else notice(f"{row.status}: {text}")
        if len(rows) > 1:
            others = "".join(f", {counts[s]} {s}" for s in ("refused", "expired") if counts[s])
            say(f"{counts['done']} of {len(rows)} done{others}")
    if counts["expired"]:
        return SupervisorError.exit_code
    return StateError.exit_code if counts["refused"] else 0


def _request(
    app: App, database: TaskDatabase, verb: Verb, targets: Sequence[str], argument: Mapping[str, Any]
) -> list[ControlRow]:
    ids: list[int] = []
    expires_after_s = EXPIRES_AFTER_S + len(targets) / ROWS_HANDLED_PER_S
    for first in range(0, len(targets), REQUESTS_AT_ONCE):
        with database.connection.transaction():
            for target in targets[first : first + REQUESTS_AT_ONCE]:
                ids.append(
                    database.control.request(verb, target, argument, actor=app.actor(), expires_after_s=expires_after_s)
                )
    return [database.control.get(row_id) for row_id in ids]


def _without_reaper(
    app: App,
    database: TaskDatabase,
    verb: Verb,
    target: str,
    argument: Mapping[str, Any],
    live: Live,
) -> ControlRow:
    done = carry_out_now(database, verb, target, argument, actor=app.actor())
    if not isinstance(done, MustStop):
        return done
    if live.workers:  # its worker watches for rows that are aimed at its attempt
        return database.control.get(database.control.request(verb, target, argument, actor=app.actor()))
    raise SupervisorError(
        f"task {target} was running when its swarm ended, and no program is running that could {verb} it",
        hint="amplifier-swarm reset-orphans ends what is left of it and makes it ready again",
    )


def _answered(app: App, database: TaskDatabase, rows: Sequence[ControlRow]) -> list[ControlRow]:
    """Wait until every row has its outcome; rows that are not handled in time are closed here as expired."""
    done: list[ControlRow] = []
    waiting = list(reversed(rows))
    reminded = False
    while waiting:
        row = database.control.get(waiting[-1].id)
        if row.status != "pending":
            done.append(row)
            waiting.pop()
        elif app.clock.wall_ms() > row.expires_at + EXPIRY_GRACE_MS:
            after_s = (row.expires_at - row.created_at) / 1000
            database.control.answer(row.id, "expired", _NOT_HANDLED.format(after_s), by=app.actor())
        else:
            if row.verb not in NEEDS_SUPERVISORD and not _has_reaper(database):
                # It has ended meanwhile, with the request unhandled. Unless an attempt must be stopped first, this
                # stores an outcome.
                carry_out(database, row, by=app.actor())
            if not reminded and app.clock.wall_ms() > row.created_at + SILENCE_MS:
                notice(f"waiting for {row.verb} {row.target}".rstrip() + "; Ctrl+C only stops waiting")
                reminded = True
            wait_for_a_commit(database)
    return done


def _has_reaper(database: TaskDatabase) -> bool:
    return database.swarm.running("reaper") is not None


def wait_for_a_commit(database: TaskDatabase) -> None:
    """Return when another process has committed, or after a while: outcomes and times are read again."""
    before = database.connection.data_version()
    for _ in range(POLLS):
        time.sleep(LOOK_EVERY_S)  # nothing else shows that another process wrote
        if database.connection.data_version() != before:
            return
