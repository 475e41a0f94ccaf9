"""The command line of a container engine, and what is refused before any task starts."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace
from scripted_engine import IDENTITY, IMAGE, ScriptedEngine

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import ContainerOptions
from swarm_shared.runners.containers.engines import ENGINES
from swarm_shared.runners.containers.runner import Containers
from swarm_shared.runners.runner import Command, Grounds, Start


@pytest.fixture
def grounds(tmp_path: Path) -> Grounds:
    for name in ("home/.agent", "home/project", "state"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "home" / "project" / "tool").touch()
    return Grounds(
        home=tmp_path / "home",
        project_root=tmp_path / "home" / "project",
        common_dir=None,
        database=tmp_path / "tasks.db",
        state_dir=tmp_path / "state",
    )


def runner(grounds: Grounds, environ: dict[str, str] | None = None, **options: object) -> Containers:
    return Containers(
        ENGINES["podman"],
        ContainerOptions(image=IMAGE, **options),  # type: ignore[arg-type]
        grounds,
        program="/usr/bin/podman",
        identity=IDENTITY,
        user=("--user", "7:8"),
        environ=environ or {},
    )


def started(made: Containers, grounds: Grounds, program: str = "/bin/sh", env: dict[str, str] | None = None) -> Start:
    return made.start(Command(argv=(program, "-c", "x"), cwd=grounds.project_root), env or {})


def values(start: Start, option: str) -> list[str]:
    return [start.argv[at + 1] for at, word in enumerate(start.argv) if word == option]


def test_each_start_has_a_unique_name_that_is_in_the_command_line(grounds: Grounds) -> None:
    one, two = (started(runner(grounds), grounds) for _ in range(2))
    assert one.run is not None
    assert two.run is not None
    assert one.run.name != two.run.name
    assert values(one, "--name") == [one.run.name]
    assert (one.run.runner, one.run.engine) == ("podman", IDENTITY)


def test_values_of_variables_are_in_no_command_line(grounds: Grounds) -> None:
    start = started(runner(grounds), grounds, env={"API_KEY": "hush", "LINES": "a\nb"})
    assert values(start, "--env") == ["API_KEY", "LINES"]
    assert "hush" not in " ".join(start.argv)
    assert start.env["API_KEY"] == "hush"


def test_variables_that_direct_the_client_to_its_engine_cannot_be_set_by_tasks(grounds: Grounds) -> None:
    environ = {"DOCKER_HOST": "unix:///ours", "PATH": "/bin", "HOME": "/h"}
    task = {"DOCKER_HOST": "tcp://theirs", "CONTAINER_HOST": "x", "PATH": "/theirs", "HOME": "/h"}
    start = started(runner(grounds, environ), grounds, env=task)
    assert start.env == {**environ, "SWARM_V0": "tcp://theirs", "SWARM_V1": "x"}
    assert values(start, "--env") == ["SWARM_V0", "SWARM_V1", "PATH=/theirs", "HOME"]


@pytest.mark.parametrize(
    "name",
    ["DOCKER_PASSWORD", "CONTAINER_KEY", "STORAGE_KEY", "BUILDAH_X", "PODMAN_X", "LD_X", "DBUS_SESSION_BUS_ADDRESS"],
)
def test_variables_named_like_the_clients_own_reach_the_command_and_no_command_line(
    grounds: Grounds, name: str
) -> None:
    secret = 'hunter2 "$HOME"\nb\\'
    start = started(runner(grounds), grounds, env={name: secret, "SWARM_V0": "mine"})
    assert "hunter2" not in " ".join(start.argv)
    assert values(start, "--env") == ["SWARM_V1", "SWARM_V0"]
    inside = {word: start.env[word] for word in values(start, "--env")}
    script = start.argv[start.argv.index("-c") : -3]
    ran = subprocess.run(["/bin/sh", *script, "/usr/bin/env", "-0"], env=inside, capture_output=True, check=True)
    seen = dict(line.split("=", 1) for line in ran.stdout.decode().split("\0") if line)
    assert (seen[name], seen["SWARM_V0"]) == (secret, "mine")
    assert "SWARM_V1" not in seen


def test_a_variable_that_cannot_be_passed_safely_is_refused(grounds: Grounds) -> None:
    with pytest.raises(ConfigError, match=r"DOCKER_A\.B"):
        started(runner(grounds), grounds, env={"DOCKER_A.B": "hush"})


def test_the_image_keeps_its_own_path_unless_one_is_configured(grounds: Grounds) -> None:
    environ = {"PATH": "/ours", "VIRTUAL_ENV": "/ours/venv"}
    assert values(started(runner(grounds, environ), grounds, env=environ), "--env") == []
    kept = runner(grounds, environ, environment=("PATH",))
    assert values(started(kept, grounds, env=environ), "--env") == ["PATH"]


def test_programs_come_from_the_image_except_those_of_the_project(grounds: Grounds) -> None:
    assert started(runner(grounds), grounds, "/opt/node/bin/claude").argv[-3] == "claude"
    tool = str(grounds.project_root / "tool")
    assert started(runner(grounds), grounds, tool).argv[-3] == tool


def test_mounts_show_the_project_and_hide_the_home_directory_and_the_state(grounds: Grounds) -> None:
    mounts = values(started(runner(grounds), grounds), "--mount")
    assert f"type=tmpfs,destination={grounds.home},tmpfs-mode=1777" in mounts
    assert mounts[-1] == f"type=bind,source={grounds.project_root},target={grounds.project_root}"
    assert not any(str(grounds.state_dir) in mount for mount in mounts)


def test_the_state_and_the_database_in_a_project_are_hidden(grounds: Grounds) -> None:
    state, database = grounds.project_root / "state", grounds.project_root / "tasks.db"
    state.mkdir()
    database.touch()
    within = replace(grounds, state_dir=state, database=database)
    mounts = values(started(runner(within), within), "--mount")
    assert f"type=tmpfs,destination={state},tmpfs-mode=1777" in mounts
    assert f"type=bind,source=/dev/null,target={database},readonly" in mounts


def test_a_comma_in_a_path_is_quoted(grounds: Grounds) -> None:
    folder = grounds.project_root / "a,b"
    folder.mkdir()
    mounts = values(started(runner(grounds, writable=(str(folder),)), grounds), "--mount")
    assert f'type=bind,"source={folder}","target={folder}"' in mounts


def test_a_writable_path_that_contains_the_home_directory_is_refused(grounds: Grounds) -> None:
    with pytest.raises(ConfigError, match="nothing would be confined"):
        started(runner(grounds, writable=(str(grounds.home.parent),)), grounds)


@pytest.mark.parametrize(("network", "words"), [("on", []), ("off", ["none"]), ("host", ["host"])])
def test_network_options(grounds: Grounds, network: str, words: list[str]) -> None:
    assert values(started(runner(grounds, network=network), grounds), "--network") == words


def test_limits_are_passed_as_the_engines_options(grounds: Grounds) -> None:
    start = started(runner(grounds, cpus=1.5, memory=4 * 2**30, pids=100), grounds)
    assert [values(start, option) for option in ("--cpus", "--memory", "--pids-limit")] == [
        ["1.5"], ["4294967296"], ["100"],
    ]  # fmt: skip


# ───── trying it out ─────


@pytest.fixture(params=["podman", "docker"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    return ScriptedEngine(request.param, tmp_path, monkeypatch)


def usable(engine: ScriptedEngine, grounds: Grounds, **options: object) -> Containers:
    stated = ContainerOptions(**{"image": IMAGE, **options})  # type: ignore[arg-type]
    return Containers.usable(engine.program.name, stated, grounds)


def refusal(engine: ScriptedEngine, grounds: Grounds, **options: object) -> str:
    with pytest.raises(ConfigError) as refused:
        usable(engine, grounds, **options)
    return f"{refused.value.message}; {refused.value.hint}"


def test_a_working_engine_is_usable_and_the_trial_leaves_nothing_behind(
    engine: ScriptedEngine, grounds: Grounds
) -> None:
    usable(engine, grounds)
    assert "rm" in engine.calls
    assert list(grounds.state_dir.iterdir()) == []


def test_without_an_image_it_is_refused(engine: ScriptedEngine, grounds: Grounds) -> None:
    assert f"runners.{engine.program.name}.image is missing" in refusal(engine, grounds, image="")


def test_an_engine_that_is_not_installed_is_refused(engine: ScriptedEngine, grounds: Grounds) -> None:
    engine.program.unlink()
    assert "was not found; install" in refusal(engine, grounds)


def test_an_engine_that_does_not_answer_is_refused(engine: ScriptedEngine, grounds: Grounds) -> None:
    engine.does("silent")
    assert "does not answer: Cannot connect" in refusal(engine, grounds)


def test_a_missing_image_is_refused(engine: ScriptedEngine, grounds: Grounds) -> None:
    engine.does("run-fails")
    assert f"no container of {IMAGE} can be run: Error: image not known; is the image there?" in refusal(
        engine, grounds
    )


def test_an_engine_on_another_machine_is_refused(engine: ScriptedEngine, grounds: Grounds) -> None:
    (engine.state / "inside").write_text("cd /tmp && mkdir -p elsewhere-$$ && cd elsewhere-$$ && trap 'rm -r $PWD' 0\n")
    assert "did not appear on this machine" in refusal(engine, grounds)


def test_an_engine_that_creates_files_of_another_owner_is_refused(
    engine: ScriptedEngine, grounds: Grounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    us = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    assert f"files of containers belong to user {us}, not to {us + 1}" in refusal(engine, grounds)


@pytest.mark.parametrize(("option", "value"), [("memory", 12345 * 2**20), ("pids", 23456), ("cpus", 0.37)])
def test_an_engine_that_would_ignore_limits_is_refused(
    engine: ScriptedEngine, grounds: Grounds, option: str, value: object
) -> None:
    said = refusal(engine, grounds, **{option: value})
    assert f"runners.{engine.program.name}.{option} would be ignored" in said
