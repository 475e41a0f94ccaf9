"""Checks whether an agent CLI is logged in: a quick separate command, without a model and without cost."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.launching.launch import find_binary
from swarm_shared.agents.launching.short_command import ShortAnswer, run_short
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.reading.error_text import last_line
from swarm_shared.domain.errors import ConfigError

WORDS_LIMIT_CHARS = 300


class Ready(StrEnum):
    """Whether a CLI is logged in."""

    YES = "ready"
    NO = "not_ready"
    UNKNOWN = "unknown"  # it has no such command, the command did not respond, or its negative answer may be wrong


class Readiness(Struct, frozen=True, kw_only=True):
    """The CLI's answer; `words` are its own, or ours if it gave none."""

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
        return Readiness(ready=Ready.UNKNOWN, words=f"{cli.name} has no command that reports whether it is logged in")
    command = command_of(cli)
    try:
        binary = find_binary(cli, env)
    except ConfigError as problem:
        return Readiness(ready=Ready.UNKNOWN, words=problem.message)
    answer = run_short(binary, cli.ready, env=env, cwd=cwd, timeout_s=timeout_s)
    if answer.timed_out:
        return Readiness(ready=Ready.UNKNOWN, words=f"`{command}` did not answer within {timeout_s:g} s")
    if answer.not_started is not None:
        return Readiness(ready=Ready.UNKNOWN, words=f"`{command}` cannot be started: {answer.not_started}")
    words = _words(answer) or f"`{command}` ended with exit code {answer.exit_code}"
    if answer.exit_code == 0:
        return Readiness(ready=Ready.YES, words=words)
    return Readiness(ready=Ready.UNKNOWN if cli.ready_may_err else Ready.NO, words=words)


def command_of(cli: AgentCli) -> str:
    """The preset's `ready` command as one types it."""
    return shlex.join([cli.binary, *cli.ready])


def _words(answer: ShortAnswer) -> str:
    """Standard output as one line (some print JSON), or the last line of standard error, after noise."""
    return (" ".join(answer.stdout.split()) or last_line(answer.stderr))[:WORDS_LIMIT_CHARS]
