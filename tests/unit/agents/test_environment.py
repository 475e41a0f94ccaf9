"""The environment of sessions and commands, compared with that in which the swarm was started."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from swarm_shared.agents.launching.environment import inherited, session_environment
from swarm_shared.agents.launching.ports import PORT_VARIABLE, PORTS_EACH, first_port
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.domain.models import Role, TaskSpec
from swarm_shared.git.running.variables import without_git_state
from swarm_shared.processes.sweep import marks
from swarm_shared.settings.settings import MAX_WORKERS

PRESETS = load_presets()
ATTEMPT = "0f8fad5b-d9cb-469f-a165-70867728950e"
TASK = TaskSpec(id="1.2", name="n", run="true", env={"LANG": "tlh"})
CWD = Path("/srv/tree")
BASE = {
    "PATH": os.environ["PATH"],
    "HOME": "/home/someone",
    "SUPERVISOR_SERVER_URL": "unix://x",
    "SWARM_DB": "/x",
    "LANG": "C",
}


def of_session(base: dict[str, str], task: TaskSpec = TASK) -> dict[str, str]:
    return session_environment(
        inherited(base, PRESETS), task=task, attempt_id=ATTEMPT, attempt_number=2, role=Role.VALIDATOR, cwd=CWD
    )


def test_the_environment_is_yours_plus_marks_and_minus_our_own_and_supervisords() -> None:
    assert of_session(BASE) == {
        "PATH": BASE["PATH"],
        "HOME": "/home/someone",
        "LANG": "tlh",
        "PWD": "/srv/tree",
        "GIT_OPTIONAL_LOCKS": "0",
        "AMPLIFIER_SWARM_TASK_ID": "1.2",
        "AMPLIFIER_SWARM_ATTEMPT": ATTEMPT,
        "AMPLIFIER_SWARM_ATTEMPT_NUMBER": "2",
        "AMPLIFIER_SWARM_ROLE": "validator",
        "AMPLIFIER_SWARM_IN_0f8fad5bd9cb469fa16570867728950e": "1",
    }
    assert set(marks(ATTEMPT)) == {"AMPLIFIER_SWARM_ATTEMPT", "AMPLIFIER_SWARM_IN_0f8fad5bd9cb469fa16570867728950e"}


def test_each_worker_has_its_own_ports_and_passes_them_to_agents() -> None:
    firsts = [first_port(20_000, f"worker-{number}") for number in range(1, MAX_WORKERS + 1)]
    ranges = [range(first, first + PORTS_EACH) for first in firsts]
    assert len({port for each in ranges for port in each}) == MAX_WORKERS * PORTS_EACH
    assert first_port(20_000, "by-hand") == first_port(20_000, "worker-1234567890") == 20_000
    env = of_session({PORT_VARIABLE: "20040", "SWARM_DB": "tasks.db"})
    assert env[PORT_VARIABLE] == "20040"
    assert "SWARM_DB" not in env


def test_a_task_cannot_hide_its_processes_from_the_sweep() -> None:
    env = of_session(BASE, TaskSpec(id="1", name="n", env=dict.fromkeys(marks(ATTEMPT), "")))
    assert env["AMPLIFIER_SWARM_ATTEMPT"] == ATTEMPT
    assert marks(ATTEMPT).items() <= env.items()


def test_pwd_is_the_folder_of_the_session_and_not_the_one_in_which_the_swarm_was_started() -> None:
    env = of_session({**BASE, "PWD": "/home/someone/project", "OLDPWD": "/home/someone"})
    assert env["PWD"] == str(CWD)
    assert "OLDPWD" not in env


def test_no_session_inherits_variables_that_git_lists_as_local_to_one_repository() -> None:
    listed = subprocess.run(["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True)
    names = listed.stdout.split()
    assert "GIT_DIR" in names
    assert of_session({**BASE, **dict.fromkeys(names, "x")}).keys() == of_session(BASE).keys()


@pytest.mark.parametrize(
    "name",
    [
        "GIT_NAMESPACE",
        "GIT_QUARANTINE_PATH",
        "GIT_AUTHOR_DATE",
        "GIT_COMMITTER_DATE",
        "GIT_REFLOG_ACTION",
        "GIT_CONFIG_KEY_0",
        "GIT_CONFIG_VALUE_12",
        "GIT_LITERAL_PATHSPECS",
        "GITHEAD_7df5425",
    ],
)
def test_no_session_inherits_the_state_of_a_surrounding_git_command(name: str) -> None:
    assert name not in of_session({**BASE, name: "1"})


@pytest.mark.parametrize(
    "name",
    [
        "GIT_AUTHOR_NAME",
        "GIT_COMMITTER_EMAIL",
        "GIT_SSH_COMMAND",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CEILING_DIRECTORIES",
        "GIT_SSL_CAINFO",
        "GIT_EDITOR",
    ],
)
def test_your_own_settings_of_git_reach_every_session(name: str) -> None:
    assert of_session({**BASE, name: "mine"})[name] == "mine"
    assert without_git_state({name: "mine"}) == {name: "mine"}


@pytest.mark.parametrize(
    "name",
    [
        "CLAUDECODE",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_ENTRYPOINT",
        "CLAUDE_CODE_SSE_PORT",
        "CLAUDE_PROJECT_DIR",
        "CODEX_SANDBOX",
        "CODEX_SANDBOX_NETWORK_DISABLED",
        "CODEX_THREAD_ID",
        "GEMINI_CLI",
        "GEMINI_CLI_IDE_SERVER_PORT",
        "OPENCODE",
        "OPENCODE_PID",
        "AI_AGENT",
        "COPILOT_AGENT_SESSION_ID",
        "CURSOR_AGENT",
        "QWEN_CODE",
    ],
)
def test_no_session_inherits_the_marks_of_a_surrounding_session_whatever_its_cli(name: str) -> None:
    assert name not in of_session({**BASE, name: "1"})


@pytest.mark.parametrize(
    "name",
    [
        "ANTHROPIC_API_KEY",
        "CLAUDE_CONFIG_DIR",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
        "CODEX_HOME",
        "CODEX_API_KEY",
        "GEMINI_API_KEY",
        "OPENCODE_CONFIG",
    ],
)
def test_your_own_settings_of_an_agent_cli_reach_every_session(name: str) -> None:
    assert of_session({**BASE, name: "mine"})[name] == "mine"


def test_an_agent_cli_of_your_own_declares_the_marks_of_its_sessions() -> None:
    own = {"mine": {"like": "command", "session_variables": ["MINE_SESSION"]}}
    env = inherited({**BASE, "MINE_SESSION": "1", "MINE_KEY": "2"}, load_presets(own))
    assert "MINE_SESSION" not in env
    assert env["MINE_KEY"] == "2"


def test_a_task_may_set_variables_that_are_not_inherited() -> None:
    task = TaskSpec(id="1", name="n", env={"GIT_AUTHOR_DATE": "2020-01-01T00:00:00Z"})
    assert of_session(BASE, task)["GIT_AUTHOR_DATE"] == "2020-01-01T00:00:00Z"
