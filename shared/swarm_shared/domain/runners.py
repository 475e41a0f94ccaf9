"""Where sessions and commands run, as configured in swarm.yaml."""

from __future__ import annotations

from msgspec import Struct


class BwrapOptions(Struct, frozen=True, kw_only=True):
    """What the runner `bwrap` allows beyond a task's worktree.

    Args:
        network: Whether sessions can reach the network; without it there is only their own loopback.
        writable: Further folders and files that may be written: absolute, or below ``~``.
        home: What of the home directory is visible, read-only: paths below it, such as ``.gitconfig``.
        environment: Further variables that are passed on; a ``*`` at the end stands for any rest.
    """

    network: bool = True
    writable: tuple[str, ...] = ()
    home: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


class RunnerOptions(Struct, frozen=True, kw_only=True):
    """The options of every runner that has some."""

    bwrap: BwrapOptions = BwrapOptions()
