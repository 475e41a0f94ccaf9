"""The life of one attempt: build, check, validate, and the one result that settles it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from swarm_shared.agents.cli import Progress, TroubleKind
from swarm_shared.agents.history import check_results, past_attempts
from swarm_shared.agents.launch import SessionPlan, has_session, prepare, session_environment
from swarm_shared.agents.presets import choose
from swarm_shared.agents.prompt import build_prompt
from swarm_shared.agents.reading import Reading, read_session, tail_lines
from swarm_shared.agents.trouble import Trouble
from swarm_shared.agents.usage import events_size, session_usage
from swarm_shared.clock import Clock
from swarm_shared.errors import ConfigError, InputError, LeaseLost
from swarm_shared.logs import event
from swarm_shared.models import FailureClass, Outcome, Role, Stage
from swarm_shared.store.policy import AttemptResult
from swarm_shared.store.queue import Claim, ClosedSession
from swarm_worker.config import WorkerConfig
from swarm_worker.session import Cause, Cut, Ended, Plan, Session, Surroundings

LOG = logging.getLogger("swarm.worker")
REPEATS = 2  # of a session alone, after an answer that nobody can read (or a validator that died)
SHELL = "/bin/sh"
_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """An attempt's result, and the control rows that its end answers."""

    result: AttemptResult
    answers: tuple[int, ...] = ()
    last: ClosedSession | None = None


class _CutShort(Exception):
    """Leaves the stages when somebody cut a session short."""

    def __init__(self, cut: Cut) -> None:
        super().__init__(cut.text)
        self.cut = cut


class Attempt:
    """Runs the stages of one claim. `run` returns when nothing of any session is left."""

    def __init__(self, around: Surroundings, config: WorkerConfig, claim: Claim, clock: Clock) -> None:
        self._around, self._config, self._claim, self._clock = around, config, claim, clock
        self._db = around.database
        self._result = AttemptResult(outcome=Outcome.PASSED)
        self._last: ClosedSession | None = None

    def run(self) -> Concluded:
        """Build, check, validate.

        Raises:
            LeaseLost: Somebody else owns the task; the sessions are gone, the result is void.
            TreeUnproven: Something of a session could not be ended.
        """
        try:
            self._spec = self._db.tasks.spec(self._claim.task)
            self._cli = choose(self._config.presets, self._claim.agent_cli)
            self._failures = self._db.queue.failures(self._claim) if self._claim.number > 1 else 0
            failed = self._build() or self._check() or self._validate()
        except _CutShort as short:
            return self._concluded(short.cut)
        except InputError as error:
            failed = self._failed(FailureClass.QUALITY, f"{error.message}; {error.hint}")
        except ConfigError as error:
            failed = self._cannot_start(error)
        return Concluded(result=failed or self._result, last=self._last)

    # ───── stages ─────

    def _build(self) -> AttemptResult | None:
        reading = self._session(Role.BUILDER, Stage.BUILDING, self._builder_prompt)
        self._result = replace(self._result, builder_session_id=reading.session_id, builder_result=reading.answer)
        return self._unless_passed(reading)

    def _check(self) -> AttemptResult | None:
        results: list[dict[str, Any]] = []
        for command in (*self._config.checks, *self._spec.checks):
            results.append(self._run_check(command))
            self._result = replace(self._result, check_results=results)
        failed = [result for result in results if not result["passed"]]
        if results:
            told = f"{len(results) - len(failed)} of {len(results)} checks passed"
            self._db.queue.note_event(self._claim, "checked", told)
        if not failed:
            return None
        reason = "; ".join(f"check failed: {check['command']} (exit {check['exit_code']})" for check in failed)
        return self._failed(FailureClass.QUALITY, reason)

    def _validate(self) -> AttemptResult | None:
        if not self._config.validation or not has_session(self._cli, Role.VALIDATOR, self._spec):
            return None
        reading = self._session(Role.VALIDATOR, Stage.VALIDATING, self._validator_prompt)
        self._result = replace(self._result, validator_session_id=reading.session_id, validator_result=reading.answer)
        if reading.failure in (None, FailureClass.QUALITY):
            verdict = "PASS" if reading.failure is None else "FAIL"
            self._db.queue.note_event(self._claim, "validated", verdict)
        return self._unless_passed(reading)

    # ───── sessions ─────

    def _session(self, role: Role, stage: Stage, prompt_of: Callable[[], str]) -> Reading:
        """One session, repeated alone while its answer is unreadable, or while a validator dies."""
        for repeat in range(REPEATS + 1):
            reading = self._run_session(role, stage, prompt_of())
            again = reading.failure is FailureClass.UNREADABLE or (
                reading.failure is FailureClass.CRASH and role is Role.VALIDATOR
            )
            if not again:
                break
            event(
                LOG,
                "session_repeated",
                task=self._claim.task_id,
                attempt=self._claim.number,
                role=role,
                repeat=repeat + 1,
                reason=reading.reason[:200],
            )
        return reading

    def _run_session(self, role: Role, stage: Stage, prompt: str) -> Reading:
        agent = self._agent(role)
        launch = prepare(
            self._cli,
            SessionPlan(
                role=role,
                agent=agent,
                prompt=prompt,
                task=self._spec,
                attempt_id=self._claim.attempt,
                attempt_number=self._claim.number,
                private_dir=self._config.private_dir,
                project_root=self._config.project_root,
            ),
            self._config.environ,
        )
        own_limit_s = None if self._spec.timeout_minutes is None else self._spec.timeout_minutes * 60
        default_s = self._config.builder_timeout_s if role is Role.BUILDER else self._config.validator_timeout_s
        started_ms = self._clock.wall_ms()
        ended = self._run(
            Plan(
                role=role,
                name=agent,
                stage=stage,
                prompt=prompt,
                argv=(*self._config.container, *launch.argv),
                env=launch.env,
                cwd=self._config.project_root,
                stdin=launch.stdin,
                limit_s=own_limit_s or default_s,
                stuck_s=None if self._cli.progress is Progress.NONE else self._config.orphan_timeout_s,
                signs=self._file_signs(launch.env, started_ms),
            )
        )
        signs = [sign() for sign in self._file_signs(launch.env, started_ms)]
        end = replace(ended.end, began=any(sign is not None for sign in signs))
        reading = read_session(self._cli, role, end, self._clock.wall_ms())
        return self._with_usage(reading, launch.env)

    def _run_check(self, command: str) -> dict[str, Any]:
        env = session_environment(
            self._config.environ,
            task=self._spec,
            attempt_id=self._claim.attempt,
            attempt_number=self._claim.number,
            role=Role.CHECK,
        )
        ended = self._run(
            Plan(
                role=Role.CHECK,
                name=command,
                stage=Stage.CHECKING,
                prompt=None,
                argv=(*self._config.container, SHELL, "-c", command),
                env=env,
                cwd=self._config.project_root,
                stdin=b"",
                limit_s=self._config.check_timeout_s,
                stuck_s=None,
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

    def _run(self, plan: Plan, *, limit_is_failure: bool = False) -> Ended:
        ended = Session(self._around, self._claim, plan).run(before=self._last)
        self._last = ended.closed
        cut = ended.cut
        if cut is not None and not (limit_is_failure and cut.cause is Cause.TIME_LIMIT):
            raise _CutShort(cut)
        return ended

    def _agent(self, role: Role) -> str:
        if role is Role.BUILDER:
            return self._spec.builder_agent or self._config.builder_agent
        return self._spec.validator_agent or self._config.validator_agent

    def _file_signs(self, env: Mapping[str, str], started_ms: int) -> tuple[Callable[[], float | None], ...]:
        if self._cli.progress is not Progress.EVENTS:
            return ()
        root = self._config.project_root
        return (lambda: events_size(self._cli, env=env, cwd=root, started_ms=started_ms),)

    # ───── prompts ─────

    def _builder_prompt(self) -> str:
        history = self._db.tasks.attempts(self._claim.task)[:-1] if self._claim.number > 1 else []
        return build_prompt(
            self._spec,
            role=Role.BUILDER,
            attempt_number=self._claim.number,
            attempts_allowed=self._attempts_allowed(),
            project_root=self._config.project_root,
            history=past_attempts(history),
            note=self._claim.note,
            guard_mentions=self._cli.expands_mentions,
        )

    def _validator_prompt(self) -> str:
        return build_prompt(
            self._spec,
            role=Role.VALIDATOR,
            attempt_number=self._claim.number,
            attempts_allowed=self._attempts_allowed(),
            project_root=self._config.project_root,
            builder_answer=self._result.builder_result,
            check_results=check_results(self._result.check_results),
            guard_mentions=self._cli.expands_mentions,
        )

    def _attempts_allowed(self) -> int:
        retries = self._spec.max_retries if self._spec.max_retries is not None else self._config.max_retries
        return self._claim.number + max(0, retries - self._failures)

    # ───── results ─────

    def _unless_passed(self, reading: Reading) -> AttemptResult | None:
        if reading.failure is None:
            return None
        return replace(
            self._failed(reading.failure, reading.reason), must_fix=reading.must_fix, trouble=reading.trouble
        )

    def _failed(self, failure: FailureClass, reason: str) -> AttemptResult:
        return replace(self._result, outcome=Outcome.FAILED, failure_class=failure, error=reason)

    def _cannot_start(self, error: ConfigError) -> AttemptResult:
        trouble = Trouble(kind=TroubleKind.STARTUP, text=error.message)
        failed = self._failed(FailureClass.SETUP, error.message)
        return replace(failed, trouble=trouble)

    def _with_usage(self, reading: Reading, env: Mapping[str, str]) -> Reading:
        tokens, cost_usd = reading.tokens, reading.cost_usd
        if tokens is None and cost_usd is None and reading.session_id:
            usage = session_usage(self._cli, env=env, cwd=self._config.project_root, session_id=reading.session_id)
            tokens, cost_usd = usage.tokens, usage.cost_usd
        self._result = replace(
            self._result,
            tokens=_plus(self._result.tokens, tokens),
            cost_usd=_plus(self._result.cost_usd, cost_usd),
        )
        if reading.failure is FailureClass.SETUP and reading.trouble is None:
            reading = replace(reading, trouble=Trouble(kind=TroubleKind.STARTUP, text=reading.reason))
        return reading

    def _concluded(self, cut: Cut) -> Concluded:
        match cut.cause:
            case Cause.LEASE_LOST:
                raise LeaseLost(f"task {self._claim.task_id}: {cut.text}")
            case Cause.KILLED:
                result = replace(self._result, outcome=Outcome.KILLED, error=cut.text)
            case Cause.CANCELLED:
                result = replace(self._result, outcome=Outcome.CANCELLED, error=cut.text)
            case Cause.INTERRUPTED:
                result = self._failed(FailureClass.INTERRUPTED, cut.text)
            case Cause.KEEPER_LOST:
                result = self._failed(FailureClass.CRASH, cut.text)
            case Cause.TIME_LIMIT | Cause.STUCK:
                result = self._failed(FailureClass.QUALITY, cut.text)
        return Concluded(result=result, answers=cut.orders, last=self._last)


def _plus(one: _Number | None, other: _Number | None) -> _Number | None:
    """A sum in which unknown is not zero."""
    if one is None or other is None:
        return other if one is None else one
    return one + other
