"""The life of one attempt: build, check, validate, and the one result that settles it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from swarm_shared.agents.amplifier.loaded import Loaded
from swarm_shared.agents.launching.launch import has_session, prepare
from swarm_shared.agents.launching.spending import priced
from swarm_shared.agents.presets.cli import AgentCli, Progress, Store
from swarm_shared.agents.prompting.prompt import answer_again
from swarm_shared.agents.prompting.resuming import is_saved
from swarm_shared.agents.reading.session_result import Reading, read_cut, read_session, usage_of, warnings_of
from swarm_shared.agents.reading.usage import UNKNOWN_USAGE, Usage
from swarm_shared.domain.clock import Clock
from swarm_shared.domain.errors import ConfigError, InputError
from swarm_shared.domain.models import FailureClass, HoldReason, Outcome, Role, Stage
from swarm_shared.domain.routes import Route
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.git.plumbing.git_errors import GitError, GitUnusable
from swarm_shared.program.logs import event
from swarm_shared.store.queue.claims import Claim, SessionReport
from swarm_shared.store.queue.policy import AttemptResult
from swarm_worker.config import WorkerConfig
from swarm_worker.landing.integration_branch import QueueStopped
from swarm_worker.session.agent_proof import says_nothing, unproven, verified
from swarm_worker.session.brief import Brief
from swarm_worker.session.session_files import AmplifierFiles, LoggedSession, SessionFiles
from swarm_worker.session.session_types import Cause, Plan, Surroundings
from swarm_worker.session.steps import Concluded, CutShort, Steps, failed, shown
from swarm_worker.workplaces.workplace import Beyond, Sealed, Workplaces

LOG = logging.getLogger("swarm.worker")
NAMED_PATHS = 20
REPEATS = 2  # of a session alone, after an answer that nobody can read (or a validator that died)


class Attempt:
    """Runs the stages of one claim. `run` returns when nothing of any session is left."""

    def __init__(
        self, around: Surroundings, config: WorkerConfig, workplaces: Workplaces, claim: Claim, clock: Clock
    ) -> None:
        self._claim = claim
        self._around, self._config, self._workplaces, self._clock = around, config, workplaces, clock
        self._db = around.database
        self._steps = Steps(around, config, claim)
        self._route: Route | None = None  # of the session that began last
        self._result = AttemptResult(outcome=Outcome.PASSED)
        self._sealed: Sealed | None = None
        self._clean_after: int | None = None  # what was written up to the end of this session is undone

    def run(self) -> Concluded:
        """Build, check, validate.

        Raises:
            LeaseLost: The task has another owner; the sessions are gone, the result is void.
            TreeUnproven: Something of a session could not be ended.
        """
        try:
            self._spec = self._db.tasks.spec(self._claim.task)
            with self._workplaces.open(self._claim, self._spec) as self._place:
                return self._kept(self._run())
        except InputError as error:
            return Concluded(result=self._unfit(error))
        except QueueStopped as stopped:
            return Concluded(result=failed(self._result, FailureClass.INTERRUPTED, stopped.message))
        except (GitError, GitUnusable) as error:
            # Nobody's fault that a retry could mend by other work: after some tries a person has to look.
            reason = f"{error.message}; {error.hint}" if error.hint else error.message
            result = replace(self._failed(FailureClass.CRASH, reason), blames_machine=True)
            return Concluded(result=result)

    def _run(self) -> Concluded:
        try:
            brief = Brief(self._db, self._config, self._claim, self._spec, self._place)
            result = self._set_up() or self._build(brief) or self._check(brief) or self._validate(brief)
        except CutShort as short:
            return self._steps.concluded(short.cut, self._result)
        except GitUnusable:
            raise
        except InputError as error:
            result = self._unfit(error)
        except ConfigError as error:
            result = self._cannot_start(error)
        return Concluded(result=result or self._result)

    def _kept(self, concluded: Concluded) -> Concluded:
        """Leave nothing behind that is not in a commit: after a person's kill, a crash or a stop of ours as well."""
        try:
            if self._sealed is None:
                self._sealed = self._place.seal()
            else:
                self._restore()
        except GitError as error:
            if concluded.result.outcome not in (Outcome.KILLED, Outcome.CANCELLED):
                raise
            # A person's word stands all the same; whoever opens the worktree next commits what is there.
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
                told = f"setup failed: {command} (exit {done['exit_code']}): {done['output']}"
                return replace(self._failed(FailureClass.CRASH, told), blames_machine=True)
        self._place.set_up()
        return None

    def _build(self, brief: Brief) -> AttemptResult | None:
        reading = self._session(brief, Role.BUILDER, Stage.BUILDING, brief.for_builder)
        if reading.answer is not None:
            self._result = replace(self._result, builder_result=reading.answer)
        self._sealed = self._place.seal()  # before anything looks at it: the verdict is about this commit
        self._clean_after = self._steps.last
        if self._sealed is not None and self._sealed.accident is not None:
            return self._failed(FailureClass.CRASH, self._sealed.accident)
        return self._unless_passed(reading)

    def _check(self, brief: Brief) -> AttemptResult | None:
        self._result = self._with_beyond(self._result)
        if self._result.hold is not None:
            return self._result
        results = [*(self._result.check_results or []), *self._place.checks()]
        for command in (*self._config.checks, *self._spec.checks, *brief.gate):
            results.append(self._steps.check(command, self._spec, cwd=self._place.cwd))
            self._result = replace(self._result, check_results=results)
        if not results:
            return None
        self._result = replace(self._result, check_results=results)
        failed = [result for result in results if not result["passed"]]
        told = f"{len(results) - len(failed)} of {len(results)} checks passed"
        self._db.queue.note_event(self._claim, "checked", told)
        if not failed:
            return None
        reason = "; ".join(f"check failed: {shown(check)}" for check in failed)
        return self._failed(FailureClass.QUALITY, reason)

    def _validate(self, brief: Brief) -> AttemptResult | None:
        if not self._config.validation or not has_session(brief.cli(Role.VALIDATOR), Role.VALIDATOR, self._spec):
            return None
        self._restore()  # what the checks have written is no part of the work
        reading = self._session(brief, Role.VALIDATOR, Stage.VALIDATING, lambda: brief.for_validator(self._result))
        self._note_writes(self._restore())
        if reading.failure is FailureClass.CRASH:
            # No verdict, as if it were unreadable: a person looks, and nothing is built anew for it.
            reason = f"no verdict in {REPEATS + 1} sessions; the last one: {reading.reason}"
            reading = replace(reading, failure=FailureClass.UNREADABLE, reason=reason)
        self._result = replace(self._result, validator_result=reading.answer)
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
        self._warn("built-in: the validator changed nothing", "thrown away: " + ", ".join(paths[:NAMED_PATHS]))

    def _warn(self, check: str, text: str) -> None:
        """Show something of this attempt that decides nothing."""
        warning = {"command": check, "passed": True, "warning": True, "exit_code": None, "output": text}
        self._result = replace(self._result, check_results=[*(self._result.check_results or []), warning])

    # ───── sessions ─────

    def _session(self, brief: Brief, role: Role, stage: Stage, prompt_of: Callable[[], str]) -> Reading:
        """One session, repeated alone while its answer is unreadable, or while a validator dies.

        The first repeat after an unreadable answer resumes that session, which has done the work already, and asks for
        the answer only; every other repeat starts a new session.
        """
        resumes = brief.resumes if role is Role.BUILDER else None
        asked_again = False
        for repeat in range(REPEATS + 1):
            prompt = answer_again(role) if asked_again else prompt_of()
            reading = self._run_session(brief, role, stage, prompt, resumes)
            unreadable = reading.failure is FailureClass.UNREADABLE
            again = unreadable or (reading.failure is FailureClass.CRASH and (role is Role.VALIDATOR or asked_again))
            # A session that cannot be resumed says nothing about the CLI, which may have deleted it.
            if not again and not (reading.failure is FailureClass.SETUP and resumes):
                break
            brief.resumes = None  # a full prompt from here on is for a session that knows nothing yet
            resumes = self._session_to_ask_again(brief.cli(role), role) if unreadable and not asked_again else None
            asked_again = resumes is not None
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

    def _session_of(self, role: Role) -> str | None:
        return self._result.builder_session_id if role is Role.BUILDER else self._result.validator_session_id

    def _session_to_ask_again(self, cli: AgentCli, role: Role) -> str | None:
        """The session that has just ended, if the CLI can resume it."""
        session = self._session_of(role)
        if session is None or not cli.resume:
            return None
        env = {**self._config.environ, **self._spec.env}
        return session if is_saved(cli, session, env=env, cwd=self._place.cwd) else None

    def _run_session(self, brief: Brief, role: Role, stage: Stage, prompt: str, resumes: str | None) -> Reading:
        cli, agent = brief.cli(role), brief.agent(role)
        self._route = brief.route(role)
        launch = prepare(cli, brief.session(role, prompt, resumes), self._config.environ)
        own_limit_s = None if self._spec.timeout_minutes is None else self._spec.timeout_minutes * 60
        default_s = self._config.builder_timeout_s if role is Role.BUILDER else self._config.validator_timeout_s
        files = self._files_of(cli, launch.env, resumes)
        plan = Plan(
            role=role,
            name=agent,
            stage=stage,
            prompt=prompt,
            argv=(*self._config.container, *launch.argv),
            env=launch.env,
            cwd=self._place.cwd,
            stdin=launch.stdin,
            limit_s=own_limit_s or default_s,
            stuck_s=None if cli.progress is Progress.NONE else self._config.orphan_timeout_s,
            redaction=self._around.redaction.knowing(cli.env, self._spec.env),
            resumes=resumes,
            signs=files.signs,
            idle_cpu_s=cli.idle_cpu_s,
        )
        self._steps.begin_agent()
        try:
            ended = self._steps.run(plan)
        except CutShort as short:
            reading = self._noted(cli, role, self._read_cut(cli, short), files, resumes)
            if reading.failure is None:
                raise
            return reading
        end = replace(ended.end, began=True) if files.began else ended.end
        if missing := warnings_of(cli, end):
            self._warn(f"built-in: {cli.name} loaded everything for the {role}", "\n".join(missing))
        reading = self._noted(cli, role, read_session(cli, role, end, self._clock.wall_ms()), files, resumes)
        return self._verified(reading, role, agent, files)

    def _verified(self, reading: Reading, role: Role, agent: str, files: SessionFiles) -> Reading:
        if says_nothing(reading):
            return reading
        session = self._session_of(role)
        loaded = files.has_loaded(agent, session)
        if loaded is Loaded.UNKNOWN:
            self._warn(*unproven(role, agent, session))
        own = self._spec.builder_agent if role is Role.BUILDER else self._spec.validator_agent
        return verified(reading, loaded, role=role, agent=agent, named_by_task=own is not None)

    def _read_cut(self, cli: AgentCli, short: CutShort) -> Reading:
        """What a session that was cut short had reported; its failure is PROVIDER where that was why it ended."""
        if short.end is None:
            return Reading(failure=None)
        cause = short.cut.cause
        reading = read_cut(cli, short.end, stuck=cause is Cause.STUCK, now_ms=self._clock.wall_ms())
        if cause not in (Cause.STUCK, Cause.TIME_LIMIT):
            return replace(reading, failure=None, trouble=None)
        return replace(reading, reason=f"{short.cut.text}; {reading.reason}") if reading.failure else reading

    def _files_of(self, cli: AgentCli, env: Mapping[str, str], resumes: str | None) -> SessionFiles:
        if cli.store is not Store.AMPLIFIER:
            return LoggedSession(cli, env=env, resumes=resumes)
        cwd, alone = self._place.cwd, self._place.own
        now = self._clock.wall_ms()
        return AmplifierFiles(cli, env=env, cwd=cwd, started_ms=now, resumes=resumes, alone=alone)

    # ───── results ─────

    def _unless_passed(self, reading: Reading) -> AttemptResult | None:
        if reading.failure is None:
            return None
        if reading.question:
            # Nothing failed: the attempt ends without a cost, and the next one continues with the answer.
            asked = self._failed(FailureClass.INTERRUPTED, reading.reason)
            return replace(asked, hold=HoldReason.QUESTION, question=reading.question)
        return replace(
            self._failed(reading.failure, reading.reason),
            must_fix=reading.must_fix,
            trouble=reading.trouble,
            trouble_on=self._route,
            unfit=reading.unfit,
            blames_machine=reading.blames_machine,
        )

    def _note_session(self, role: Role, session_id: str | None) -> None:
        if role is Role.BUILDER:
            if session_id != self._result.builder_session_id:
                self._result = replace(self._result, builder_session_id=session_id)
        else:
            self._result = replace(self._result, validator_session_id=session_id)

    def _add_usage(self, usage: Usage) -> None:
        if usage == UNKNOWN_USAGE:
            return
        so_far = self._result
        total = usage.plus(
            Usage(tokens=so_far.tokens, cached_tokens=so_far.cached_tokens, cost_usd=so_far.cost_usd),
        )
        self._result = replace(so_far, tokens=total.tokens, cached_tokens=total.cached_tokens, cost_usd=total.cost_usd)

    def _failed(self, failure: FailureClass, reason: str) -> AttemptResult:
        return failed(self._result, failure, reason)

    def _unfit(self, error: InputError) -> AttemptResult:
        """The task cannot be started as it is, however often it is tried."""
        return replace(self._failed(FailureClass.SETUP, f"{error.message}; {error.hint}"), unfit=True)

    def _cannot_start(self, error: ConfigError) -> AttemptResult:
        trouble = Trouble(kind=TroubleKind.STARTUP, text=error.message)
        failed = self._failed(FailureClass.SETUP, error.message)
        return replace(failed, trouble=trouble, trouble_on=self._route)

    def _of_this_run(self, cli: AgentCli, told: Usage, session: str | None, resumes: str | None) -> Usage:
        """What this session used, where the CLI counts what an earlier run of the same one had used."""
        if not cli.result.cumulative or session is None or session != resumes:
            return told
        before = self._db.tasks.used_by_session(self._claim.task, session)
        return told.since(before, cumulative=cli.result.cumulative)

    def _noted(self, cli: AgentCli, role: Role, reading: Reading, files: SessionFiles, resumes: str | None) -> Reading:
        """The reading, with what the session's files tell beside it."""
        session = reading.session_id or files.session_id()
        self._note_session(role, session)
        told = usage_of(reading)
        if told == UNKNOWN_USAGE:
            told = files.usage(session)
        models = reading.models or files.models(session)
        usage = priced(self._of_this_run(cli, told, session, resumes), models, self._config.prices)
        self._add_usage(usage)
        self._steps.report(
            SessionReport(
                cli_session_id=session,
                models=", ".join(models) or None,
                tokens=usage.tokens,
                cached_tokens=usage.cached_tokens,
                output_tokens=usage.output_tokens,
                cost_usd=usage.cost_usd,
            )
        )
        if reading.failure is FailureClass.SETUP and reading.trouble is None and not reading.unfit:
            reading = replace(reading, trouble=Trouble(kind=TroubleKind.STARTUP, text=reading.reason))
        return reading
