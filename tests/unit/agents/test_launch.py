"""What is started for a session: command line, environment, standard input, and the persona file."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest
from amplifier_harness import make_harness
from msgspec.structs import replace

from swarm_shared.agents.launching.launch import SessionPlan, has_session, prepare
from swarm_shared.agents.presets.catalog import load_presets
from swarm_shared.domain.errors import ConfigError, InputError
from swarm_shared.domain.models import Role, TaskSpec

PRESETS = load_presets()
ATTEMPT = "0f8fad5b-d9cb-469f-a165-70867728950e"
TASK = TaskSpec(id="1.2", name="n", run="make {x} && echo '{prompt}'", verify="make test", env={"LANG": "tlh"})
BASE = {
    "PATH": os.environ["PATH"],
    "HOME": "/home/someone",
    "SUPERVISOR_SERVER_URL": "unix://x",
    "SWARM_DB": "/x",
    "LANG": "C",
}


def plan_of(folder: Path, *, task: TaskSpec = TASK, role: Role = Role.BUILDER, **more: object) -> SessionPlan:
    plan = SessionPlan(
        role=role,
        agent="foundation:modular-builder",
        prompt="# Task 1.2: ü",
        task=task,
        attempt_id=ATTEMPT,
        attempt_number=2,
        private_dir=folder,
        project_root=folder,
    )
    return replace(plan, **more)  # type: ignore[arg-type]


def test_amplifier_gets_a_persona_file_and_its_prompt_on_standard_input(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    launch = prepare(PRESETS["amplifier"], plan_of(tmp_path), harness.env())
    persona = tmp_path / "builder-foundation-modular-builder.md"
    assert launch.argv == (
        str(harness.bin / "amplifier"),
        "run",
        "--bundle",
        f"file://{persona}",
        "--output-format",
        "json",
    )
    assert launch.stdin == "# Task 1.2: ü".encode()
    front, body = persona.read_text().removeprefix("---\n").split("---\n")
    assert front == (
        "bundle:\n  name: swarm-builder-foundation-modular-builder\n  version: 1.0.0\n"
        "includes:\n  - bundle: foundation\n"
        "context:\n  include:\n    - foundation:agents/modular-builder.md\n"
    )
    assert "You are the agent foundation:modular-builder." in body
    assert "you have design freedom" in body
    assert list(tmp_path.glob(".*.md*")) == []


def test_personas_of_other_namespaces_include_their_bundle(tmp_path: Path) -> None:
    harness = make_harness(tmp_path)
    for agent, bundles in {"recipes:result-validator": 1, "mycorp:reviewer": 2}.items():
        plan = plan_of(tmp_path, role=Role.VALIDATOR, agent=agent)
        launch = prepare(PRESETS["amplifier"], plan, harness.env())
        text = Path(launch.argv[3].removeprefix("file://")).read_text()
        assert text.count("- bundle:") == bundles
        namespace, name = agent.split(":")
        assert f"\ncontext:\n  include:\n    - {namespace}:agents/{name}.md\n---\n" in text


@pytest.mark.parametrize("agent", ["foundation", "my-bundle", "file:///x/y.md", "git+https://example.org/b"])
def test_a_name_without_a_namespace_is_used_as_a_bundle_unchanged(tmp_path: Path, agent: str) -> None:
    launch = prepare(PRESETS["amplifier"], plan_of(tmp_path, agent=agent), make_harness(tmp_path).env())
    assert launch.argv[3] == agent


@pytest.mark.parametrize("agent", ["", "--help", "a b", "a:b:c", "a:../../etc/passwd", "a:b\nc"])
def test_an_invalid_agent_name_is_refused(tmp_path: Path, agent: str) -> None:
    with pytest.raises(ConfigError):
        prepare(PRESETS["amplifier"], plan_of(tmp_path, agent=agent), make_harness(tmp_path).env())


def test_a_folder_that_amplifier_would_misread_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "a#b"
    folder.mkdir()
    with pytest.raises(ConfigError, match="#"):
        prepare(PRESETS["amplifier"], plan_of(folder), make_harness(tmp_path).env())


def test_a_known_session_is_resumed_if_the_cli_can(tmp_path: Path) -> None:
    env = make_harness(tmp_path).env()
    launch = prepare(PRESETS["amplifier"], plan_of(tmp_path, resume_session="abc"), env)
    assert launch.argv[1:4] == ("run", "--resume", "abc")
    command = prepare(PRESETS["command"], plan_of(tmp_path, resume_session="abc"), env)
    assert command.argv[1] == "-c"


def test_command_runs_the_tasks_own_commands_and_expands_nothing_inside_them(tmp_path: Path) -> None:
    builder = prepare(PRESETS["command"], plan_of(tmp_path), BASE)
    assert builder.argv == ("/bin/sh", "-c", "make {x} && echo '{prompt}'")
    assert builder.stdin == plan_of(tmp_path).prompt.encode(), "a retry reads there what it must fix"
    validator = prepare(PRESETS["command"], plan_of(tmp_path, role=Role.VALIDATOR), BASE)
    assert validator.argv == ("/bin/sh", "-c", "make test")


def test_command_refuses_a_task_without_run(tmp_path: Path) -> None:
    task = TaskSpec(id="9", name="n")
    with pytest.raises(InputError, match="task 9 has no `run:`") as refused:
        prepare(PRESETS["command"], plan_of(tmp_path, task=task), BASE)
    assert refused.value.hint


def test_a_task_without_verify_has_no_validator_session_under_command_only() -> None:
    task = TaskSpec(id="9", name="n", run="true")
    assert not has_session(PRESETS["command"], Role.VALIDATOR, task)
    assert has_session(PRESETS["command"], Role.VALIDATOR, TASK)
    assert has_session(PRESETS["command"], Role.BUILDER, task)
    assert has_session(PRESETS["amplifier"], Role.VALIDATOR, task)


def test_the_program_is_found_through_the_sessions_own_path(tmp_path: Path) -> None:
    tool = tmp_path / "amplifier"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    task = TaskSpec(id="1", name="n", env={"PATH": str(tmp_path)})
    launch = prepare(PRESETS["amplifier"], plan_of(tmp_path, task=task), {"PATH": "/nowhere"})
    assert launch.argv[0] == str(tool)
    with pytest.raises(ConfigError, match="'amplifier' was not found") as refused:
        prepare(PRESETS["amplifier"], plan_of(tmp_path), {"PATH": "/nowhere"})
    assert "--agent-cli" in (refused.value.hint or "")


def test_scripted_runs_on_our_own_interpreter_with_the_tasks_script(tmp_path: Path) -> None:
    task = TaskSpec(id="1", name="n", extra={"script": {"builder": [{"exit": 3}]}})
    launch = prepare(PRESETS["scripted"], plan_of(tmp_path, task=task), BASE)
    assert launch.argv == (sys.executable, "-P", "-m", "swarm_shared.agents.scripted")
    assert json.loads(launch.env["AMPLIFIER_SWARM_SCRIPT"]) == {"builder": [{"exit": 3}]}


def test_a_prompt_too_long_for_a_command_line_is_refused_and_standard_input_takes_it(tmp_path: Path) -> None:
    own = {"like": "scripted", "prompt": "argument", "argv": ["{prompt}"]}
    cli = load_presets({"mine": own})["mine"]
    assert prepare(cli, plan_of(tmp_path), BASE).argv[1] == "# Task 1.2: ü"
    with pytest.raises(InputError, match="too long"):
        prepare(cli, plan_of(tmp_path, prompt="ü" * 70_000), BASE)
    stdin = prepare(PRESETS["scripted"], plan_of(tmp_path, prompt="ü" * 70_000), BASE).stdin
    assert len(stdin) == 140_000
