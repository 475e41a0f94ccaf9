"""The worker's loop: claim, run, settle; wait for work or for a reason to leave."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any

from msgspec import Struct

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import DatabaseError, LeaseLost
from swarm_shared.domain.models import FailureClass, Outcome
from swarm_shared.git.plumbing.process import Completed, run_process
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.processes.lifeline import Lifeline
from swarm_shared.processes.sweep import marks
from swarm_shared.program.logs import event
from swarm_shared.redaction.redaction import Redaction
from swarm_shared.store.queue.claims import Claim, Claimant
from swarm_shared.store.queue.landings import LandingClaim
from swarm_shared.store.queue.policy import AttemptResult
from swarm_shared.store.queue.recovery import crash
from swarm_shared.store.queue.swarm import DRAINED, EMERGENCY_STOP
from swarm_worker.attempt import Attempt
from swarm_worker.config import WorkerConfig
from swarm_worker.event_loop import Watch
from swarm_worker.landing.integration_branch import IntegrationBranch
from swarm_worker.landing.landing import Landing
from swarm_worker.lease import Heart
from swarm_worker.processes.roll import Roll
from swarm_worker.processes.session_tree import Tree
from swarm_worker.session.session import SHORTAGES
from swarm_worker.session.session_types import Surroundings
from swarm_worker.session.steps import Concluded
from swarm_worker.workplaces.workplace import ProjectRoot, Workplaces
from swarm_worker.workplaces.worktree import Worktrees

LOG = logging.getLogger("swarm.worker")
IDLE_LOOK_S = 0.05  # from a commit to its notice
LONGEST_WAIT_S = 1.0
BUSY_TIMEOUT_S = 2.0  # for the write lock, before the loop looks around again
SETTLE_RETRY_S = 1.0
SHORTAGE_PAUSE_S = 5.0
DRAIN_LOOK_S = 1.0


class Leave(StrEnum):
    """Why a worker ends its loop."""

    STOPPED = "stopped"  # asked to, by signal or by a stored state
    RETIRED = "retired"
    ABANDONED = "abandoned"  # whoever started it is gone
    KEEPER_LOST = "keeper_lost"  # nothing can be started any more


class Round(Struct, frozen=True, kw_only=True):
    """What one round did: ran an attempt or tidied up, found nothing to do, or found a reason to leave."""

    ran: bool = False
    leave: Leave | None = None


class WorkerLoop:
    """Repeats `run_once` until there is a reason to leave; holds a claim only while it runs it."""

    def __init__(
        self, database: TaskDatabase, config: WorkerConfig, watch: Watch, lifeline: Lifeline, *, run: int
    ) -> None:
        self._db, self._config, self._watch, self._run = database, config, watch, run
        database.connection.busy_timeout_s = BUSY_TIMEOUT_S
        self._heart = Heart(
            database.workers,
            database.clock,
            run=run,
            heartbeat_s=config.heartbeat_s,
            lease_s=config.lease_s,
        )
        self._claimant = Claimant(
            run=run,
            worker_id=config.worker_id,
            agent_cli=config.agent_cli,
            routing=config.routing,
            spacing_s=config.route_spacing_s,
            serialize=config.serialize,
        )
        self._around = Surroundings(
            database=database,
            tree=Tree(handed_on=lifeline.descriptor),
            roll=Roll(lifeline),
            watch=watch,
            heart=self._heart,
            must_stop=self._must_stop,
            kill_grace_s=config.kill_grace_s,
            output_limit_bytes=config.output_limit_bytes,
            redaction=Redaction(os.environ, config.environ),
        )
        self._marks: Mapping[str, str] = {}  # of the attempt that git works for
        self._branch: IntegrationBranch | None = None
        self._workplaces: Workplaces = ProjectRoot(config.project_root)
        if config.repository is not None:
            tend = self._heart.beat_if_due
            self._repository = self._with_care(config.repository.holding(lifeline.descriptor))
            self._branch = IntegrationBranch(
                database,
                self._repository,
                actor=config.worker_id,
                tend=tend,
            )
            self._branch.begin(config.land_into)
            worktrees = Worktrees(
                database, config, self._repository, self._branch, tend=tend, must_yield=self._has_work
            )
            worktrees.give_back_names()
            self._workplaces = worktrees
        self._was_free = False  # whether this worker has seen the swarm neither drained nor stopped
        self._drained_since: float | None = None  # the swarm, as seen while an attempt runs; monotonic
        self._wanted: str | None = None  # of this worker alone: drain or retire
        self._drain_look_at = 0.0
        self._status = "starting"

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
                # A full disk or a stuck writer passes; a worker that died of it would only be started again.
                event(LOG, "database_waited", level=logging.ERROR, reason=error)
                if self._watch.stops_asked or self._watch.abandoned:
                    raise
                self._watch.wait(SETTLE_RETRY_S)

    def run_once(self) -> Round:
        """Claim a task and run one attempt of it, if one is ready; else tidy up."""
        self._heart.beat_if_due()
        leave = self._reason_to_leave()
        if leave is not None:
            return Round(leave=leave)
        claimed = self._claim()
        if claimed is None:
            self._marks = {}
            return Round(ran=self._workplaces.tidy())
        if isinstance(claimed, LandingClaim):
            self._run_attempt(claimed.claim, self._landing(claimed).run)
        else:
            self._run_attempt(claimed, self._attempt(claimed).run)
        return Round(ran=True)

    # ───── one attempt ─────

    def _attempt(self, claim: Claim) -> Attempt:
        return Attempt(self._around, self._config, self._workplaces, claim, self._db.clock)

    def _landing(self, taken: LandingClaim) -> Landing:
        assert self._branch is not None, "only with worktrees anything lands"
        return Landing(
            self._around,
            self._config,
            self._repository,
            self._branch,
            taken,
            tend=self._heart.beat_if_due,
        )

    def _with_care(self, repository: Repository) -> Repository:
        """The repository, whose git gives signs of life, bears the attempt's marks and leaves nothing behind.

        It may start filters and merge drivers that an agent has configured; what these leave running belongs to the
        attempt, and would live on beside the next one.
        """

        def care() -> None:
            self._heart.beat_if_due()
            self._around.roll.call_if_due()

        def run(
            command: Sequence[str], *, env: Mapping[str, str], tend: Callable[[], None] = lambda: None, **how: Any
        ) -> Completed:
            def tend_all() -> None:
                care()
                tend()

            self._heart.beat_if_due()
            try:
                return run_process(command, env={**env, **self._marks}, tend=tend_all, **how)
            finally:
                self._around.tree.clear()

        def pause(s: float) -> None:
            self._heart.beat_if_due()
            time.sleep(s)

        return replace(repository, git=replace(repository.git, run=run, pause=pause))

    def _run_attempt(self, claim: Claim, run: Callable[[], Concluded]) -> None:
        began = time.monotonic()
        self._status = "busy"
        self._marks = marks(claim.attempt)
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
                duration_s=time.monotonic() - began,
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
            # Not the task's fault either. It is kept for a moment: another worker would only meet the same.
            self._watch.wait(SHORTAGE_PAUSE_S)
            self._drop(claim, f"this machine is out of something: {error}")

    def _drop(self, claim: Claim, why: str) -> None:
        event(LOG, "attempt_dropped", level=logging.ERROR, task=claim.task_id, reason=why)
        dropped = AttemptResult(outcome=Outcome.FAILED, failure_class=FailureClass.INTERRUPTED, error=why)
        self._settle(claim, Concluded(result=dropped))

    def _settle(self, claim: Claim, concluded: Concluded) -> None:
        """Settle until the database takes it: a result is not lost to a full disk or a stuck writer."""
        result = concluded.result.redacted(self._around.redaction)
        while True:
            self._around.tree.clear()
            try:
                self._db.queue.settle(claim, result, self._config.budgets, answers=concluded.answers)
                if self._status == "busy":
                    self._status = "idle"  # as the row says now
                return
            except DatabaseError as error:
                event(LOG, "settle_waited", level=logging.ERROR, task=claim.task_id, reason=error)
                if self._watch.stops_asked > 1 or self._watch.abandoned:
                    raise  # the reaper, or the next start, finds the attempt and runs the task again
                self._watch.wait(SETTLE_RETRY_S)
                self._heart.beat_if_due()

    def _give_up(self, claim: Claim) -> None:
        """The lease is lost and our tree is gone, which only we can say at once: so close it for whoever took it."""
        self._around.tree.clear()
        for attempt in self._db.recovery.open_attempts():
            if attempt.attempt == claim.attempt and (attempt.ending or attempt.ended):
                self._db.recovery.close(attempt, attempt.ending or crash("lost its lease"), self._config.budgets)
        self._db.workers.release(self._run)

    # ───── between attempts ─────

    def _claim(self) -> Claim | LandingClaim | None:
        """What waits to land comes before new work."""
        if self._branch is not None and (landing := self._db.landings.claim(self._claimant)) is not None:
            return landing
        return self._db.queue.claim(self._claimant) if self._db.queue.anything_ready() else None

    def _has_work(self) -> bool:
        """Whether there is anything but tidying up to do, or may be; asked by what can be interrupted for it."""
        self._watch.wait(0)
        try:
            return self._asked_to_leave() or self._db.queue.anything_ready() or self._db.landings.anything_to_land()
        except DatabaseError:
            return True

    def _asked_to_leave(self) -> bool:
        watch = self._watch
        return bool(watch.stops_asked or watch.retire_asked or watch.abandoned or watch.keeper_lost)

    def _reason_to_leave(self) -> Leave | None:
        self._watch.wait(0)  # what has come is noticed before anything is claimed
        if self._watch.abandoned:
            return Leave.ABANDONED
        if self._watch.keeper_lost:
            return Leave.KEEPER_LOST
        if self._watch.stops_asked:
            return Leave.STOPPED
        if self._watch.retire_asked or not self._heart.alive:
            return Leave.RETIRED
        wanted = self._db.workers.wanted(self._run)
        if wanted is not None:
            return Leave.RETIRED if wanted == "retire" else Leave.STOPPED
        flags = self._db.swarm.flags()
        if DRAINED in flags or EMERGENCY_STOP in flags:
            # One that starts into a stopped swarm waits: an exit so soon would count as a failed start.
            if self._was_free:
                return Leave.STOPPED
            self._show("waiting", "the swarm is drained or stopped; resume lets it go on")
            return None
        self._was_free = True
        self._drained_since = None
        if flags:
            self._show("waiting", ", ".join(sorted(flags)))
        else:
            self._show("idle", None)
        return None

    def _wait(self) -> None:
        """Sleep until somebody committed, a time has come, or a signal arrives."""
        due_ms = self._db.queue.ms_to_next_due()
        until = time.monotonic() + min(LONGEST_WAIT_S if due_ms is None else due_ms / 1000, LONGEST_WAIT_S)
        while not self._watch.moved(every_s=IDLE_LOOK_S):
            left = until - time.monotonic()
            if left <= 0 or self._asked_to_leave():
                return
            self._watch.wait(min(IDLE_LOOK_S, left, self._heart.due_in()))
            self._heart.beat_if_due()

    def _show(self, status: str, remark: str | None) -> None:
        if status != self._status:
            self._status = status
            self._db.workers.set_status(self._run, status, remark)

    def _damp_crashes(self) -> None:
        """Wait before the first claim when this worker keeps crashing; supervisord would restart it without a pause."""
        wait_s = self._db.workers.crash_backoff_s(self._config.worker_id, self._run)
        if wait_s:
            event(LOG, "worker_waited", level=logging.WARNING, reason="crashed repeatedly", wait_s=wait_s)
            self._show("waiting", f"crashed repeatedly: waits {wait_s:.0f} s")
        until = time.monotonic() + wait_s
        while time.monotonic() < until and not self._asked_to_leave():
            self._watch.wait(min(until - time.monotonic(), self._heart.due_in()))
            self._heart.beat_if_due()

    # ───── stopping ─────

    def _must_stop(self) -> str | None:
        """Why a running session must be interrupted now, if it must."""
        if self._watch.abandoned:
            return self._watch.abandoned
        if self._watch.stops_asked > 1:
            return "stopped at once"
        self._show_whether_it_leaves()
        since = self._watch.stop_asked_at or self._drained_since
        if since is not None and time.monotonic() - since > self._config.graceful_timeout_s:
            return f"the graceful timeout of {self._config.graceful_timeout_s:g} s is over"
        return None

    def _show_whether_it_leaves(self) -> None:
        """Show that this worker leaves after its task, or no longer does. Only the end of the whole swarm has a limit.

        What is stored is looked up now and then; a resume takes a drain back, also one of this worker alone.
        """
        now = time.monotonic()
        if now >= self._drain_look_at:
            self._drain_look_at = now + DRAIN_LOOK_S
            drained = DRAINED in self._db.swarm.flags()
            self._drained_since = (self._drained_since or now) if drained else None
            self._wanted = self._db.workers.wanted(self._run)
        if self._watch.stop_asked_at is not None or self._drained_since is not None:
            self._show("draining", "finishes its task within the graceful timeout")
        elif self._wanted == "drain":
            self._show("draining", "finishes its task, then leaves")
        elif self._watch.retire_asked or self._wanted == "retire":
            self._show("retiring", "finishes its task, then leaves")
        else:
            self._show("busy", None)
