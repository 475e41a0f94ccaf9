"""The prompts of one attempt's sessions, and their agents: the task, earlier attempts, the user's note."""

from __future__ import annotations

from typing import Any

from swarm_shared.agents.launching.launch import SessionPlan
from swarm_shared.agents.launching.routes import on_route, session_options
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.prompting.history import check_results, past_attempts, questions
from swarm_shared.agents.prompting.prompt import build_prompt
from swarm_shared.agents.prompting.resuming import session_to_resume
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Role, TaskSpec
from swarm_shared.domain.routes import Route
from swarm_shared.store.queue.claims import Claim
from swarm_shared.store.queue.policy import AttemptResult
from swarm_worker.config import WorkerConfig
from swarm_worker.workplaces.workplace import Workplace


class Brief:
    """Prompts of one claim. `resumes` names the earlier builder session to resume, while that is possible."""

    def __init__(
        self, database: TaskDatabase, config: WorkerConfig, claim: Claim, spec: TaskSpec, place: Workplace
    ) -> None:
        """Look up what was tried before; reads only.

        Raises:
            ConfigError: The task's agent CLI is not known.
        """
        self._config, self._claim, self._spec, self._place = config, claim, spec, place
        assert claim.routes is not None, "only landings have none"
        self._routes = {Role.BUILDER: claim.routes.builder, Role.VALIDATOR: claim.routes.validator}
        self._clis = {role: on_route(config.presets, route, config.environ) for role, route in self._routes.items()}
        self._failures = 0  # since the last fresh budget
        self._history: list[dict[str, Any]] = []
        self.gate: tuple[str, ...] = ()  # run before the validator too, once a landing was refused
        self.resumes: str | None = None
        if claim.number > 1:
            self._failures, refused = database.queue.failures(claim), database.landings.failures(claim)
            self.gate = tuple(config.gate) if refused else ()
            self._history = database.tasks.history(claim.task)
        if self._history:
            claim_route = claim.routes.builder
            self.resumes = session_to_resume(
                self.cli(Role.BUILDER),
                self._history,
                retries_used=self._failures + refused,
                agent=self.agent(Role.BUILDER),
                env={**config.environ, **spec.env},
                cwd=place.cwd,
                shares_sessions=lambda name: claim_route.shares_sessions_with(config.routing.find(name)),
            )

    def cli(self, role: Role) -> AgentCli:
        """The agent CLI of that role's sessions, with the environment of its route."""
        return self._clis[role]

    def route(self, role: Role) -> Route:
        return self._routes[role]

    def _options(self, role: Role) -> tuple[str, ...]:
        """Model and further arguments of that role's sessions: the task's, the route's, the swarm's.

        The task's are meant for the agent CLI that it would run with if nothing were on hold, the swarm's for its own.

        Raises:
            ConfigError: The agent CLI cannot take them.
        """
        route, config, spec = self._routes[role], self._config, self._spec
        is_builder = role is Role.BUILDER
        model, args = route.model, route.args
        if route.agent_cli == config.agent_cli:
            model, args = model or config.models[role], (*args, *config.args[role])
        if route.agent_cli == config.routing.home_cli(spec.agent_cli or "", config.agent_cli, role):
            model = (spec.builder_model if is_builder else spec.validator_model) or model
            args = (*args, *(spec.builder_args if is_builder else spec.validator_args))
        return session_options(self.cli(role), model=model, args=args)

    def session(self, role: Role, prompt: str, resumes: str | None) -> SessionPlan:
        """What one session of that role is started with.

        Raises:
            ConfigError: The agent CLI cannot take the model or the arguments.
        """
        return SessionPlan(
            role=role,
            agent=self.agent(role),
            prompt=prompt,
            task=self._spec,
            attempt_id=self._claim.attempt,
            attempt_number=self._claim.number,
            private_dir=self._config.private_dir,
            project_root=self._place.cwd,
            options=self._options(role),
            resume_session=resumes,
        )

    def agent(self, role: Role) -> str:
        if role is Role.BUILDER:
            return self._spec.builder_agent or self._config.builder_agent
        return self._spec.validator_agent or self._config.validator_agent

    def for_builder(self) -> str:
        """The builder's prompt."""
        return build_prompt(
            self._spec,
            role=Role.BUILDER,
            attempt_number=self._claim.number,
            attempts_allowed=self._attempts_allowed(),
            project_root=self._place.cwd,
            history=past_attempts(self._history),
            questions=questions(self._history),
            diff=self._place.earlier_work() if self._history else None,
            note=self._claim.note,
            gate=self.gate,
            resumes=self.resumes is not None,
            guard_mentions=self.cli(Role.BUILDER).expands_mentions,
        )

    def for_validator(self, built: AttemptResult) -> str:
        """The validator's prompt; it contains only the files from the builder's answer."""
        return build_prompt(
            self._spec,
            role=Role.VALIDATOR,
            attempt_number=self._claim.number,
            attempts_allowed=self._attempts_allowed(),
            project_root=self._place.cwd,
            diff=self._place.change(),
            builder_answer=built.builder_result,
            check_results=check_results(built.check_results),
            gate=self.gate,
            guard_mentions=self.cli(Role.VALIDATOR).expands_mentions,
        )

    def _attempts_allowed(self) -> int:
        retries = self._spec.max_retries if self._spec.max_retries is not None else self._config.max_retries
        return self._claim.number + max(0, retries - self._failures)
