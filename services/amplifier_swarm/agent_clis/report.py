"""What is known about one agent CLI: where it is, its version, whether it is logged in, when it was used last."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec import Struct

from swarm_shared.agents.launching.environment import Inherited, question_environment
from swarm_shared.agents.launching.launch import find_binary
from swarm_shared.agents.launching.readiness import Readiness, Ready, ask_ready
from swarm_shared.agents.launching.short_command import run_short
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.domain.errors import ConfigError
from swarm_shared.redaction.redaction import of_process

ANSWER_S = 15.0
AT_ONCE = 4  # each may start a runtime of some hundred megabytes
_VERSION_CHARS = 80


class AgentReport(Struct, frozen=True, kw_only=True):
    """One agent CLI. `path` is None if its program was not found; `problem` is why it cannot start.

    `version` is None if it cannot start, or has no such command; where that did not answer, it says so.
    """

    name: str
    binary: str
    path: str | None
    version: str | None
    readiness: Readiness
    problem: str | None
    advice: str | None
    untried: bool

    @property
    def can_work(self) -> bool:
        """Whether nothing speaks against it; a readiness that is unknown does not."""
        return self.problem is None and self.readiness.ready is not Ready.NO

    def shown(self) -> dict[str, Any]:
        """In the shape of the JSON answers."""
        return {
            "name": self.name,
            "path": self.path,
            "version": self.version,
            "ready": str(self.readiness.ready),
            "message": self.readiness.words,
            "problem": self.problem,
            "advice": self.advice,
            "untried": self.untried,
        }


def report_on(clis: Iterable[AgentCli], base: Inherited, cwd: Path) -> list[AgentReport]:
    """Ask each of them, some at once; in their order.

    Args:
        base: What sessions inherit of this process's environment.
        cwd: Where sessions work; some CLIs read settings there.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda cli: _report(cli, question_environment(base, cli, cwd), cwd), clis))


def _report(cli: AgentCli, env: Mapping[str, str], cwd: Path) -> AgentReport:
    problem = advice = version = None
    path: str | None = None
    readiness = Readiness(ready=Ready.UNKNOWN)
    try:
        path = find_binary(cli, env)
        version, problem = _version(cli, path, env, cwd)
        advice = None if problem is None else f"run `{os.path.basename(path)} {' '.join(cli.version)}` in a shell"
    except ConfigError as missing:
        problem, advice = missing.message, missing.hint
    if problem is None:
        readiness = ask_ready(cli, env=env, cwd=cwd, timeout_s=ANSWER_S)
        readiness = Readiness(ready=readiness.ready, words=of_process().text(readiness.words))
        if readiness.ready is not Ready.YES and cli.login:
            advice = f"log in: {cli.login}"
    return AgentReport(
        name=cli.name,
        binary=cli.binary,
        path=path,
        version=version,
        readiness=readiness,
        problem=problem,
        advice=advice,
        untried=cli.untried,
    )


def _version(cli: AgentCli, path: str, env: Mapping[str, str], cwd: Path) -> tuple[str | None, str | None]:
    """The version, or why the program cannot start; both None if it has no version command."""
    if not cli.version:
        return None, None
    answer = run_short(path, cli.version, env=env, cwd=cwd, timeout_s=ANSWER_S)
    if answer.timed_out:
        return f"unknown: no answer within {ANSWER_S:g} s", None  # a busy machine is no proof that it cannot start
    if answer.not_started is not None:
        return None, f"{path} cannot be started: {answer.not_started}"
    if answer.exit_code != 0:
        complaint = f": {answer.complaint}" if answer.complaint else ""
        return None, f"its version command ended with exit code {answer.exit_code}{complaint}"
    said = (answer.stdout or answer.stderr).strip()
    return " ".join(said.partition("\n")[0].split())[:_VERSION_CHARS] or None, None
