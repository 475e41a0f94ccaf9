"""Turns a preset and a task into a process to start: command line, environment and standard input."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from msgspec import Struct

from swarm_shared.agents.amplifier.persona import agent_bundle
from swarm_shared.agents.launching.environment import Inherited, session_environment
from swarm_shared.agents.launching.routes import OPTIONS
from swarm_shared.agents.presets.cli import AgentCli, PromptChannel
from swarm_shared.agents.presets.entry import PLACEHOLDER
from swarm_shared.domain.errors import ConfigError, InputError
from swarm_shared.domain.models import Role, TaskSpec

# Linux accepts no longer single argument (MAX_ARG_STRLEN).
ARGUMENT_LIMIT_BYTES = 128 * 1024 - 1
_MOST_BYTES = 4  # of one character

_TASK_COMMANDS = ("run", "verify")


class SessionPlan(Struct, frozen=True, kw_only=True):
    """One session to start.

    `attempt_id` is the attempt's UUID; `private_dir` is an existing folder of ours.
    `project_root` is the folder the session works in: the project, or the task's worktree.
    `resume_session` names an earlier session to resume; used only if the CLI supports it.
    """

    role: Role
    agent: str
    prompt: str
    task: TaskSpec
    attempt_id: str
    attempt_number: int
    private_dir: Path
    project_root: Path
    options: tuple[str, ...] = ()  # from `session_options`
    resume_session: str | None = None


class Launch(Struct, frozen=True, kw_only=True):
    """A process to start: argv[0] is absolute, `env` is the whole environment, `stdin` the complete input."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    stdin: bytes


def has_session(cli: AgentCli, role: Role, task: TaskSpec) -> bool:
    """Whether this role has anything to run: where `verify` is the validator, a task without it has none."""
    if role is not Role.VALIDATOR:
        return True
    return all(getattr(task, name) for name in _commands_asked(cli.argv[role]))


def prepare(cli: AgentCli, plan: SessionPlan, base: Inherited) -> Launch:
    """What to start for this session; writes the persona file where the CLI takes one.

    Raises:
        ConfigError: The CLI's binary is not found, or an agent's name cannot be used with it.
        InputError: The task lacks what this CLI needs (`run:`), or a text is too long for the command line.
    """
    template = cli.argv[plan.role]
    if plan.resume_session is not None and cli.resume:
        template = cli.resume
    for name in _commands_asked(template):
        if not getattr(plan.task, name):
            raise InputError(
                f"task {plan.task.id} has no `{name}:`, and agent CLI {cli.name!r} runs nothing else",
                hint=f"give the task a `{name}:` command, or choose another agent CLI",
            )
    texts = _texts(cli, plan)
    env = session_environment(
        base,
        task=plan.task,
        attempt_id=plan.attempt_id,
        attempt_number=plan.attempt_number,
        role=plan.role,
        cwd=plan.project_root,
        extra={name: _fill(value, texts) for name, value in cli.env.items()},
    )
    if _names("agent_bundle", template):
        texts["agent_bundle"] = agent_bundle(plan.agent, plan.role, plan.private_dir)
    words = [word for stated in template for word in (plan.options if stated == OPTIONS else (_fill(stated, texts),))]
    for word in (*words, *(f"{name}={value}" for name, value in plan.task.env.items())):
        if len(word) > ARGUMENT_LIMIT_BYTES // _MOST_BYTES and len(os.fsencode(word)) > ARGUMENT_LIMIT_BYTES:
            raise InputError(
                f"task {plan.task.id}: a text of {len(word)} characters is too long for the command line of {cli.name}",
                hint="shorten the description, or use an agent CLI that reads its prompt from standard input",
            )
    stdin = plan.prompt.encode("utf-8", "replace") if cli.prompt is PromptChannel.STDIN else b""
    return Launch(argv=(find_binary(cli, env), *words), env=env, stdin=stdin)


def find_binary(cli: AgentCli, env: Mapping[str, str]) -> str:
    """The absolute path of the CLI's program in that environment.

    Raises:
        ConfigError: It is not there or not executable.
    """
    name = _fill(cli.binary, {"python": sys.executable})
    found = _which(name, env.get("PATH", os.defpath))
    if found is None:
        raise ConfigError(
            f"agent CLI {cli.name!r}: program {name!r} was not found",
            hint="install it, put it on PATH, or choose another one with --agent-cli",
        )
    return found


_FOUND: dict[tuple[str, str], str] = {}


def _which(name: str, path: str) -> str | None:
    """Like `shutil.which`, but absolute; a path that was found once is only verified, not searched for, at each
    session.
    """
    known = _FOUND.get((name, path))
    if known is not None and os.access(known, os.X_OK):
        return known
    found = shutil.which(name, path=path)
    if found is None:
        return None
    _FOUND[name, path] = os.path.abspath(found)
    return _FOUND[name, path]


def _texts(cli: AgentCli, plan: SessionPlan) -> dict[str, str]:
    return {
        "agent": plan.agent,
        "project_root": str(plan.project_root),
        "private_dir": str(plan.private_dir),
        "prompt": plan.prompt,
        "session_id": plan.resume_session or "",
        "task_id": plan.task.id,
        "attempt_id": plan.attempt_id,
        "run": plan.task.run or "",
        "verify": plan.task.verify or "",
        "script": json.dumps(plan.task.extra.get("script") or {}),
        "python": sys.executable,
    }


@lru_cache
def _commands_asked(template: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in _TASK_COMMANDS if _names(name, template))


@lru_cache
def _names(placeholder: str, template: tuple[str, ...]) -> bool:
    return any(f"{{{placeholder}}}" in word for word in template)


def _fill(template: str, texts: Mapping[str, str]) -> str:
    if "{" not in template:
        return template
    # One pass, so that braces inside a task's own text stay as they are.
    return PLACEHOLDER.sub(lambda found: texts.get(found[1], found[0]), template)
