"""One process of an attempt, from its start to the proof that nothing of it is left.

Meanwhile the worker stays awake: it stores output, beats, and obeys whoever may cut the session short.
"""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Sequence

from swarm_shared.agents.reading.session_result import SessionEnd
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.domain.models import Verb
from swarm_shared.processes.procfs import read_stat
from swarm_shared.processes.tree import usage_below
from swarm_shared.program.logs import event
from swarm_shared.store.queue.claims import Claim, ClosedSession
from swarm_worker.event_loop import LOOK_S
from swarm_worker.lease import ProgressMeter
from swarm_worker.processes.session_tree import CannotStart, Exited, Gone, Launch, TreeUnproven, Unproven
from swarm_worker.session.capture import Capture
from swarm_worker.session.session_types import Cause, Cut, Ended, Plan, Surroundings

LOG = logging.getLogger("swarm.worker")
ORDERED_GRACE_S = 0.5  # a person waits: an agent gets this long to save its transcript
RETRY_S = 0.5
STORE_TRIES = 3
YOUNG_S = 0.05  # a process that has ended by then needs nobody to listen to it or to find it
_STDOUT, _STDERR = 1, 2
# Descriptors, processes, memory: what a machine is out of now and may have again in a moment.
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS})


class Session:
    """Runs one plan for one claim."""

    def __init__(self, around: Surroundings, claim: Claim, plan: Plan) -> None:
        self._around, self._claim, self._plan = around, claim, plan
        self._db = around.database
        self._capture = Capture(self._db.output, redaction=plan.redaction, limit_bytes=around.output_limit_bytes)
        self._pid: int | None = None
        self._pid_start: int | None = None  # known once the process is recorded
        self._start_failed: CannotStart | None = None
        self._exited: Exited | None = None
        self._gone = False
        self._cut: Cut | None = None
        self._pipes: dict[int, int] = {}
        self._storing_again_at = 0.0
        self._is_young = True  # it may be over in a moment, with nobody having looked at it
        self._paused: set[int] = set()

    def run(self) -> Ended:
        """Store it, start it, stay until nothing of it is left, and store what it wrote and how it ended.

        Raises:
            LeaseLost: Before it started, the task had another owner already.
            TreeUnproven: Something of it could not be ended.
            OSError: One of `SHORTAGES`: the machine could not give what it needs now.
        """
        plan = self._plan
        self._session = self._db.queue.open_session(
            self._claim,
            role=plan.role,
            name=plan.redaction.text(plan.name),
            stage=plan.stage,
            prompt=plan.redaction.text_or_none(plan.prompt),
            resumes=plan.resumes,
        )
        try:
            return self._run()
        except TreeUnproven:
            raise
        except BaseException:
            self._end_tree()
            raise

    def _run(self) -> Ended:
        began = time.monotonic()
        self._start()
        try:
            if not self._gone:
                self._around.watch.wait(YOUNG_S)
                self._hear()
            if not self._gone:
                self._stay(began)
        finally:
            self._close_pipes()
        if self._start_failed is not None and self._start_failed.errno in SHORTAGES:
            raise OSError(self._start_failed.errno, str(self._start_failed))
        duration_s = time.monotonic() - began
        self._store_rest()
        self._close()
        return Ended(session=self._session, end=self._session_end(), cut=self._cut, duration_s=duration_s)

    # ───── starting ─────

    def _start(self) -> None:
        stdin = _as_input(self._plan.stdin)
        pipes: list[int] = []
        try:
            pipes += os.pipe2(os.O_CLOEXEC)
            pipes += os.pipe2(os.O_CLOEXEC)
            out_read, out_write, err_read, err_write = pipes
            launch = Launch(argv=self._plan.argv, env=self._plan.env, cwd=str(self._plan.cwd))
            self._pid = self._around.tree.start(launch, stdin, out_write, err_write)
        except CannotStart as failure:
            self._start_failed, self._gone = failure, True
        except BaseException:
            for descriptor in pipes[::2]:
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, *pipes[1::2]):
                os.close(descriptor)
        for stream, descriptor in ((_STDOUT, out_read), (_STDERR, err_read)):
            os.set_blocking(descriptor, False)
            self._pipes[stream] = descriptor

    def _listen_to(self, stream: int) -> None:
        descriptor = self._pipes[stream]

        def read() -> None:
            if self._capture.is_full:
                # The pipe fills and the agent waits until the database takes what is here.
                self._around.watch.ignore(descriptor)
                self._paused.add(stream)
            elif not self._capture.read(stream, descriptor, time.monotonic()):
                self._close_pipe(stream)

        self._around.watch.listen(descriptor, read)

    # ───── meanwhile ─────

    def _stay(self, began: float) -> None:
        """It lives on: look after it until it is gone."""
        self._deadline = began + self._plan.limit_s
        self._look_at: float | None = began + YOUNG_S
        self._meter = ProgressMeter(
            [lambda: float(self._capture.total_bytes), *self._plan.signs],
            cpu_s=self._cpu_s,
            idle_cpu_s=self._plan.idle_cpu_s,
            patience_s=self._plan.stuck_s,
            note=lambda: self._db.queue.note_progress(self._claim),
        )
        while not self._gone:
            self._tend()
            self._around.watch.wait(self._patience())
            self._hear()

    def _patience(self) -> float:
        now = time.monotonic()
        waits = [LOOK_S, self._around.heart.due_in(), self._meter.due_in(), max(0.0, self._deadline - now)]
        if self._look_at is not None:
            waits.append(max(0.0, self._look_at - now))
        if (due := self._around.tree.due_in()) is not None:
            waits.append(due)
        flush = self._capture.flush_due_in(now)
        if flush is not None:
            waits.append(max(flush, self._storing_again_at - now))
        return min(waits)

    def _hear(self) -> None:
        for heard in self._around.tree.events():
            match heard:
                case Exited():
                    self._exited = heard
                    if heard.alone:
                        self._gone = True
                    elif self._cut is None:
                        # It left something behind; nothing of an attempt outlives its session.
                        self._around.tree.end(self._around.kill_grace_s)
                case Gone():
                    self._gone = True
                case Unproven():
                    raise self._unproven(heard.survivors)

    def _end_tree(self) -> None:
        """Something of ours failed while the agent ran: nothing of it may stay, whatever else happens."""
        if left := self._around.tree.extinguish():
            raise self._unproven(left)

    def _unproven(self, survivors: Sequence[str]) -> TreeUnproven:
        return TreeUnproven(f"processes of task {self._claim.task_id} could not be ended: " + ", ".join(survivors[:5]))

    def _tend(self) -> None:
        now = time.monotonic()
        self._around.heart.beat_if_due()
        self._around.roll.call_if_due()
        self._meter.look_if_due()
        due = self._capture.flush_due_in(now)
        if due == 0.0 and now >= self._storing_again_at:
            self._store_output()
        if self._gone:
            return
        if self._look_at is not None and now >= self._look_at:
            self._look_after_it()
        if self._cut is None:
            self._cut = self._reason_to_cut(now)
            if self._cut is not None:
                event(LOG, "session_cut", task=self._claim.task_id, cause=self._cut.cause, why=self._cut.text)
                self._around.tree.end(self._grace_s(self._cut.cause))

    def _reason_to_cut(self, now: float) -> Cut | None:
        if reason := self._around.must_stop():
            return Cut(cause=Cause.INTERRUPTED, text=reason)
        if not self._around.heart.alive:
            return Cut(cause=Cause.LEASE_LOST, text="the worker's row was closed")
        if self._around.watch.keeper_lost:
            return Cut(cause=Cause.KEEPER_LOST, text="the worker's keeper process died")
        if self._exited is None and now > self._deadline:
            return Cut(
                cause=Cause.TIME_LIMIT,
                text=f"the {self._plan.role} session passed its limit of {self._plan.limit_s / 60:.4g} minutes",
            )
        if self._exited is None and self._meter.is_stuck():
            return Cut(
                cause=Cause.STUCK,
                text=f"no sign of progress from the {self._plan.role} for {self._meter.silent_s() / 60:.4g} minutes",
            )
        return self._open_requests()

    def _open_requests(self) -> Cut | None:
        if not self._around.watch.moved():
            return None
        watched = self._db.queue.watch(self._claim)
        if not watched.owned:
            return Cut(cause=Cause.LEASE_LOST, text="the task has another owner")
        if watched.emergency:
            return Cut(cause=Cause.INTERRUPTED, text="emergency stop")
        for row, verb, actor in watched.requests:
            if verb in (Verb.KILL, Verb.CANCEL):
                cause = Cause.KILLED if verb is Verb.KILL else Cause.CANCELLED
                return Cut(cause=cause, text=f"{cause} by {actor}", requests=(row,))
        return None

    def _grace_s(self, cause: Cause) -> float:
        if cause is Cause.KEEPER_LOST:
            return 0.0  # should we die as well, nobody would end it
        if cause in (Cause.KILLED, Cause.CANCELLED, Cause.LEASE_LOST):
            return min(ORDERED_GRACE_S, self._around.kill_grace_s)
        return self._around.kill_grace_s

    def _cpu_s(self) -> float | None:
        try:
            return usage_below(os.getpid()).cpu_s
        except OSError:
            return None  # out of descriptors, say: it is looked at again

    # ───── storing ─────

    def _look_after_it(self) -> None:
        """It lives on: listen to what it writes, and write down which process it is, for whoever must prove it gone."""
        if self._is_young:
            self._is_young = False
            for stream in list(self._pipes):
                self._listen_to(stream)
        self._look_at = None
        stat = read_stat(self._pid) if self._pid is not None else None
        if stat is None or self._pid is None:
            return
        try:
            self._db.queue.session_runs(self._session, pid=self._pid, pid_start=stat.start_time)
            self._pid_start = stat.start_time
        except DatabaseError as error:
            self._look_at = time.monotonic() + RETRY_S
            self._warn("process_not_recorded", error)

    def _store_output(self) -> None:
        try:
            self._capture.flush(self._session, time.monotonic())
            for stream in list(self._paused):
                self._paused.discard(stream)
                self._listen_to(stream)
        except DatabaseError as error:
            self._storing_again_at = time.monotonic() + RETRY_S
            self._warn("output_waited", error)

    def _store_rest(self) -> None:
        """Store what is left of the output. What the database does not take now is lost, and said in the log."""
        for _ in range(STORE_TRIES):
            try:
                self._capture.finish(self._session)
                return
            except DatabaseError as error:
                self._warn("output_waited", error)
        event(LOG, "output_lost", level=logging.ERROR, task=self._claim.task_id, attempt=self._claim.number)

    def _warn(self, name: str, error: DatabaseError) -> None:
        event(LOG, name, level=logging.WARNING, task=self._claim.task_id, reason=error)

    def _close_pipes(self) -> None:
        for stream in list(self._pipes):
            self._capture.drain(stream, self._pipes[stream], time.monotonic())
            self._close_pipe(stream)

    def _close_pipe(self, stream: int) -> None:
        descriptor = self._pipes.pop(stream, None)
        if descriptor is not None:
            if not self._is_young and stream not in self._paused:
                self._around.watch.ignore(descriptor)
            os.close(descriptor)

    # ───── the end ─────

    def _session_end(self) -> SessionEnd:
        stderr = self._capture.stderr.text()
        if self._start_failed is not None:
            stderr = self._plan.redaction.text(str(self._start_failed))
        return SessionEnd(
            exit_code=self._exited.exit_code if self._exited else None,
            signal=self._exited.signal if self._exited else None,
            stdout=self._capture.stdout.text(),
            stderr=stderr,
            too_long=self._start_failed is not None and self._start_failed.errno == errno.E2BIG,
        )

    def _close(self) -> None:
        closed = ClosedSession(
            pid=self._pid,
            pid_start=self._pid_start,
            exit_code=self._exited.exit_code if self._exited else None,
            signal=self._exited.signal if self._exited else None,
            output_bytes=self._capture.total_bytes,
            ended_at=self._db.clock.wall_ms(),
        )
        try:
            self._db.queue.close_session(self._session, closed)
        except DatabaseError as error:
            self._warn("session_not_closed", error)  # settling closes it, without how it ended


def _as_input(data: bytes) -> int:
    """A descriptor to read the prompt from; a file in memory, so that nobody must feed a pipe."""
    if not data:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("prompt", os.MFD_CLOEXEC)
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
