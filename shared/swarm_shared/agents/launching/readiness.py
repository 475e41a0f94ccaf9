"""Asks an agent CLI whether it is logged in: a quick separate run, without a model and without cost."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.launching.launch import find_binary
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.error_text import last_line
from swarm_shared.domain.errors import ConfigError
from swarm_shared.program.terminal_text import without_colours

WORDS_LIMIT_CHARS = 300


class Ready(StrEnum):
    """Whether a CLI is logged in."""

    YES = "ready"
    NO = "not_ready"
    UNKNOWN = "unknown"  # it has no such command, the command did not answer, or its no may be wrong


class Readiness(Struct, frozen=True, kw_only=True):
    """What the CLI answered; `words` are its own, or ours where it gave none."""

    ready: Ready
    words: str = ""


def ask_ready(cli: AgentCli, *, env: Mapping[str, str], cwd: Path, timeout_s: float) -> Readiness:
    """Run the preset's `ready` command.

    Args:
        env: The environment that sessions will have.
        cwd: Where sessions will work: some CLIs read settings there.
        timeout_s: After it the answer is unknown.
    """
    if not cli.ready:
        return Readiness(ready=Ready.UNKNOWN, words=f"{cli.name} has no command that says whether it is logged in")
    command = command_of(cli)
    try:
        ended = subprocess.run(
            [find_binary(cli, env), *cli.ready],
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Readiness(ready=Ready.UNKNOWN, words=f"`{command}` did not answer within {timeout_s:g} s")
    except ConfigError as problem:
        return Readiness(ready=Ready.UNKNOWN, words=problem.message)
    except OSError as problem:
        return Readiness(ready=Ready.UNKNOWN, words=f"`{command}` cannot be started: {problem.strerror}")
    words = _words(ended.stdout, ended.stderr) or f"`{command}` ended with exit code {ended.returncode}"
    if ended.returncode == 0:
        return Readiness(ready=Ready.YES, words=words)
    return Readiness(ready=Ready.UNKNOWN if cli.ready_may_err else Ready.NO, words=words)


def command_of(cli: AgentCli) -> str:
    """The preset's `ready` command as one types it."""
    return shlex.join([cli.binary, *cli.ready])


def _words(stdout: bytes, stderr: bytes) -> str:
    """Standard output as one line (some print JSON), or the last line of standard error, after noise."""
    said = " ".join(without_colours(stdout.decode("utf-8", "replace")).split())
    return (said or last_line(without_colours(stderr.decode("utf-8", "replace"))))[:WORDS_LIMIT_CHARS]
