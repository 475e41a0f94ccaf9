"""The runner of a name, ready to use."""

from __future__ import annotations

from pathlib import Path

from swarm_shared.domain.runners import RunnerOptions
from swarm_shared.runners.bwrap import Bwrap
from swarm_shared.runners.containers.runner import Containers
from swarm_shared.runners.kubernetes.runner import Kubernetes
from swarm_shared.runners.local import Local
from swarm_shared.runners.runner import Grounds, Runner
from swarm_shared.runners.slurm.runner import SlurmRunner
from swarm_shared.settings.settings import Settings


def grounds_of(settings: Settings, common_dir: Path | None) -> Grounds:
    """The places of a swarm with these settings."""
    return Grounds(
        home=Path.home(),
        project_root=settings.project_root,
        common_dir=common_dir,
        database=settings.db,
        state_dir=settings.state_dir,
    )


def runner_of_checks(settings: Settings) -> str:
    """The runner of checks, gate, setup and cleanup commands."""
    return settings.check_runner or settings.runner


def to_prove(settings: Settings) -> tuple[str, ...]:
    """The runners in use that claim more than to run commands as they are."""
    return tuple(sorted({settings.runner, runner_of_checks(settings)} - {"local"}))


def try_runners(settings: Settings) -> None:
    """Try the runners of agents and of commands on this machine.

    Raises:
        ConfigError: One of them does not work here.
    """
    for name in sorted({settings.runner, runner_of_checks(settings)}):
        runner_named(name, settings, grounds_of(settings, None))


def runner_named(name: str, settings: Settings, grounds: Grounds, *, prefix: tuple[str, ...] = ()) -> Runner:
    """The runner of that name, tried out on this machine.

    Args:
        prefix: For `local`: words before every command line.

    Raises:
        ConfigError: It does not work here.
    """
    return Local(prefix) if name == "local" else runner_with(name, settings.runners, grounds)


def runner_with(name: str, options: RunnerOptions, grounds: Grounds) -> Runner:
    """The runner of that name, which is not `local`, with its options; raises as `runner_named`."""
    match name:
        case "bwrap":
            return Bwrap.usable(options.bwrap, grounds)
        case "kubernetes":
            return Kubernetes.usable(options.kubernetes, grounds)
        case "slurm":
            return SlurmRunner.usable(options.slurm, grounds)
    return Containers.usable(name, getattr(options, name), grounds)
