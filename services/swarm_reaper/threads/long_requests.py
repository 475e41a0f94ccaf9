"""Requests that may take minutes, such as landing into a branch: carried out one by one, in a thread next to the loop.

The loop decides which rows are carried out and keeps them from expiring; the thread stores their outcomes. If a reaper
dies in the middle, the row stays open, and the next reaper carries it out again after it has checked whether it was
done.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from swarm_reaper.threads.side_thread import keep_serving
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import DatabaseError, SwarmError
from swarm_shared.domain.models import Verb
from swarm_shared.merge_back.landing import carry_out_landing
from swarm_shared.program.logs import event
from swarm_shared.store.requests.control import EXPIRES_AFTER_S, ControlRow

LOG = logging.getLogger("swarm.reaper")
BY = "reaper"
BUSY_TIMEOUT_S = 10.0
_UNEXPECTED = "it failed unexpectedly; the reaper's log has the details"


class Offered(Struct, frozen=True, kw_only=True):
    """A row to carry out. `late`: it has expired after it was begun; only what was done then is reported."""

    row: ControlRow
    late: bool


CarryOut = Callable[[TaskDatabase, Offered], object]


def carry_out_long(database: TaskDatabase, offered: Offered) -> None:
    """Carry out one request and store its outcome."""
    match offered.row.verb:
        case Verb.LAND:
            carry_out_landing(database, offered.row, by=BY, late=offered.late)
        case Verb.IMPORT:
            from swarm_shared.text_import import carry_out_import  # only here are the parsers of plans needed

            carry_out_import(database, offered.row, by=BY, late=offered.late)
        case verb:
            raise NotImplementedError(verb)


class LongRequests:
    """One row at a time, in the order in which they were offered."""

    def __init__(self, path: Path, clock: Clock, *, carry_out: CarryOut = carry_out_long) -> None:
        """Prepare; nothing runs before `start`."""
        self._path, self._clock, self._carry_out = path, clock, carry_out
        self._changed = threading.Condition()
        self._waiting: dict[int, Offered] = {}
        self._at_work: int | None = None
        self._stopping = False
        # A daemon: a git that it has started ends what it does even if we are cut off.
        self._thread = threading.Thread(target=self._run, name="long requests", daemon=True)

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, within_s: float) -> None:
        """Start nothing new, and wait briefly for running work."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self.is_running:
            self._thread.join(within_s)

    def offer(self, row: ControlRow, *, late: bool = False) -> None:
        """Have a row carried out soon; one that was offered before is not offered again."""
        with self._changed:
            if row.id != self._at_work:
                self._waiting.setdefault(row.id, Offered(row=row, late=late))
                self._changed.notify()

    def run_once(self, database: TaskDatabase) -> bool:
        """Carry out the next row; False when none waits."""
        with self._changed:
            if not self._waiting:
                return False
            row_id, offered = next(iter(self._waiting.items()))
            self._at_work = row_id
            del self._waiting[row_id]
        try:
            self._do(database, offered)
        finally:
            with self._changed:
                self._at_work = None
        return True

    def _do(self, database: TaskDatabase, offered: Offered) -> None:
        row = database.control.get(offered.row.id)
        if row.status != "pending":
            return
        # From here on it counts as begun: the next reaper finishes it, however late it comes.
        database.control.prolong(row.id, by=BY, seconds=EXPIRES_AFTER_S + 1)
        try:
            self._carry_out(database, offered)
        except DatabaseError:
            raise
        except Exception:
            LOG.exception("request_failed id=%s verb=%s", row.id, row.verb)
            database.control.answer(row.id, "refused", _UNEXPECTED, by=BY)
        done = database.control.get(row.id)
        event(LOG, f"request_{done.status}", verb=row.verb, target=row.target, actor=row.actor, result=done.result)

    def _run(self) -> None:
        keep_serving(self._open_and_serve, stopped=self._stopped)

    def _open_and_serve(self) -> None:
        with TaskDatabase(self._path, create=False, clock=self._clock) as database:
            database.connection.busy_timeout_s = BUSY_TIMEOUT_S
            while self._wait():
                try:
                    self.run_once(database)
                except SwarmError as error:
                    event(LOG, "request_postponed", level=logging.WARNING, reason=error)  # the loop offers it again

    def _stopped(self, pause_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._stopping, pause_s)

    def _wait(self) -> bool:
        """Until a row waits; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            return not self._stopping
