"""The runner of a name, ready to use."""

from __future__ import annotations

from pathlib import Path

from swarm_shared.program.settings import Settings
from swarm_shared.runners.bwrap import Bwrap
from swarm_shared.runners.local import Local
from swarm_shared.runners.runner import Grounds, Runner


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


def runner_named(name: str, settings: Settings, grounds: Grounds, *, prefix: tuple[str, ...] = ()) -> Runner:
    """The runner of that name, tried out on this machine.

    Args:
        prefix: For `local`: words before every command line.

    Raises:
        ConfigError: It does not work here.
    """
    return Bwrap.usable(settings.runners.bwrap, grounds) if name == "bwrap" else Local(prefix)
