"""Tries a container runner out: one container that writes a file and prints the limits that it has."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import ContainerOptions
from swarm_shared.runners.following import end
from swarm_shared.runners.runner import Grounds, Runner
from swarm_shared.runners.trying import try_command

TRIAL_TIMEOUT_S = 120.0  # an image that is large may be unpacked for this user first
_SCRIPT = """echo made > made
cd /sys/fs/cgroup || exit
for f in memory.max memory/memory.limit_in_bytes pids.max pids/pids.max cpu.max; do
    [ -r $f ] && echo "${f%%/*} $(cat $f)"
done
[ -r cpu/cpu.cfs_quota_us ] && echo "cpu.max $(cat cpu/cpu.cfs_quota_us) $(cat cpu/cpu.cfs_period_us)"
exit 0
"""
_PAGE = 64 * 1024  # the kernel rounds sizes to pages, at most so large


def try_out(name: str, options: ContainerOptions, runner: Runner, grounds: Grounds) -> None:
    """Run it.

    Raises:
        ConfigError: It cannot be run, its file does not belong to the user, or a limit is ignored.
    """
    with tempfile.TemporaryDirectory(prefix="swarm-runner-", dir=_folder(grounds)) as folder:
        place = Path(os.path.realpath(folder))
        printed = _run(name, options, runner, place)
        made = place / "made"
        if not made.exists():
            raise ConfigError(
                f"runner {name}: a file that a container wrote did not appear on this machine",
                hint=f"the engine must run here: look at DOCKER_HOST, CONTAINER_HOST and `{name} info`",
            )
        if made.stat().st_uid != os.geteuid():
            raise ConfigError(
                f"runner {name}: files of containers belong to user {made.stat().st_uid}, not to {os.geteuid()}",
                hint=f"look at the user settings of {name}, and at runners.{name}.args",
            )
    for option in _ignored(options, printed):
        raise ConfigError(
            f"runners.{name}.{option} would be ignored: a container has no such limit on this machine",
            hint=f"run {name} where it may use control groups, or remove {option}",
        )


def _folder(grounds: Grounds) -> Path | None:
    return grounds.state_dir if grounds.state_dir.is_dir() else None


def _run(name: str, options: ContainerOptions, runner: Runner, place: Path) -> str:
    tried, text = None, f"no container within {TRIAL_TIMEOUT_S:g} s"
    try:
        tried = try_command(runner, ("/bin/sh", "-c", _SCRIPT), place, timeout_s=TRIAL_TIMEOUT_S, end=end)
        if tried.code is not None:
            text = tried.complained.strip()
    except OSError as error:
        text = str(error)
    if tried is None or tried.code != 0:
        raise ConfigError(
            f"runner {name}: no container of {options.image} can be run: {text}",
            hint=f"is the image there? `{name} images` lists them; `{name} pull` or `{name} build` adds it",
        )
    if tried.ended is not None and not tried.ended.gone:
        raise ConfigError(
            f"runner {name}: a container cannot be removed: {tried.ended.text}", hint=f"try: {name} ps --all"
        )
    return tried.printed


def _ignored(options: ContainerOptions, printed: str) -> Iterator[str]:
    """The limits that a container does not have."""
    found = {words[0]: words[1:] for line in printed.splitlines() if len(words := line.split()) > 1}
    memory = found.get("memory.max") or found.get("memory") or [""]
    if options.memory is not None and not (
        memory[0].isdigit() and options.memory - _PAGE <= int(memory[0]) <= options.memory
    ):
        yield "memory"
    pids = found.get("pids.max") or found.get("pids") or [""]
    if options.pids is not None and pids[0] != str(options.pids):
        yield "pids"
    if options.cpus is not None and not _has_share(found.get("cpu.max", []), options.cpus):
        yield "cpus"


def _has_share(numbers: list[str], cpus: float) -> bool:
    if len(numbers) != 2 or not all(number.isdigit() for number in numbers):
        return False
    return abs(int(numbers[0]) / int(numbers[1]) - cpus) <= 0.01 * max(1.0, cpus)
