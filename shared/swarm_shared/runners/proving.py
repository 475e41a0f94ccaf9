"""Proves a confinement by trying to break it: each attempt runs inside and is judged from outside."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from swarm_shared.domain.runners import BwrapOptions, ContainerOptions, KubernetesOptions, RunnerOptions
from swarm_shared.runners.choose import runner_with
from swarm_shared.runners.following import end
from swarm_shared.runners.runner import Grounds, Runner
from swarm_shared.runners.trying import try_command

ATTEMPT_TIMEOUT_S = 30.0
DEATH_S = 0.5  # a killed process takes a moment to end
_SECRET = "swarm-runner-check-secret"
_CONNECT = "import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('connected')"


class Proof(Struct, frozen=True, kw_only=True):
    """What one attempt came to. `text` says what was tried."""

    held: bool
    text: str


class Proven(Struct, frozen=True, kw_only=True):
    """What to prove about a runner.

    Args:
        usable: Makes the runner for the places of a swarm.
        network: Whether it gives sessions a network.
        image: Whether it runs an image, which need not have a program that connects.
        within: The folder that what is tried must be in; None: any.
        confines: Whether it confines what it runs; otherwise it only has to work.
    """

    usable: Callable[[Grounds], Runner]
    network: bool
    image: bool = False
    within: str | None = None
    confines: bool = True


def proven_of(name: str, runners: RunnerOptions) -> Proven:
    """What to prove about the runner of that name, with its options."""
    usable = partial(runner_with, name, runners)
    match getattr(runners, name):
        case BwrapOptions(network=network):
            return Proven(usable=usable, network=network)
        case ContainerOptions(network=name_of_network):
            return Proven(usable=usable, network=name_of_network != "off", image=True)
        case KubernetesOptions(folder=folder):
            return Proven(usable=usable, network=True, image=True, within=folder or None)
    return Proven(usable=usable, network=True, confines=False)


def prove(what: Proven, grounds: Grounds) -> tuple[Proof, ...]:
    """Try to break out of a worktree-like folder, with the options that sessions will have.

    Raises:
        ConfigError: The runner does not work on this machine.
    """
    if not what.confines:
        what.usable(grounds)
        return (Proof(held=True, text="it works here; it confines nothing"),)
    within = what.within if what.within and os.path.isdir(what.within) else None
    # A confined command sees the folders next to the database, but a private /tmp, where no write could be noticed.
    place_of_swarm = grounds.state_dir if os.access(grounds.state_dir, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="swarm-runner-check-", dir=within or place_of_swarm) as name:
        folder = Path(os.path.realpath(name))
        home, place, outside = folder / "home", folder / "work", folder / "outside"
        for path in (home / ".ssh", place, outside):
            path.mkdir(parents=True)
        (home / ".ssh" / "id").write_text(_SECRET)
        state = folder / "state"
        state.mkdir()
        database = grounds.database if within else folder / "tasks.db"
        around = replace(grounds, home=home, project_root=place, common_dir=None, database=database, state_dir=state)
        inside = _Inside(what.usable(around), place)
        return (
            _works(inside, place),
            _writes_outside(inside, outside),
            _reads_a_key(inside, home),
            _own_keys(what.usable(grounds), place),
            _signals(inside),
            _network(inside, what),
        )


class _Inside:
    def __init__(self, runner: Runner, place: Path) -> None:
        self._runner, self._place = runner, place

    def run(self, *argv: str) -> str:
        """The output of a command, whatever its exit code."""
        tried = try_command(self._runner, argv, self._place, timeout_s=ATTEMPT_TIMEOUT_S, end=end)
        return tried.printed + tried.complained

    def shell(self, script: str, *words: str) -> str:
        return self.run("/bin/sh", "-c", script, "sh", *words)


def _works(inside: _Inside, place: Path) -> Proof:
    inside.shell("echo x > made")
    made = place / "made"
    held = made.exists() and made.stat().st_uid == os.geteuid()
    return Proof(held=held, text="it can write to its own folder, and the file is yours")


def _writes_outside(inside: _Inside, outside: Path) -> Proof:
    marker = outside / "marker"
    inside.shell('echo x > "$1"; mount -o remount,rw,bind /; echo x > "$1"', str(marker))
    return Proof(held=not marker.exists(), text="it cannot write outside its folder")


def _reads_a_key(inside: _Inside, home: Path) -> Proof:
    said = inside.shell('cat "$1"; umount "$2"; cat "$1"', str(home / ".ssh" / "id"), str(home))
    return Proof(held=_SECRET not in said, text="it cannot read keys in the home directory")


def _own_keys(runner: Runner, place: Path) -> Proof:
    """The user's own `~/.ssh`, which the option `home` could show; only whether it is there is asked."""
    said = _Inside(runner, place).shell('[ -z "$(ls -A ~/.ssh 2> /dev/null)" ] && echo hidden')
    return Proof(held="hidden" in said, text="~/.ssh is hidden")


def _signals(inside: _Inside) -> Proof:
    with subprocess.Popen(["sleep", str(ATTEMPT_TIMEOUT_S)], stdin=subprocess.DEVNULL) as process:
        try:
            inside.shell('kill -9 "$1"', str(process.pid))
            return Proof(held=_survives(process), text="it cannot signal a process outside")
        finally:
            process.send_signal(signal.SIGKILL)


def _survives(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(DEATH_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _network(inside: _Inside, what: Proven) -> Proof:
    if what.image:
        return _interfaces(inside, what)
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = inside.run(sys.executable, "-c", _CONNECT.format(port=server.getsockname()[1]))
    reached = "connected" in said
    if what.network:
        return Proof(held=reached, text="it can reach the network (network: on)")
    return Proof(held=not reached, text="it cannot reach the network (network: off)")


def _interfaces(inside: _Inside, what: Proven) -> Proof:
    lines = inside.run("/bin/cat", "/proc/net/dev").splitlines()
    names = {line.partition(":")[0].strip() for line in lines if ":" in line}
    if what.network:
        return Proof(held=len(names) > 1, text="it has a network")
    return Proof(held=names == {"lo"}, text="it has no network but its own loopback (network: off)")
