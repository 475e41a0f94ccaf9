"""The worker's loop: claim, run, settle; wait for work or for a reason to leave."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec import Struct

from swarm_shared.domain.errors import DatabaseError, LeaseLost
from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.processes.sweep import marks
from swarm_shared.program.logs import event
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.landings import LandingClaim
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.queue.recovery import crash
from swarm_worker.attempt import Attempt
from swarm_worker.config import WorkerConfig
from swarm_worker.landing.careful_git import CarefulGit
from swarm_worker.landing.landing import Lander
from swarm_worker.session.session import SHORTAGES
from swarm_worker.session.session_types import SessionContext
from swarm_worker.session.steps import AttemptOutcome
from swarm_worker.stopping import Leave, Stopping
from swarm_worker.workplaces.workplace import Workplaces

LOG = logging.getLogger("swarm.worker")
LONGEST_WAIT_S = 1.0
SETTLE_RETRY_S = 1.0
SHORTAGE_PAUSE_S = 5.0


class Round(Struct, frozen=True, kw_only=True):
    """The result of one round: ran an attempt or cleaned up, found nothing to do, or found a reason to leave."""

    ran: bool = False
    leave: Leave | None = None


class WorkerLoop:
    """Repeats `run_once` until there is a reason to leave; holds a claim only while it runs it."""

    def __init__(
        self,
        around: SessionContext,
        config: WorkerConfig,
        stopping: Stopping,
        workplaces: Workplaces,
        git: CarefulGit,
        *,
        run: int,
        lander: Lander | None = None,
    ) -> None:
        """Without a lander nothing is landed: all tasks work in the project root."""
        self._around, self._config, self._stopping, self._run = around, config, stopping, run
        self._workplaces, self._git, self._lander = workplaces, git, lander
        self._db, self._watch, self._heart = around.database, around.watch, around.heart
        self._just_ran = False  # the last round ran an attempt
        self._claimant = Claimant(
            run=run,
            worker_id=config.worker_id,
            agent_cli=config.agent_cli,
            routing=config.routing,
            spacing_s=config.route_spacing_s,
            serialize=config.serialize,
        )

    def run(self) -> Leave:
        """Work until there is a reason to leave."""
        self._damp_crashes()
        while True:
            try:
                done = self.run_once()
                if done.leave is not None:
                    return done.leave
                if not done.ran:
                    self._wait()
            except DatabaseError as error:
                # A full disk or a stuck writer is temporary; a worker that died of it would only be restarted.
                event(LOG, "database_waited", level=logging.ERROR, reason=error)
                if self._watch.stops_asked or self._watch.abandoned:
                    raise
                self._watch.wait(SETTLE_RETRY_S)

    def run_once(self) -> Round:
        """Claim a task and run one attempt of it, if one is ready; otherwise clean up."""
        self._heart.beat_if_due()
        leave = self._stopping.signalled()
        if leave is not None:
            return Round(leave=leave)
        # After an attempt there is usually another task, and a claim checks all stored requests itself. Looking before
        # the claim would be three more read transactions, each of which reloads what other workers have changed.
        claimed = self._claim() if self._just_ran else None
        if claimed is None:
            leave = self._stopping.reason_to_leave()
            if leave is not None:
                return Round(leave=leave)
            claimed = self._claim(only_if_ready=True)
        self._just_ran = claimed is not None
        if claimed is None:
            self._git.marks = {}
            return Round(ran=self._workplaces.tidy())
        if isinstance(claimed, LandingClaim):
            assert self._lander is not None, "only a lander claims landings"
            lander, landing = self._lander, claimed
            self._run_attempt(claimed.claim, lambda: lander.land(landing))
        else:
            attempt = Attempt(self._around, self._config, self._workplaces, claimed)
            self._run_attempt(claimed, attempt.run)
        return Round(ran=True)

    # ───── one attempt ─────

    def _run_attempt(self, claim: Claim, run: Callable[[], AttemptOutcome]) -> None:
        began = self._around.now()
        self._stopping.note_claim()
        self._git.marks = marks(claim.attempt)
        event(LOG, "task_claimed", level=logging.DEBUG, task=claim.task_id, attempt=claim.number, token=claim.token)
        try:
            concluded = run()
            self._settle(claim, concluded)
            event(
                LOG,
                "task_settled",
                task=claim.task_id,
                attempt=claim.number,
                outcome=concluded.result.outcome,
                failure=concluded.result.failure_class,
                duration_s=self._around.now() - began,
            )
        except LeaseLost as error:
            event(LOG, "lease_lost", level=logging.WARNING, task=claim.task_id, attempt=claim.number, reason=error)
            self._give_up(claim)
        except DatabaseError as error:
            # Not the task's fault: it goes back as interrupted as soon as the database takes writes again.
            self._drop(claim, f"database trouble: {error}")
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            # Not the task's fault either. Keep it for a moment: another worker would have the same problem.
            self._watch.wait(SHORTAGE_PAUSE_S)
            self._drop(claim, f"this machine lacks a resource: {error}")

    def _drop(self, claim: Claim, why: str) -> None:
        event(LOG, "attempt_dropped", level=logging.ERROR, task=claim.task_id, reason=why)
        dropped = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.INTERRUPTED, error=why)
        self._settle(claim, AttemptOutcome(result=dropped))

    def _settle(self, claim: Claim, concluded: AttemptOutcome) -> None:
        """Settle until the database takes it: a result is not lost to a full disk or a stuck writer."""
        result = concluded.result.redacted(self._around.redaction)
        while True:
            self._around.tree.clear()
            try:
                self._db.queue.settle(claim, result, self._config.budgets, answers=concluded.answers)
                self._stopping.note_settled()
                return
            except DatabaseError as error:
                event(LOG, "settle_waited", level=logging.ERROR, task=claim.task_id, reason=error)
                if self._watch.stops_asked > 1 or self._watch.abandoned:
                    raise  # the reaper, or the next start, finds the attempt and runs the task again
                self._watch.wait(SETTLE_RETRY_S)
                self._heart.beat_if_due()

    def _give_up(self, claim: Claim) -> None:
        """Close an attempt whose lease was lost: only its worker knows at once that no process of it is left."""
        self._around.tree.clear()
        for attempt in self._db.recovery.open_attempts():
            if attempt.attempt == claim.attempt and (attempt.ending or attempt.ended):
                self._db.recovery.close(attempt, attempt.ending or crash("lost its lease"), self._config.budgets)
        self._db.workers.release(self._run)

    # ───── between attempts ─────

    def _claim(self, *, only_if_ready: bool = False) -> Claim | LandingClaim | None:
        """Claim the next landing, or the next task if no work waits to land.

        Args:
            only_if_ready: Read first whether a task is ready, so that an idle worker does not take the write lock.
        """
        if self._lander is not None and (landing := self._db.landings.claim(self._claimant)) is not None:
            return landing
        if only_if_ready and not self._db.queue.anything_ready():
            return None
        return self._db.queue.claim(self._claimant)

    def _wait(self) -> None:
        """Sleep until a commit, a time or a signal."""
        due_ms = self._db.queue.ms_to_next_due()
        until = self._around.now() + min(LONGEST_WAIT_S if due_ms is None else due_ms / 1000, LONGEST_WAIT_S)
        poll_s = self._watch.pace.idle_s()
        while not self._watch.moved(poll_s):
            left = until - self._around.now()
            if left <= 0 or self._stopping.asked():
                return
            self._watch.wait(min(poll_s, left, self._heart.due_in()))
            self._heart.beat_if_due()

    def _damp_crashes(self) -> None:
        """Wait before the first claim when this worker keeps crashing; supervisord would restart it without a pause."""
        wait_s = self._db.workers.crash_backoff_s(self._config.worker_id, self._run)
        if wait_s:
            event(LOG, "worker_waited", level=logging.WARNING, reason="crashed repeatedly", wait_s=wait_s)
            self._stopping.show("waiting", f"crashed repeatedly: waits {wait_s:.0f} s")
        until = self._around.now() + wait_s
        while self._around.now() < until and not self._stopping.asked():
            self._watch.wait(min(until - self._around.now(), self._heart.due_in()))
            self._heart.beat_if_due()
