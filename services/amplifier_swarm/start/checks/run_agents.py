"""Whether the agent CLIs of a run can start and know the agents that tasks name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from amplifier_swarm.start.checks.problems import EXIT_SETTINGS, Problem
from swarm_shared.agents.amplifier.persona import split_agent
from swarm_shared.agents.launching.agent_checks import CliFinding, Topic, check_agent_cli
from swarm_shared.agents.launching.environment import Inherited, inherited, question_environment
from swarm_shared.agents.launching.launch import ARGUMENT_LIMIT_BYTES
from swarm_shared.agents.launching.routes import empty_variables, on_route, route_problems
from swarm_shared.agents.launching.spending import budget_problems
from swarm_shared.agents.presets.catalog import choose, load_presets
from swarm_shared.agents.presets.cli import AgentCli, PromptChannel
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import EXIT_AGENT_CLI, ConfigError, SwarmError
from swarm_shared.domain.models import Role
from swarm_shared.domain.routes import Route
from swarm_shared.settings.settings import Settings
from swarm_shared.store.views.runs import AgentsNamed

ANSWER_S = 15.0  # for a version, and for whether it is logged in
TASKS_SCANNED = 50_000
NAME = "agent CLI"
NAMED_TASKS = 20


class AgentFindings(Struct, frozen=True, kw_only=True):
    """Problems, by agent CLI what only a warm-up run could decide, and warnings (texts for the user).

    The names are those of routes: without routes in swarm.yaml they are those of the CLIs. `agents` are those that each
    one's sessions will be; `unknown` are problems if a warm-up does not solve them.
    """

    problems: tuple[Problem, ...] = ()
    undecided: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    unknown: Mapping[str, tuple[Problem, ...]] = field(default_factory=dict)
    agents: Mapping[str, tuple[tuple[Role, str], ...]] = field(default_factory=dict)


def check_agents(settings: Settings, named: Sequence[AgentsNamed], environ: Mapping[str, str]) -> AgentFindings:
    """Check the routes of this run, or its own agent CLI, and the CLIs that tasks name, each with all of its agents.

    Args:
        named: What unfinished tasks name.
        environ: The environment that this process was started in.
    """
    problems: list[Problem] = []
    undecided: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, tuple[Problem, ...]] = {}
    wanted = _wanted(settings, named)
    warnings: list[str] = []
    try:
        presets = load_presets(settings.agent_clis)
    except ConfigError as error:
        return AgentFindings(problems=(Problem.because(NAME, error),))
    base = inherited(environ, presets)
    problems += map(_problem, route_problems(settings.routing, presets, base))
    for name, agents in wanted.items():
        route = settings.routing.find(name)
        try:
            problems += map(_problem, empty_variables(choose(presets, route.agent_cli), base))
            cli = on_route(presets, route, base)
            problems += map(_problem, _budget_problems(settings, route, cli))
            env = question_environment(base, cli, settings.project_root)
            found = check_agent_cli(
                cli, [agent for _, agent in agents], env=env, cwd=settings.project_root, timeout_s=ANSWER_S
            )
        except ConfigError as error:
            problems.append(_problem(error))
            continue
        # If tasks set their own variables, these may include the key, so a missing login proves nothing.
        may_bring_keys = any(each.own_env and (each.agent_cli or settings.agent_cli) == cli.name for each in named)
        if may_bring_keys:
            found = tuple(replace(each, fatal=False) if each.topic is Topic.LOGIN else each for each in found)
        for finding in found:
            if finding.fatal:
                # A name that does not exist is a wrong setting; anything else prevents the CLI from starting.
                code = EXIT_SETTINGS if finding.topic is Topic.AGENT else EXIT_AGENT_CLI
                problems.append(Problem.stated(NAME, finding.text, finding.hint or None, exit_code=code))
        left = tuple(finding.text for finding in found if not finding.fatal and finding.topic is not Topic.LOGIN)
        if left:
            undecided[name] = left
        unknown[name] = tuple(_unknown(finding) for finding in found if _is_unknown(finding))
        warnings += [finding.text for finding in found if not finding.fatal and finding.topic is Topic.LOGIN]
    return AgentFindings(
        problems=tuple(problems), undecided=undecided, warnings=tuple(warnings), unknown=unknown, agents=wanted
    )


def _problem(error: SwarmError) -> Problem:
    return Problem.because(NAME, error)


def _budget_problems(settings: Settings, route: Route, cli: AgentCli) -> Iterator[ConfigError]:
    model = route.model or (settings.builder_model if cli.name == settings.agent_cli else "")
    return budget_problems(settings.budget, settings.prices, cli, model=model)


def _is_unknown(finding: CliFinding) -> bool:
    # A bundle without an agent is proven by the warm-up, which starts with it.
    return finding.topic is Topic.AGENT and not finding.fatal and split_agent(finding.agent) is not None


def _unknown(finding: CliFinding) -> Problem:
    return Problem.stated(
        NAME,
        f"agent {finding.agent} not found in the bundles that amplifier has fetched",
        "`amplifier bundle list` shows the bundles; correct the name, or add its bundle: `amplifier bundle add`",
    )


def preset(settings: Settings, route: str, environ: Inherited) -> AgentCli:
    """The agent CLI of the route of that name.

    Raises:
        ConfigError: There is none.
    """
    return on_route(load_presets(settings.agent_clis), settings.routing.find(route), environ)


def handed_on(settings: Settings, environ: Mapping[str, str]) -> Inherited:
    """The part of this process's initial environment that sessions inherit.

    Raises:
        ConfigError: An agent CLI of swarm.yaml cannot work.
    """
    return inherited(environ, load_presets(settings.agent_clis))


def long_prompts(settings: Settings, database: TaskDatabase) -> tuple[str, ...]:
    """Warnings of tasks that the agent CLI cannot take, because it gets its prompt as one argument."""
    try:
        presets = load_presets(settings.agent_clis)
    except ConfigError:
        return ()  # found and named by `check_agents`
    warnings = []
    for task_id, name, length in database.runs.long_descriptions(ARGUMENT_LIMIT_BYTES, limit=NAMED_TASKS):
        cli = presets.get(name or settings.agent_cli)
        if cli is not None and cli.prompt is PromptChannel.ARGUMENT:
            warnings.append(
                f"task {task_id} will be held: its description has {length:,} bytes, and agent CLI {cli.name} takes "
                f"its prompt as one argument, of at most {ARGUMENT_LIMIT_BYTES:,}"
            )
    return tuple(warnings)


def _wanted(settings: Settings, named: Sequence[AgentsNamed]) -> dict[str, tuple[tuple[Role, str], ...]]:
    """Routes with the agents that their sessions will be; names once each, in order."""
    wanted: dict[str, dict[str, Role]] = {}
    routing, default = settings.routing, settings.agent_cli
    for each in [AgentsNamed(agent_cli="", builder_agent="", validator_agent=""), *named]:
        builders = routing.candidates(each.agent_cli, default, Role.BUILDER)
        for route in builders:
            agents = wanted.setdefault(route.name, {})
            agents.setdefault(each.builder_agent or settings.builder_agent, Role.BUILDER)
        if settings.validation:
            for route in routing.candidates(each.agent_cli, default, Role.VALIDATOR) or builders:
                agents = wanted.setdefault(route.name, {})
                agents.setdefault(each.validator_agent or settings.validator_agent, Role.VALIDATOR)
    return {name: tuple((role, agent) for agent, role in agents.items()) for name, agents in wanted.items()}
