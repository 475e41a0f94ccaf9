"""The reaper's loop: wait for a death, a commit or a time, and then run one round over all of its duties."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from swarm_reaper.config import ReaperConfig
from swarm_reaper.deaths import Deaths, WakeReason
from swarm_reaper.lost_file import LostFile
from swarm_reaper.requests import Requests
from swarm_reaper.rest import Rest
from swarm_reaper.slots import Slots
from swarm_reaper.stops import Stops
from swarm_reaper.stuck_writer import StuckWriter
from swarm_reaper.threads.housekeeping import Sizes
from swarm_reaper.threads.long_requests import LongRequests
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.clock import iso
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.notifying.collecting import RUN_ENDED
from swarm_shared.processes.identity import ProcessId
from swarm_shared.processes.lifeline import Lifelines
from swarm_shared.program.logs import event
from swarm_shared.reaping import Reaping, sole_reaper
from swarm_shared.store.swarm.swarm import EMERGENCY_STOP, SEEN_MONO

LOG = logging.getLogger("swarm.reaper")
NAME, START = "reaper", "start"
ROUND_EVERY_S = 1.0  # how often leases and other times are checked
ENDING_POLL_S = 0.05  # while an attempt is being ended
WAITING_POLL_S = 0.25  # while a request waits for its worker
POLL_S = 0.05  # from a commit to its notice, at most
BUSY_TIMEOUT_S = 2.0  # the loop must keep checking: a stuck writer is its responsibility
SHOW_EVERY_MS = 5_000
BEAT_EVERY_MS = 5_000
STALE_AFTER_MS = 20_000  # another reaper that has been silent for this long no longer blocks us
COMPLAIN_EVERY_MS = 30_000
LEAVE_WITHIN_MS = 60_000
LONG_REQUEST_ENDS_WITHIN_S = 8.0  # git may be writing your files; supervisord waits 15 s for all of us
RESCUE_WITHIN_S = 3_600  # a large database takes a while to copy


class ReaperLoop:
    """Repeats `run_once` until a signal, or until the programs that it serves have ended and no process of theirs is
    left.
    """

    def __init__(
        self,
        database: TaskDatabase,
        config: ReaperConfig,
        slots: Slots,
        deaths: Deaths,
        *,
        start: ProcessId | None = None,
        supervisord: ProcessId | None = None,
    ) -> None:
        """Bind everything together.

        Args:
            start: The `start` that owns the swarm: its end is an emergency stop. supervisord: Our parent, if it runs
            us; we leave after it.
        """
        database.connection.busy_timeout_s = BUSY_TIMEOUT_S
        self._db, self._config, self._slots, self._deaths = database, config, slots, deaths
        self._me = ProcessId.mine()
        self._start, self._supervisord = start, supervisord
        self._reaping = Reaping(
            database.recovery,
            database.workers,
            clock=database.clock,
            budgets=config.budgets,
            limits=config.limits,
            lifelines=Lifelines(config.state_dir),
            adopted=slots.adopted,
        )
        self._long_requests = LongRequests(config.db, database.clock)
        self._requests = Requests(database, slots, self._long_requests)
        self._stops = Stops(database)
        self._writer = StuckWriter(database)
        self._file = LostFile(database)
        self._leaving: str | None = None
        self._stop_wanted = False  # an emergency stop still has to be recorded
        self._stop_actor = START
        self._still_stopping = True
        self._leave_by = 0
        self._rest = Rest()
        self._seen_version = -1
        self._next_show = 0
        self._next_beat = 0
        self._supervisord_answers: bool | None = None
        self._problem: str | None = None
        self._next_complaint = 0
        self._on_duty = False
        self._again = False

    def run(self) -> None:
        """Work until there is a reason to end."""
        self._long_requests.start()
        try:
            while not self.run_once():
                if self._wait() is WakeReason.SIGNAL:
                    return
        finally:
            self._long_requests.stop(within_s=LONG_REQUEST_ENDS_WITHIN_S)
            self._sign_off()

    def run_once(self) -> bool:
        """Run one round. Returns whether the work is over. Problems with the database or the disk are reported and
        waited out.
        """
        with self._rest.after():
            return self._run_once()

    def _run_once(self) -> bool:
        self._again = False
        self._beat_if_due()
        self._check_owners()
        try:
            self._writer.run_once()
            with self._sole() as alone:
                # Without the lock, reset-orphans or another reaper is working: the next round is soon enough.
                if alone and self._is_active():
                    self._round()
            self._again = self._deaths.follow(self._watched()) or self._again
            self._problem = None
        except (DatabaseError, OSError) as error:
            self._complain(error)
        return self._may_leave()

    def _beat_if_due(self) -> None:
        """Report that this loop is running, whatever the state of the database."""
        now = self._db.clock.mono_ms()
        if now >= self._next_beat:
            self._next_beat = now + BEAT_EVERY_MS
            self._supervisord_answers = self._slots.beat()

    def _round(self) -> None:
        if self._stop_wanted:
            self._db.swarm.set_flag(EMERGENCY_STOP, actor=self._stop_actor, reason=self._leaving or "")
            if self._stop_actor == START:
                self._report_killed_run()
            self._stop_wanted = False
        self._db.queue.promote_due()
        self._slots.run_once()
        self._requests.run_once()
        self._again = self._requests.has_more or self._again
        self._still_stopping = self._stops.enforce(self._reason_to_stop(), for_good=self._leaving is not None)
        closed = self._reaping.run_once()
        if closed:
            event(LOG, "attempts_closed", count=closed)
            self._again = True  # rows may wait for the end of these
        if self._file.change is None:
            self._show()

    def _sole(self) -> AbstractContextManager[bool]:
        """The lock shared by all reapers. A lost file has no other reaper, and its folder may be missing too."""
        if self._file.change is not None:
            return nullcontext(True)
        return sole_reaper(self._config.state_dir, wait=False)

    # ───── waiting ─────

    def _wait(self) -> WakeReason:
        if self._again:
            return WakeReason.DEATH
        until = time.monotonic() + self._patience_s()
        while (left := until - time.monotonic()) > 0:
            woken = self._deaths.wait(min(left, POLL_S))
            if woken is not WakeReason.TIME or (self._rest.is_over() and self._moved()):
                return woken
        return WakeReason.TIME

    def _patience_s(self) -> float:
        if not self._on_duty or self._problem is not None:
            return ROUND_EVERY_S
        if self._reaping.unfinished:
            return ENDING_POLL_S
        return WAITING_POLL_S if self._requests.unfinished else ROUND_EVERY_S

    def _moved(self) -> bool:
        try:
            version = self._db.connection.data_version()
        except DatabaseError:
            return False  # the next round reports what is wrong
        moved = version != self._seen_version and self._problem is None
        self._seen_version = version
        return moved

    def _watched(self) -> list[ProcessId]:
        watched = [process for process in (self._start, self._supervisord) if process is not None]
        for worker in self._db.workers.alive():
            watched += [worker.process] if worker.keeper is None else [worker.process, worker.keeper]
        for attempt in self._db.recovery.open_attempts():
            watched += [attempt.worker] if attempt.keeper is None else [attempt.worker, attempt.keeper]
        return watched

    # ───── duty ─────

    def _is_active(self) -> bool:
        """Whether this is the active reaper of the database; a second one only waits until the first has ended."""
        other = self._db.swarm.services().get(NAME)
        if other is not None and other.process == self._me and other.stopped_at is None:
            return True
        if other is not None and other.is_alive() and other.silent_ms(self._db.clock) < STALE_AFTER_MS:
            self._on_duty = False
            return False
        self._db.swarm.register_service(NAME, self._me, self._detail())
        self._on_duty = True
        event(LOG, "duty_taken", pid=self._me.pid)
        return True

    def _show(self) -> None:
        now = self._db.clock.mono_ms()
        if now < self._next_show:
            return
        self._next_show = now + SHOW_EVERY_MS
        self._db.swarm.see_service(NAME, self._me, self._detail())

    def _detail(self) -> Mapping[str, object]:
        sizes = Sizes.of(Path(self._db.path))
        holder = self._writer.holder
        return {
            "last_pass_at": iso(self._db.clock.wall_ms()),
            SEEN_MONO: self._db.clock.mono_ms(),
            "database_bytes": sizes.database,
            "wal_bytes": sizes.wal,
            "disk_free_bytes": sizes.free,
            "supervised": self._slots.supervised,
            "supervisord_answers": self._supervisord_answers,
            "stuck_writer": None if holder is None else holder.shown(),
            "leaving": self._leaving,
        }

    def _complain(self, error: Exception) -> None:
        """Report a problem, and repeat the report at intervals while it lasts."""
        text, now = str(error), self._db.clock.mono_ms()
        if text != self._problem or now >= self._next_complaint:
            self._next_complaint = now + COMPLAIN_EVERY_MS
            event(LOG, "round_failed", level=logging.ERROR, reason=text)
        self._problem = text

    # ───── the end ─────

    def _report_killed_run(self) -> None:
        self._db.events.add(RUN_ENDED, "the run was killed")  # what was killed cannot report it

    def _check_owners(self) -> None:
        self._file.check_if_due()
        if self._leaving is not None:
            return
        start_died = self._start is not None and self._deaths.has_ended(self._start)
        if self._file.is_ours(start_lives=self._start is not None and not start_died):
            self._slots.beat(grace_s=RESCUE_WITHIN_S)
            self._file.rescue()  # before anything else can go wrong
            self._stop_all(f"the database {self._file.change}", actor="reaper")
        elif start_died:
            self._stop_all("the `start` that ran this swarm has ended", actor=START)
        elif self._supervisord is not None and self._deaths.has_ended(self._supervisord):
            # The workers notice it themselves and interrupt their tasks; we make sure that they do.
            self._leave("supervisord has ended")

    def _stop_all(self, reason: str, *, actor: str) -> None:
        self._leave(reason)
        self._stop_wanted, self._stop_actor = True, actor
        self._slots.shut_down()

    def _leave(self, reason: str) -> None:
        self._leaving = reason
        self._leave_by = self._db.clock.mono_ms() + LEAVE_WITHIN_MS
        event(LOG, "leaving", level=logging.WARNING, reason=reason)

    def _reason_to_stop(self) -> str | None:
        if self._leaving is not None:
            return self._leaving
        return "emergency stop" if EMERGENCY_STOP in self._db.swarm.flags() else None

    def _may_leave(self) -> bool:
        if self._leaving is None:
            return False
        if not self._on_duty:
            return True
        return not self._still_stopping or self._db.clock.mono_ms() >= self._leave_by

    def _sign_off(self) -> None:
        try:
            if self._on_duty and self._file.change is not None and self._leaving is not None:
                self._db.swarm.clear_flag(EMERGENCY_STOP)  # it must not stop the next run on the copy
                self._file.rescue()
            if self._on_duty and self._leaving is None and self._start is not None and self._start.is_alive() is False:
                self._report_killed_run()  # supervisord was quicker than our poll: it ends us because `start` is dead
            if self._on_duty:
                # A run ends, and its reaper, as soon as no agent is left, which may be before our next round.
                self._requests.answer_stops()
                self._db.swarm.end_service(NAME, self._me)
        except DatabaseError as error:
            event(LOG, "sign_off_failed", level=logging.WARNING, reason=error)
