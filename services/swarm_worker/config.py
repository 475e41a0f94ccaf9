"""A worker's configuration, checked once at its start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.launching.environment import Inherited, inherited
from swarm_shared.agents.launching.ports import PORT_VARIABLE, first_port
from swarm_shared.agents.launching.routes import route_problems
from swarm_shared.agents.presets.catalog import choose, load_presets
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Role
from swarm_shared.domain.prices import Price
from swarm_shared.domain.routes import Routing
from swarm_shared.domain.runners import NOT_CONFINING
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.worktrees.isolation import decide
from swarm_shared.own_checkout import not_pointed_at_a_project
from swarm_shared.runners.choose import grounds_of, runner_named, runner_of_checks
from swarm_shared.runners.runner import Runner
from swarm_shared.settings.settings import Settings
from swarm_shared.settings.setup_steps import SetupStep
from swarm_shared.store.queue.policy import Budgets
from swarm_worker.processes.containment import container_argv

MAX_WORKER_ID = 64


class WorkerConfig(Struct, frozen=True, kw_only=True):
    """One worker's settings; durations in seconds, sizes in bytes."""

    worker_id: str
    db: Path
    state_dir: Path
    private_dir: Path  # of this worker's own, for what an agent CLI reads and the project must not see
    project_root: Path
    isolation: str  # the setting, undecided
    repository: Repository | None  # each task works in a worktree of it; None: all in the project root
    land_into: str  # the branch that finished work lands on
    agent_cli: str
    routing: Routing
    prices: Mapping[str, Price]
    route_spacing_s: float
    models: Mapping[Role, str]  # of sessions of `agent_cli` by role; empty: the CLI's own choice
    args: Mapping[Role, tuple[str, ...]]
    presets: Mapping[str, AgentCli]
    serialize: bool  # tasks whose files overlap wait for each other
    builder_agent: str
    validator_agent: str
    validation: bool
    checks: tuple[str, ...]
    gate: tuple[str, ...]
    gate_batch: int  # tasks whose work one run of the gate may test together
    setup: tuple[SetupStep, ...]
    cleanup: tuple[str, ...]
    recycles: bool  # worktrees whose work has landed become spares or are removed
    worktree_pool: int | None  # spares at most; None: as many as there are workers
    min_free_bytes: int  # disk space below which no task starts
    strict_files: bool
    syncs: bool  # items of imported plans are ticked in the landing commit
    max_retries: int
    budgets: Budgets
    heartbeat_s: float
    lease_s: float
    orphan_timeout_s: float
    builder_timeout_s: float
    validator_timeout_s: float
    check_timeout_s: float
    graceful_timeout_s: float
    kill_grace_s: float
    output_limit_bytes: int
    runner: Runner  # of agents
    check_runner: Runner  # of checks, gate, setup and cleanup commands
    environ: Inherited  # the environment of agents, including ports, without their own marks


def worker_config(settings: Settings, worker_id: str) -> WorkerConfig:
    """Check the settings from a worker's point of view.

    Raises:
        ConfigError: A name, folder, agent CLI or isolation that cannot work.
    """
    if not 1 <= len(worker_id) <= MAX_WORKER_ID or not worker_id.isprintable():
        raise ConfigError(f"{worker_id!r} is not a valid worker id", hint=f"1 to {MAX_WORKER_ID} printable characters")
    if not settings.project_root.is_dir():
        raise ConfigError(
            f"the project root {settings.project_root} is not a folder", hint="set it with --project-root"
        )
    if (error := not_pointed_at_a_project(settings)) is not None:
        raise error
    presets = load_presets(settings.agent_clis)
    choose(presets, settings.agent_cli)
    environ = inherited({**os.environ, PORT_VARIABLE: str(first_port(settings.port_base, worker_id))}, presets)
    for problem in route_problems(settings.routing, presets, environ):
        raise problem
    repository = decide(settings).repository
    grounds = grounds_of(settings, None if repository is None else repository.common_dir)
    prefix = container_argv() if settings.contain else ()
    runner = runner_named(settings.runner, settings, grounds, prefix=prefix)
    other = runner_of_checks(settings)
    if settings.runner not in NOT_CONFINING:
        presets = {name: cli.for_confined_sessions() for name, cli in presets.items()}
    check_runner = runner if other == settings.runner else runner_named(other, settings, grounds, prefix=prefix)
    return WorkerConfig(
        worker_id=worker_id,
        db=settings.db,
        state_dir=settings.state_dir,
        private_dir=settings.state_dir / "private" / worker_id,
        project_root=settings.project_root,
        repository=repository,
        isolation=settings.isolation,
        land_into=settings.land_into,
        agent_cli=settings.agent_cli,
        routing=settings.routing,
        prices=settings.prices,
        route_spacing_s=settings.route_spacing_s,
        models={Role.BUILDER: settings.builder_model, Role.VALIDATOR: settings.validator_model},
        args={Role.BUILDER: settings.builder_args, Role.VALIDATOR: settings.validator_args},
        presets=presets,
        serialize=settings.overlap == "serialize",
        builder_agent=settings.builder_agent,
        validator_agent=settings.validator_agent,
        validation=settings.validation,
        checks=settings.checks,
        gate=settings.gate,
        gate_batch=settings.gate_batch,
        setup=settings.setup,
        cleanup=settings.cleanup,
        recycles=settings.keep_worktrees == "unlanded",
        worktree_pool=settings.worktree_pool,
        min_free_bytes=round(settings.min_free_mb * 1024 * 1024),
        strict_files=settings.strict_files,
        syncs=settings.sync == "commit",
        max_retries=settings.max_retries,
        budgets=Budgets.of(settings),
        heartbeat_s=settings.heartbeat_s,
        lease_s=settings.lease_s,
        orphan_timeout_s=settings.orphan_timeout_min * 60,
        builder_timeout_s=settings.builder_timeout_s,
        validator_timeout_s=settings.validator_timeout_s,
        check_timeout_s=settings.check_timeout_s,
        graceful_timeout_s=settings.graceful_timeout_s,
        kill_grace_s=settings.kill_grace_s,
        output_limit_bytes=settings.output_limit_bytes,
        runner=runner,
        check_runner=check_runner,
        environ=environ,
    )
