"""The processes of one claim, one after the other, and the effect of ending them early."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.agents.launching.environment import Inherited, session_environment
from swarm_shared.agents.reading.session_result import SessionEnd, tail_lines
from swarm_shared.domain.errors import LeaseLost
from swarm_shared.domain.models import FailureClass, Outcome, Role, Stage, TaskSpec
from swarm_shared.program.logs import event
from swarm_shared.runners.runner import Command
from swarm_shared.store.queue.claims import Claim, SessionReport
from swarm_shared.store.queue.policy import AttemptResult
from swarm_worker.config import WorkerConfig
from swarm_worker.session.cuts import requested
from swarm_worker.session.session import run_session
from swarm_worker.session.session_types import OVER_BUDGET, Cause, Cut, Ended, Plan, SessionContext

LOG = logging.getLogger("swarm.worker")
SHELL = "/bin/sh"


class AttemptOutcome(Struct, frozen=True, kw_only=True):
    """An attempt's result, and the control rows that its end answers."""

    result: AttemptResult
    answers: tuple[int, ...] = ()


class CutShort(Exception):
    """Leaves the stages when a session was cut short; `end` is what it had printed, where one was running."""

    def __init__(self, cut: Cut, end: SessionEnd | None = None) -> None:
        super().__init__(cut.text)
        self.cut, self.end = cut, end


class Steps:
    """Runs the processes of a claim; when a call returns, nothing of that process is left."""

    def __init__(self, around: SessionContext, config: WorkerConfig, claim: Claim) -> None:
        self._around, self._config, self._claim = around, config, claim
        self.last: int | None = None  # the session that ended last

    def run(self, plan: Plan, *, limit_is_failure: bool = False) -> Ended:
        """Run it to its end.

        Raises:
            CutShort: It was ended by a user, by a stop of ours, or at a limit.
            LeaseLost: The task has another owner.
            TreeUnproven: Something of it could not be ended.
        """
        ended = run_session(self._around, self._claim, plan)
        runner = self._config.check_runner if plan.role is Role.CHECK else self._config.runner
        if removed := runner.clear_up(plan.cwd):
            event(LOG, "links_removed", level=logging.WARNING, task=self._claim.task_id, paths=", ".join(removed[:5]))
        self.last = ended.session
        cut = ended.cut
        if cut is not None and not (limit_is_failure and cut.cause is Cause.TIME_LIMIT):
            raise CutShort(cut, ended.end)
        return ended

    def begin_agent(self) -> None:
        """To be called before a session of an agent.

        Raises:
            CutShort: A budget is used up that ends what is in flight.
        """
        if self._around.ends_over_budget and self._around.database.queue.watch(self._claim).over_budget:
            raise CutShort(Cut(cause=Cause.INTERRUPTED, text=OVER_BUDGET))

    def report(self, report: SessionReport, *, partly_unpriced: Sequence[str] = ()) -> None:
        """Store what the session that ended last reported of itself.

        Args:
            partly_unpriced: Models whose cost is missing from the reported one.
        """
        if self.last is not None and report != SessionReport():
            self._around.database.queue.report_session(self.last, report)
        unpriced = ", ".join(partly_unpriced) or None
        if report.tokens and report.cost_usd is None:
            unpriced = report.models or ""
        self._around.database.spending.check(self._config.budgets.spending, unpriced=unpriced)

    def check(self, command: str, spec: TaskSpec, *, cwd: Path) -> dict[str, Any]:
        """Run a shell command as a check; its result as it is stored. Raises as `run`."""
        ended = self.run(
            Plan(
                role=Role.CHECK,
                name=command,
                stage=Stage.CHECKING,
                prompt=None,
                start=self._config.check_runner.start(
                    Command(argv=(SHELL, "-c", command), cwd=cwd), self._environment(spec, cwd)
                ),
                cwd=cwd,
                stdin=b"",
                limit_s=self._config.check_timeout_s,
                stuck_s=None,
                redaction=self._around.redaction.knowing(spec.env),
            ),
            limit_is_failure=True,
        )
        lines = tail_lines(ended.end.stdout, ended.end.stderr)
        if ended.cut is not None:
            lines.append(ended.cut.text)
        return {
            "command": command,
            "passed": ended.cut is None and ended.end.exit_code == 0,
            "exit_code": ended.end.exit_code,
            "signal": ended.end.signal,
            "output": "\n".join(lines),
            "duration_s": round(ended.duration_s, 3),
        }

    def requested(self) -> Cut:
        """What a user has requested for this claim while nothing of it ran."""
        rows = self._around.database.control.for_attempt(self._claim.attempt)
        return requested(rows) or Cut(cause=Cause.INTERRUPTED, text="a request about it was waiting")

    def concluded(self, cut: Cut, so_far: AttemptResult) -> AttemptOutcome:
        """What a cut makes of the attempt.

        Raises:
            LeaseLost: The session was cut because the task was reclaimed.
        """
        match cut.cause:
            case Cause.LEASE_LOST:
                raise LeaseLost(f"task {self._claim.task_id}: {cut.text}")
            case Cause.KILLED:
                result = replace(so_far, outcome=Outcome.KILLED, error=cut.text)
            case Cause.CANCELLED:
                result = replace(so_far, outcome=Outcome.CANCELLED, error=cut.text)
            case Cause.INTERRUPTED:
                result = failed(so_far, FailureClass.INTERRUPTED, cut.text)
            case Cause.RUNNER:
                result = failed(so_far, FailureClass.PROVIDER, cut.text)
            case Cause.KEEPER_LOST:
                result = failed(so_far, FailureClass.CRASH, cut.text)
            case Cause.TIME_LIMIT | Cause.STUCK:
                result = replace(failed(so_far, FailureClass.QUALITY, cut.text), out_of_time=True)
        return AttemptOutcome(result=result, answers=cut.requests)

    def _environment(self, spec: TaskSpec, cwd: Path) -> Mapping[str, str]:
        return session_environment(
            Inherited(self._config.check_runner.environment(self._config.environ)),
            task=spec,
            attempt_id=self._claim.attempt,
            attempt_number=self._claim.number,
            role=Role.CHECK,
            cwd=cwd,
        )


def failed(so_far: AttemptResult, failure: FailureClass, reason: str) -> AttemptResult:
    return replace(so_far, outcome=Outcome.FAILED, failure_class=failure, error=reason)


def shown(check: Mapping[str, Any]) -> str:
    """A check that failed, in a few words; those without a process have no exit code, and some say what is wrong."""
    exit_code = check["exit_code"]
    if exit_code is None:
        return str(check.get("otherwise") or check["command"])
    return f"{check['command']} (exit {exit_code})"
