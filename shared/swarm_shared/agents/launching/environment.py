"""The environment of all processes that are started for a task: sessions, checks, setup, gate and cleanup commands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NewType

from swarm_shared.agents.launching.ports import PORT_VARIABLE
from swarm_shared.agents.presets.cli import AgentCli
from swarm_shared.agents.presets.entry import PLACEHOLDER
from swarm_shared.domain.models import Role, TaskSpec
from swarm_shared.git.running.variables import without_git_state
from swarm_shared.processes.sweep import marks

_OURS = ("SWARM_", "SUPERVISOR_")
# Marks that agent CLIs without a preset leave in the environment of what they start; presets list their own.
_OTHER_SESSIONS = frozenset(
    {
        "AGENT_SESSION_ID",
        "AI_AGENT",
        "AMP_CURRENT_THREAD_ID",
        "AMP_THREAD_ID",
        "CLINE_ACTIVE",
        "COPILOT_AGENT_SESSION_ID",
        "COPILOT_CLI",
        "CURSOR_AGENT",
        "CURSOR_TRACE_ID",
        "GOOSE_TERMINAL",
        "KILO",
        "KILO_PID",
        "QWEN_CODE",
    }
)

# What sessions get of the environment that our services were started in: see `inherited`.
Inherited = NewType("Inherited", dict[str, str])


def inherited(environ: Mapping[str, str], presets: Mapping[str, AgentCli]) -> Inherited:
    """The part of this process's initial environment that is passed on to sessions and commands.

    It excludes our own settings and supervisord's variables, because a swarm inside a session must not use our
    database; the variables of a surrounding git command or agent session, because they belong to that repository or
    session; and the folder that this process was started in.

    Args:
        presets: All agent CLIs that are known, each with the marks that its sessions leave.
    """
    marked = _OTHER_SESSIONS.union(*(cli.session_variables for cli in presets.values()))
    env = {
        name: value
        for name, value in without_git_state(environ).items()
        if (not name.startswith(_OURS) or name == PORT_VARIABLE) and name not in marked
    }
    env.pop("PWD", None)
    env.pop("OLDPWD", None)
    # Agents read a shared checkout all the time; optional locks would make them fight over index.lock.
    env["GIT_OPTIONAL_LOCKS"] = "0"
    return Inherited(env)


def question_environment(base: Inherited, cli: AgentCli, cwd: Path) -> dict[str, str]:
    """The environment for CLI commands outside a session: the version and login checks.

    Args:
        cwd: The folder that sessions work in; some CLIs read settings there.
    """
    own = {name: value for name, value in cli.env.items() if not PLACEHOLDER.search(value)}
    return {**base, **own, "PWD": str(cwd)}


def session_environment(
    base: Inherited,
    *,
    task: TaskSpec,
    attempt_id: str,
    attempt_number: int,
    role: Role,
    cwd: Path,
    extra: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment of a session or a command: yours, the agent CLI's, the task's own, and the attempt's marks.

    Args:
        cwd: The folder that it is started in, which PWD names: some programs trust that more than the kernel.
        extra: The agent CLI's own variables.
    """
    env = dict(base)
    env.update(extra or {})
    env.update(task.env)
    # Last, so that no task can hide its processes from the sweep.
    env["AMPLIFIER_SWARM_TASK_ID"] = task.id
    env["AMPLIFIER_SWARM_ATTEMPT_NUMBER"] = str(attempt_number)
    env["AMPLIFIER_SWARM_ROLE"] = role
    env["PWD"] = str(cwd)
    env.update(marks(attempt_id))
    return env
