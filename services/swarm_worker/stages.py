"""The stages of one attempt in its workplace: set up, build, check, validate, and leave nothing uncommitted."""

from __future__ import annotations

import logging

from msgspec.structs import replace

from swarm_shared.agents.launching.launch import has_session
from swarm_shared.agents.reading.session_result import Reading
from swarm_shared.domain.errors import ConfigError, InputError
from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Role, Stage, TaskSpec
from swarm_shared.git.running.git_errors import GitError, GitUnusable
from swarm_shared.program.logs import event
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.queue.policy import AttemptResult
from swarm_worker.config import WorkerConfig
from swarm_worker.session.agent_sessions import REPEATS, AgentSessions
from swarm_worker.session.brief import Brief
from swarm_worker.session.record import Record
from swarm_worker.session.session_types import SessionContext
from swarm_worker.session.steps import AttemptOutcome, CutShort, Steps, failed, shown
from swarm_worker.workplaces.workplace import Beyond, Sealed, Workplace

LOG = logging.getLogger("swarm.worker")
NAMED_PATHS = 20


class Stages:
    """Each stage gives the result that ends the attempt, or None: then the next one follows."""

    def __init__(
        self,
        around: SessionContext,
        config: WorkerConfig,
        claim: Claim,
        spec: TaskSpec,
        place: Workplace,
        brief: Brief,
        record: Record,
    ) -> None:
        self._config, self._claim, self._spec, self._place, self._record = config, claim, spec, place, record
        self._db = around.database
        self._steps = Steps(around, config, claim)
        self._brief = brief
        self._sessions = AgentSessions(around, config, claim, spec, place, brief, self._steps, record)
        self._sealed: Sealed | None = None
        self._clean_after: int | None = None  # what was written up to the end of this session is undone

    def run(self) -> AttemptOutcome:
        """All stages, up to the one that ends the attempt.

        Raises:
            LeaseLost, TreeUnproven, GitError, GitUnusable: As `Attempt.run` says.
        """
        return self._kept(self._until_it_ends())

    def _until_it_ends(self) -> AttemptOutcome:
        try:
            result = self._set_up() or self._build() or self._check() or self._validate()
        except CutShort as short:
            return self._steps.concluded(short.cut, self._record.result)
        except GitUnusable:
            raise
        except InputError as error:
            result = self._record.unfit(error)
        except ConfigError as error:
            result = self._record.cannot_start(error, on=self._sessions.route)
        return AttemptOutcome(result=result or self._record.result)

    def _kept(self, concluded: AttemptOutcome) -> AttemptOutcome:
        """Leave nothing behind that is not in a commit: also after a kill, a crash or a stop of ours."""
        try:
            if self._sealed is None:
                self._sealed = self._place.seal()
            else:
                self._restore()
        except GitError as error:
            if concluded.result.outcome not in (Outcome.KILLED, Outcome.CANCELLED):
                raise
            # What the user requested is done anyway; the next attempt commits what is there.
            event(LOG, "work_not_committed", level=logging.ERROR, task=self._claim.task_id, reason=error)
        if self._sealed is None:
            return concluded
        result = self._with_beyond(concluded.result)
        result = replace(result, base_sha=self._sealed.base_sha, head_sha=self._sealed.head_sha)
        if result.failure_class is FailureClass.QUALITY:
            result = replace(result, diff_id=self._place.change_id())
        return replace(concluded, result=result)

    def _with_beyond(self, result: AttemptResult) -> AttemptResult:
        """The result with what the sessions did outside their worktree; some of it holds the task."""
        found = self._place.beyond() if self._sealed is not None else Beyond()
        if found.checks:
            result = replace(result, check_results=[*(result.check_results or []), *found.checks])
        if found.hold is None or result.outcome in (Outcome.KILLED, Outcome.CANCELLED):
            return result
        result = failed(result, FailureClass.QUALITY, found.hold)
        return replace(result, hold=HoldReason.SHARED_STASH, must_fix=(*result.must_fix, *found.must_fix))

    # ───── stages ─────

    def _set_up(self) -> AttemptResult | None:
        for command in self._place.setup_due():
            done = self._steps.check(command, self._spec, cwd=self._place.cwd)
            if not done["passed"]:
                reason = f"setup failed: {command} (exit {done['exit_code']}): {done['output']}"
                return replace(self._record.failed(FailureClass.CRASH, reason), blames_machine=True)
        self._place.set_up()
        return None

    def _build(self) -> AttemptResult | None:
        reading = self._sessions.run(Role.BUILDER, Stage.BUILDING, self._brief.for_builder)
        if reading.answer is not None:
            self._record.set(builder_result=reading.answer)
        self._sealed = self._place.seal()  # before it is judged: the verdict is about this commit
        self._clean_after = self._steps.last
        if self._sealed is not None and self._sealed.accident is not None:
            return self._record.failed(FailureClass.CRASH, self._sealed.accident)
        return self._unless_passed(reading)

    def _check(self) -> AttemptResult | None:
        self._record.result = self._with_beyond(self._record.result)
        if self._record.result.hold is not None:
            return self._record.result
        results = [*(self._record.result.check_results or []), *self._place.checks()]
        for command in (*self._config.checks, *self._spec.checks, *self._brief.gate):
            results.append(self._steps.check(command, self._spec, cwd=self._place.cwd))
            self._record.set(check_results=results)
        if not results:
            return None
        self._record.set(check_results=results)
        failed = [result for result in results if not result["passed"]]
        summary = f"{len(results) - len(failed)} of {len(results)} checks passed"
        self._db.queue.note_event(self._claim, "checked", summary)
        if not failed:
            return None
        reason = "; ".join(f"check failed: {shown(check)}" for check in failed)
        return self._record.failed(FailureClass.QUALITY, reason)

    def _validate(self) -> AttemptResult | None:
        if not self._config.validation or not has_session(self._brief.cli(Role.VALIDATOR), Role.VALIDATOR, self._spec):
            return None
        self._restore()  # what the checks have written is no part of the work
        reading = self._sessions.run(
            Role.VALIDATOR, Stage.VALIDATING, lambda: self._brief.for_validator(self._record.result)
        )
        self._note_writes(self._restore())
        if reading.failure is FailureClass.CRASH:
            # No verdict, as if it were unreadable: the user decides, and nothing is built again.
            reason = f"no verdict in {REPEATS + 1} sessions; the last one: {reading.reason}"
            reading = replace(reading, failure=FailureClass.UNREADABLE, reason=reason)
        self._record.set(validator_result=reading.answer)
        if reading.failure in (None, FailureClass.QUALITY):
            verdict = "PASS" if reading.failure is None else "FAIL"
            commit = "" if self._sealed is None else f" of {self._sealed.head_sha[:12]}"
            self._db.queue.note_event(self._claim, "validated", verdict + commit)
        return self._unless_passed(reading)

    def _restore(self) -> list[str]:
        """Undo what was written after the commit, if anything has run since; the paths."""
        if self._clean_after == self._steps.last:
            return []
        self._clean_after = self._steps.last
        return self._place.restore()

    def _note_writes(self, paths: list[str]) -> None:
        if not paths:
            return
        event(LOG, "validator_writes_undone", level=logging.WARNING, task=self._claim.task_id, paths=len(paths))
        self._record.warn("built-in: the validator changed nothing", "discarded: " + ", ".join(paths[:NAMED_PATHS]))

    # ───── results ─────

    def _unless_passed(self, reading: Reading) -> AttemptResult | None:
        if reading.failure is None:
            return None
        if reading.question:
            # Nothing failed: the attempt ends without a cost, and the next one continues with the answer.
            asked = self._record.failed(FailureClass.INTERRUPTED, reading.reason)
            return replace(asked, hold=HoldReason.QUESTION, question=reading.question)
        return replace(
            self._record.failed(reading.failure, reading.reason),
            must_fix=reading.must_fix,
            trouble=reading.trouble,
            trouble_on=self._sessions.route,
            unfit=reading.unfit,
            blames_machine=reading.blames_machine,
        )
