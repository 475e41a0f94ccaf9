"""Sessions under `runner: bwrap` in real workers: what every runner promises, and the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from live_swarm import LiveSwarm
from runner_contract import (  # noqa: F401
    assert_held_while,
    test_a_runner_whose_program_is_gone_holds_the_queue_and_costs_no_attempt,
    test_a_stop_gives_the_command_time_to_save,
    test_the_same_task_file_gives_the_same_result_in_every_runner,
)
from runner_deaths import (  # noqa: F401
    test_after_a_kill_nothing_is_left_and_the_task_is_run_again,
    test_the_escapee_of_a_session_ends_with_it,
)
from runner_engines import engine, parametrize, promised_by, runner  # noqa: F401
from runner_harness import RunnerHarness

from swarm_shared.domain.models import Status, TaskSpec

pytestmark = pytest.mark.integration
DEMO = Path(__file__).parents[2] / "examples" / "demo"


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path)
    swarm.settings |= {"SWARM_RUNNER": "bwrap", "SWARM_AGENT_CLI": "command"}
    yield swarm
    swarm.end()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    parametrize(metafunc, among=("bwrap",))


def test_checks_can_have_a_different_runner(swarm: LiveSwarm) -> None:
    outside = swarm.folder / "outside"
    swarm.add(TaskSpec(id="a", name="a", run=f"touch {outside}-agent || true", checks=(f"touch {outside}",)))
    swarm.worker("worker-1", "--no-validation", SWARM_CHECK_RUNNER="local")
    swarm.wait_for("a", Status.COMPLETED)
    assert outside.exists()
    assert not Path(f"{outside}-agent").exists()


def test_agents_get_listed_variables_the_tasks_own_and_the_marks(swarm: LiveSwarm) -> None:
    (swarm.folder / "swarm.yaml").write_text("runners: {bwrap: {environment: [MINE_*]}}\n")
    swarm.add(TaskSpec(id="a", name="a", run="env > seen", env={"OF_TASK": "1"}))
    swarm.worker("worker-1", "--no-validation", MINE_A="2", SOME_TOKEN="hush-hush-1", SWARM_RUNNER="bwrap")
    swarm.wait_for("a", Status.COMPLETED)
    seen = (swarm.project / "seen").read_text()
    assert "OF_TASK=1\n" in seen
    assert "MINE_A=2\n" in seen
    assert "AMPLIFIER_SWARM_TASK_ID=a\n" in seen
    assert "hush-hush-1" not in seen


def test_without_bwrap_a_worker_does_not_start(swarm: LiveSwarm) -> None:
    (swarm.folder / "bin").mkdir()
    worker = swarm.worker("worker-1", PATH=str(swarm.folder / "bin"))
    assert worker.wait(30) == 3
    assert "install bubblewrap" in swarm.logs()


@promised_by("bwrap")
def test_disabled_user_namespaces_hold_the_queue_and_cost_no_attempt(runner: RunnerHarness) -> None:  # noqa: F811
    program = runner.link_program()
    complaint = "bwrap: No permissions to create new namespace"

    def switched_off() -> None:
        # They cannot be disabled for the whole machine: other tests need them.
        program.unlink()
        program.write_text(f"#!/bin/sh\necho '{complaint}' >&2\nexit 1\n")
        program.chmod(0o755)

    assert_held_while(runner, program, switched_off, complaint)


def run_demo(folder: Path, python: str, *words: str) -> str:
    """Play the demo under bwrap; returns its output."""
    path = os.pathsep.join([str(Path(python).parent), os.environ.get("PATH", os.defpath)])
    ended = subprocess.run(
        [DEMO / "run", "--runner", "bwrap", *words],
        env={**os.environ, "PATH": path, "DEMO_FOLDER": str(folder), "DEMO_PAUSE_S": "0"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_demo_runs_confined(tmp_path: Path) -> None:
    assert "█ 13" in run_demo(tmp_path, sys.executable, "--no-dashboard")
