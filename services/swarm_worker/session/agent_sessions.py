"""The sessions of one attempt's agents: started, repeated where that helps, and read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from swarm_shared.agents.amplifier.loaded import Loaded
from swarm_shared.agents.launching.environment import Inherited
from swarm_shared.agents.launching.launch import Launch, prepare
from swarm_shared.agents.launching.spending import priced, unpriced_models
from swarm_shared.agents.presets.cli import AgentCli, Progress, Store
from swarm_shared.agents.prompting.prompt import answer_again
from swarm_shared.agents.prompting.resuming import is_saved
from swarm_shared.agents.reading.session_result import Reading, read_cut, read_session, usage_of, warnings_of
from swarm_shared.agents.reading.usage import UNKNOWN_USAGE, Usage
from swarm_shared.domain.models import FailureClass, Role, Stage, TaskSpec
from swarm_shared.domain.routes import Route
from swarm_shared.domain.trouble import Trouble, TroubleKind
from swarm_shared.program.logs import event
from swarm_shared.runners.runner import Command
from swarm_shared.store.queue.claims import Claim, SessionReport
from swarm_worker.config import WorkerConfig
from swarm_worker.session.agent_proof import says_nothing, unproven, verified
from swarm_worker.session.brief import Brief
from swarm_worker.session.record import Record
from swarm_worker.session.session_files import AmplifierFiles, LoggedSession, SessionFiles
from swarm_worker.session.session_types import Cause, Plan, SessionContext
from swarm_worker.session.steps import CutShort, Steps
from swarm_worker.workplaces.workplace import Workplace

LOG = logging.getLogger("swarm.worker")
REPEATS = 2  # of a session alone, after an answer that cannot be read (or a validator that died)


class AgentSessions:
    """Runs builder and validator in one place. `route`: of the session that began last."""

    def __init__(
        self,
        around: SessionContext,
        config: WorkerConfig,
        claim: Claim,
        spec: TaskSpec,
        place: Workplace,
        brief: Brief,
        steps: Steps,
        record: Record,
    ) -> None:
        self._around, self._config, self._claim, self._spec, self._place = around, config, claim, spec, place
        self._brief, self._steps, self._record = brief, steps, record
        self._db, self._clock = around.database, around.database.clock
        self.route: Route | None = None

    def run(self, role: Role, stage: Stage, prompt_of: Callable[[], str]) -> Reading:
        """One session, repeated alone while its answer is unreadable, or while a validator dies.

        The first repeat after an unreadable answer resumes that session, which has done the work already, and asks for
        the answer only; every other repeat starts a new session.
        """
        brief = self._brief
        resumes = brief.resumes if role is Role.BUILDER else None
        asked_again = False
        for repeat in range(REPEATS + 1):
            prompt = answer_again(role) if asked_again else prompt_of()
            reading = self._run_once(role, stage, prompt, resumes)
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

    def _session_to_ask_again(self, cli: AgentCli, role: Role) -> str | None:
        """The session that has just ended, if the CLI can resume it."""
        session = self._record.session_of(role)
        if session is None or not cli.resume:
            return None
        env = {**self._config.environ, **self._spec.env}
        return session if is_saved(cli, session, env=env, cwd=self._place.cwd) else None

    def _run_once(self, role: Role, stage: Stage, prompt: str, resumes: str | None) -> Reading:
        brief = self._brief
        cli = brief.cli(role)
        self.route = brief.route(role)
        launch = prepare(cli, brief.session(role, prompt, resumes), self._environ_of(cli))
        own_limit_s = None if self._spec.timeout_minutes is None else self._spec.timeout_minutes * 60
        default_s = self._config.builder_timeout_s if role is Role.BUILDER else self._config.validator_timeout_s
        files = self._files_of(cli, launch.env, resumes)
        plan = Plan(
            role=role,
            name=brief.agent(role) if cli.takes_agent(role) else cli.name,
            stage=stage,
            prompt=prompt,
            start=self._config.runner.start(self._command(cli, launch), launch.env),
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
            self._record.warn(f"built-in: {cli.name} loaded everything for the {role}", "\n".join(missing))
        reading = self._noted(cli, role, read_session(cli, role, end, self._clock.wall_ms()), files, resumes)
        return self._verified(reading, role, brief.agent(role), files)

    def _environ_of(self, cli: AgentCli) -> Inherited:
        return Inherited(self._config.runner.environment(self._config.environ, cli.variables))

    def _command(self, cli: AgentCli, launch: Launch) -> Command:
        private = self._config.private_dir  # of files that the CLI takes its agent from
        return Command(argv=launch.argv, cwd=self._place.cwd, state=cli.state, readable=(private,))

    def _verified(self, reading: Reading, role: Role, agent: str, files: SessionFiles) -> Reading:
        if says_nothing(reading):
            return reading
        session = self._record.session_of(role)
        loaded = files.has_loaded(agent, session)
        if loaded is Loaded.UNKNOWN:
            self._record.warn(*unproven(role, agent, session))
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

    def _of_this_run(self, cli: AgentCli, parsed: Usage, session: str | None, resumes: str | None) -> Usage:
        """What this session used, where the CLI counts what an earlier run of the same one had used."""
        if not cli.result.cumulative or session is None or session != resumes:
            return parsed
        before = self._db.tasks.used_by_session(self._claim.task, session)
        return parsed.since(before, cumulative=cli.result.cumulative)

    def _noted(self, cli: AgentCli, role: Role, reading: Reading, files: SessionFiles, resumes: str | None) -> Reading:
        """The reading, completed from the session's files."""
        session = reading.session_id or files.session_id()
        self._record.note_session(role, session)
        parsed, used = usage_of(reading), files.used(session)
        if parsed == UNKNOWN_USAGE:
            parsed = used.usage
        models = reading.models or used.models
        of_this_run = self._of_this_run(cli, parsed, session, resumes)
        by_model = reading.by_model or used.by_model
        usage = priced(of_this_run, models, self._config.prices, by_model)
        self._record.add_usage(usage)
        self._steps.report(
            SessionReport(
                cli_session_id=session,
                models=", ".join(models) or None,
                tokens=usage.tokens,
                cached_tokens=usage.cached_tokens,
                output_tokens=usage.output_tokens,
                cost_usd=usage.cost_usd,
            ),
            partly_unpriced=unpriced_models(by_model, self._config.prices),
        )
        if reading.failure is FailureClass.SETUP and reading.trouble is None and not reading.unfit:
            reading = replace(reading, trouble=Trouble(kind=TroubleKind.STARTUP, text=reading.reason))
        return reading
