"""`runner: local`: commands run as children of the worker, with all of the user's permissions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from swarm_shared.runners.runner import Command, Start


class Local:
    """Runs commands as they are.

    Args:
        prefix: Words that go before every command line (`--contain`).
    """

    def __init__(self, prefix: tuple[str, ...] = ()) -> None:
        self._prefix = prefix

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        return Start(argv=self.argv(command), env=env)

    def argv(self, command: Command) -> tuple[str, ...]:
        """The command line of what `start` starts."""
        return (*self._prefix, *command.argv)

    def clear_up(self, cwd: Path) -> tuple[str, ...]:
        return ()

    def environment(self, environ: Mapping[str, str], variables: tuple[str, ...] = ()) -> dict[str, str]:
        return dict(environ)
