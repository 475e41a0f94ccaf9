"""One process of an attempt, from its start to the proof that no process of it is left.

Meanwhile the worker stays awake: it stores output, sends heartbeats, and cuts the session short where it must.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence

from swarm_shared.agents.reading.error_text import last_line
from swarm_shared.agents.reading.session_result import SessionEnd
from swarm_shared.domain.errors import DatabaseError
from swarm_shared.processes.procfs import read_stat
from swarm_shared.processes.tree import usage_below
from swarm_shared.program.logs import event
from swarm_shared.runners.following import end, engine_failure
from swarm_shared.store.queue.claims import Claim, ClosedSession
from swarm_worker.lease import ProgressMeter
from swarm_worker.processes.session_tree import CannotStart, Exited, Gone, Launch, TreeUnproven, Unproven
from swarm_worker.session.capture import Capture
from swarm_worker.session.cuts import Cuts, grace_s
from swarm_worker.session.pipes import Pipes, as_input
from swarm_worker.session.session_types import Cause, Cut, Ended, Plan, SessionContext

LOG = logging.getLogger("swarm.worker")
RETRY_S = 0.5
TURN_POLL_S = 0.5
STORE_TRIES = 3
YOUNG_S = 0.05  # a process that has ended by then need not be listened to, nor be recorded
# Descriptors, processes, memory: what a machine is out of now and may have again in a moment.
SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.ENOBUFS})


def run_session(around: SessionContext, claim: Claim, plan: Plan) -> Ended:
    """Store a session, start it, stay until nothing of it is left, and store what it wrote and how it ended.

    Raises:
        LeaseLost: Before it started, the task had another owner already.
        TreeUnproven: Something of it could not be ended.
        OSError: One of `SHORTAGES`: the machine could not give what it needs now.
    """
    row = around.database.queue.open_session(
        claim,
        role=plan.role,
        name=plan.redaction.text(plan.name),
        stage=plan.stage,
        prompt=plan.redaction.text_or_none(plan.prompt),
        resumes=plan.resumes,
        run=plan.start.run,
    )
    try:
        return Session(around, claim, plan, row).run()
    except TreeUnproven:
        raise
    except BaseException as error:
        # Our own code failed while the agent ran: nothing of it may be left, whatever else happens.
        left = around.tree.extinguish()
        if not left and plan.start.run is not None and not (answer := end(plan.start.run)).gone:
            left = (answer.text,)
        if left:
            raise _unproven(claim, left) from error
        raise


class Session:
    """Runs one plan for one claim, once. `row` is the key of its row.

    Its process runs until it exits or is cut; what it leaves behind is ended then; it is over when its tree is proven
    gone, and what its runner has started outside that. A process that could not be started is gone from the start.
    """

    def __init__(self, around: SessionContext, claim: Claim, plan: Plan, row: int) -> None:
        self._around, self._claim, self._plan, self._row = around, claim, plan, row
        self._db = around.database
        self._began = around.now()
        self._capture = Capture(self._db.output, redaction=plan.redaction, limit_bytes=around.output_limit_bytes)
        self._pipes = Pipes(self._capture, around.watch, around.now)
        self._meter = ProgressMeter(
            [lambda: float(self._capture.total_bytes), lambda: self._waited_s, *plan.signs],
            cpu_s=_cpu_s,
            idle_cpu_s=plan.idle_cpu_s,
            patience_s=plan.stuck_s,
            note=lambda: self._db.queue.note_progress(claim),
            now=around.now,
        )
        self._cuts = Cuts(around, claim, plan, deadline=self._began + plan.limit_s, meter=self._meter)
        self._has_begun = plan.start.has_begun  # None: it has
        self._waited_s = 0.0  # for its turn; a number that rises is a sign of life
        self._poll_again_at = 0.0
        self._pid: int | None = None
        self._pid_start: int | None = None  # known once the process is recorded
        self._start_failed: CannotStart | None = None
        self._exited: Exited | None = None
        self._gone = False
        self._cut: Cut | None = None
        self._record_at: float | None = self._began + YOUNG_S  # None: the process is recorded
        self._store_again_at = 0.0

    def run(self) -> Ended:
        try:
            self._start()
            if not self._gone:
                self._around.watch.wait(YOUNG_S)
                self._take_events()
            while not self._gone:
                self._tend()
                self._around.watch.wait(self._patience())
                self._take_events()
        finally:
            self._pipes.close()
        if self._start_failed is not None and self._start_failed.errno in SHORTAGES:
            raise OSError(self._start_failed.errno, str(self._start_failed))
        duration_s = self._around.now() - self._began - self._waited_s
        self._store_rest()
        self._end_run()
        self._close()
        return Ended(session=self._row, end=self._session_end(), cut=self._cut, duration_s=duration_s)

    def _start(self) -> None:
        try:
            stdin = as_input(self._plan.stdin)
            try:
                launch = Launch(argv=self._plan.start.argv, env=self._plan.start.env, cwd=str(self._plan.cwd))
                self._pid = self._around.tree.start(launch, stdin, *self._pipes.write_ends)
            finally:
                os.close(stdin)
        except CannotStart as failure:
            self._start_failed, self._gone = failure, True
        finally:
            self._pipes.close_write_ends()

    # ───── meanwhile ─────

    def _patience(self) -> float:
        """Seconds until something is due."""
        now = self._around.now()
        waits = [
            self._around.watch.pace.busy_s(),
            self._around.heart.due_in(),
            self._meter.due_in(),
            max(0.0, self._cuts.deadline - now),
        ]
        if self._record_at is not None:
            waits.append(max(0.0, self._record_at - now))
        if (due := self._around.tree.due_in()) is not None:
            waits.append(due)
        if (flush := self._capture.flush_due_in(now)) is not None:
            waits.append(max(flush, self._store_again_at - now))
        return min(waits)

    def _take_events(self) -> None:
        for what in self._around.tree.events():
            match what:
                case Exited():
                    self._exited = what
                    if what.alone:
                        self._gone = True
                    elif self._cut is None:
                        # It left something behind; nothing of an attempt outlives its session.
                        self._around.tree.end(self._around.kill_grace_s)
                case Gone():
                    self._gone = True
                case Unproven():
                    raise _unproven(self._claim, what.survivors)

    def _tend(self) -> None:
        now = self._around.now()
        self._around.heart.beat_if_due()
        self._around.roll.call_if_due()
        self._pipes.listen()
        self._await_turn(now)
        self._meter.check_if_due()
        if self._capture.flush_due_in(now) == 0.0 and now >= self._store_again_at:
            self._store_output()
        if self._record_at is not None and now >= self._record_at:
            self._record_process()
        if self._cut is None and (cut := self._cuts.check(exited=self._exited is not None)) is not None:
            self._cut = cut
            event(LOG, "session_cut", task=self._claim.task_id, cause=cut.cause, why=cut.text)
            self._around.tree.end(grace_s(cut.cause, self._around.kill_grace_s))

    def _await_turn(self, now: float) -> None:
        """Let the time that it waits for its turn in an engine's queue count against no limit."""
        if self._has_begun is None or now < self._poll_again_at:
            return
        self._poll_again_at = now + TURN_POLL_S
        self._waited_s = now - self._began
        self._cuts.deadline = now + self._plan.limit_s
        if self._has_begun():
            self._has_begun = None
            event(LOG, "session_began", task=self._claim.task_id, waited_s=round(self._waited_s, 1))

    def _end_run(self) -> None:
        """Find out whether the runner failed, and have its engine end what it runs for this session.

        Returns once the engine says that nothing of it is left.
        """
        start = self._plan.start
        if self._cut is None and (why := self._runner_failure()) is not None:
            text = f"runner {start.runner}: {why}"
            self._cut = Cut(cause=Cause.RUNNER, text=text)
            self._report_runner(text)
        run = start.run
        if run is None or self._start_failed is not None:
            return
        around, tries = self._around, 0
        while not (answer := end(run, self._stay)).gone:
            tries += not answer.healthy
            if tries > 1:
                self._report_runner(answer.text)
            if around.must_stop() or not around.heart.alive or around.watch.keeper_lost:
                raise _unproven(self._claim, [answer.text])
            around.watch.wait(RETRY_S)

    def _runner_failure(self) -> str | None:
        """Why the end of the process is due to the runner and not to the command; None: it is not."""
        start, failed = self._plan.start, self._start_failed
        if failed is not None:
            return str(failed) if start.runner and failed.of_program else None
        exit_code = self._exited.exit_code if self._exited else None
        if start.run is not None:
            why = engine_failure(start.run, exit_code, self._stay)
        else:
            why = start.trouble(self._stay) if start.trouble is not None and exit_code else None
        if why is None:
            return None
        return why or _complaint(self._capture.stderr.text()) or f"exit code {exit_code}"

    def _stay(self) -> None:
        """To be called while a runner is asked."""
        self._around.heart.beat_if_due()
        self._around.roll.call_if_due()

    def _report_runner(self, text: str) -> None:
        """Let no task start until the runner works again."""
        event(LOG, "runner_down", level=logging.ERROR, task=self._claim.task_id, reason=text)
        try:
            self._db.swarm.note_runner_down(text, actor=self._claim.worker_id)
        except DatabaseError as error:
            self._warn("runner_not_reported", error)

    # ───── storing ─────

    def _record_process(self) -> None:
        """Store which process it is, so that it can be proven gone after our death."""
        self._record_at = None
        stat = read_stat(self._pid) if self._pid is not None else None
        if stat is None or self._pid is None:
            return
        try:
            self._db.queue.session_runs(self._row, pid=self._pid, pid_start=stat.start_time)
            self._pid_start = stat.start_time
        except DatabaseError as error:
            self._record_at = self._around.now() + RETRY_S
            self._warn("process_not_recorded", error)

    def _store_output(self) -> None:
        try:
            self._capture.flush(self._row, self._around.now())
            self._pipes.resume()
        except DatabaseError as error:
            self._store_again_at = self._around.now() + RETRY_S
            self._warn("output_waited", error)

    def _store_rest(self) -> None:
        """Store what is left of the output. What the database does not take now is lost, which the log says."""
        for _ in range(STORE_TRIES):
            try:
                self._capture.finish(self._row)
                return
            except DatabaseError as error:
                self._warn("output_waited", error)
        event(LOG, "output_lost", level=logging.ERROR, task=self._claim.task_id, attempt=self._claim.number)

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
            self._db.queue.close_session(self._row, closed)
        except DatabaseError as error:
            self._warn("session_not_closed", error)  # settling closes it, without how it ended

    def _warn(self, name: str, error: DatabaseError) -> None:
        event(LOG, name, level=logging.WARNING, task=self._claim.task_id, reason=error)

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


def _unproven(claim: Claim, survivors: Sequence[str]) -> TreeUnproven:
    return TreeUnproven(f"processes of task {claim.task_id} could not be ended: " + ", ".join(survivors[:5]))


def _complaint(stderr: str) -> str:
    """What an engine's client complains of; advice may follow it."""
    lines = [line for line in stderr.splitlines() if "error" in line.lower()]
    return last_line(lines[-1] if lines else stderr)


def _cpu_s() -> float | None:
    try:
        return usage_below(os.getpid()).cpu_s
    except OSError:
        return None  # out of descriptors, for example: it is tried again
