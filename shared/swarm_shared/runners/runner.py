"""The interface of runners, and the data about the swarm and about one command that they get."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from swarm_shared.domain.runners import Run


class Grounds(Struct, frozen=True, kw_only=True):
    """The places of one swarm on this machine; absolute paths.

    Args:
        home: The home directory of the user who runs the swarm.
        project_root: What tasks read; with worktrees they write to none of it.
        common_dir: The git directory that all worktrees share; None without worktrees.
        database: The database, which holds the dashboard's token.
        state_dir: Holds the control socket, logs and worktrees.
        program_folders: What the swarm's own programs are made of.
    """

    home: Path
    project_root: Path
    common_dir: Path | None
    database: Path
    state_dir: Path
    program_folders: tuple[Path, ...] = (Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[1])


class Command(Struct, frozen=True, kw_only=True):
    """One command to run.

    Args:
        argv: `argv[0]` is an absolute path.
        cwd: The folder that it works in: the project root, or a folder in a worktree.
        state: Paths below the home directory (``~/.claude``) where the agent CLI keeps its own state.
        readable: Further paths that it reads.
    """

    argv: tuple[str, ...]
    cwd: Path
    state: tuple[str, ...] = ()
    readable: tuple[Path, ...] = ()


class Start(Struct, frozen=True, kw_only=True):
    """How to start a command.

    Args:
        argv, env: Of the process to start; `argv[0]` is an absolute path.
        runner: Whose program `argv[0]` is: the runner's name; empty: it is the command's own.
        run: What that process starts outside our process tree; None: nothing.
        has_begun: Whether the command runs, which may have to wait for its turn; None: it runs from the start.
        trouble: For runners without a `run`: why the runner does not work now, to be asked when the process has failed;
            its answer is None if the runner works. It calls its argument while it waits.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    runner: str = ""
    run: Run | None = None
    has_begun: Callable[[], bool] | None = None
    trouble: Callable[[Callable[[], None]], str | None] | None = None


class Runner(Protocol):
    """One way to run commands."""

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        """How to start it with this environment.

        Raises:
            ConfigError: It cannot be run from its folder by this runner.
        """

    def clear_up(self, cwd: Path) -> tuple[str, ...]:
        """Remove what a command that has ended left to lead later commands of ours astray; the paths.

        To be called before git is used, when nothing of the command is left.
        """

    def environment(self, environ: Mapping[str, str], variables: tuple[str, ...] = ()) -> dict[str, str]:
        """What of the swarm's own environment a command gets.

        Args:
            variables: Names that its agent CLI needs; a ``*`` at the end matches anything.
        """
