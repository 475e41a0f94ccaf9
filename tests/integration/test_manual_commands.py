"""Every command in the README and docs/ is run exactly as printed there, or is listed here with the reason why not."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from free_port import free_port
from live_swarm import wait_until
from manual import TOP, Command, blocks, commands

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, TaskSpec
from swarm_shared.processes.identity import ProcessId

pytestmark = pytest.mark.integration
DEADLINE_S = 60.0
POLL_S = 0.05

ANSWERS = "needs an agent that asks; test_cli_answer.py plays it"
CALLS = "needs that agent CLI; test_cli_agents.py has a stand-in"
ELSEWHERE = {
    "amplifier-swarm answer 2.6.1.a 'Keep the old API as well.'": ANSWERS,
    "amplifier-swarm answer 2.6.1.a - '<' answer.txt": ANSWERS,
    "amplifier-swarm agents check codex": CALLS,
    "amplifier-swarm agents check codex --call": CALLS,
    "amplifier-swarm edit 2.6.1.b": "needs an editor; test_cli_editing.py has a stand-in",
    "make demo": "test_demo.py runs it",
    "make test": "it runs this test",
    "python3 -m venv .venv": "a network is needed; `make` and CI do the same",
    ".venv/bin/pip install .": "a network is needed; test_packaging.py looks into the wheel",
    "amplifier-swarm release 2.6.1.a --gone": "needs a worker in another container; test_cli_steering.py plays it",
    "amplifier-swarm start --db tasks.db.rescued-1": "needs a database that was lost; test_database_lost.py does",
    "pkill -SIGUSR1 -f amplifier_swarm.orchestrator": "would reach swarms of others; its parts are tested below",
}
RUNS = re.compile(r"amplifier-swarm start\b|python -m amplifier_swarm\.orchestrator\b")
PROGRAMS = re.compile(r"python -m amplifier_swarm\.(worker|reaper|dashboard)\b")
# Sends a request to a running swarm. The commands of the page on the service also build on each other.
SERVICE = re.compile(
    r"supervisord|supervisorctl|amplifier-swarm (ctl|scale|stop|pause|resume|import-tasks tasks.yaml$)"
)
SINGLE = re.compile(
    r"amplifier-swarm (validate|import-tasks|export-tasks|status|list-tasks|failures|task-info|why|prompt|logs|retry|"
    r"add|plan|graph|reset-orphans|backup|doctor|runners|report|costs)\b|amplifier-swarm agents$"
)
# The commands of the page on landing build on each other too.
LANDING = re.compile(r"amplifier-swarm (diff|land|worktrees)\b")
ALL = commands()


# Each takes minutes to hours. A small form of the kill loop and of the walks is part of `make test`.
LONG = re.compile(r"(BENCH_WORKERS=\S+ )?make (chaos|mutants|soak|bench|agents|runners)\b|SWARM_MODEL_EXAMPLES=")


def those(pattern: re.Pattern[str]) -> list[Command]:
    return [command for command in ALL if pattern.match(command.text) and command.text not in ELSEWHERE]


def label(command: Command) -> str:
    return f"{command.page.name}:{command.line} {command.text[:60]}"


def test_each_command_is_run_or_excused() -> None:
    known = (RUNS, PROGRAMS, SERVICE, SINGLE, LANDING, LONG)
    left = [c for c in ALL if c.text not in ELSEWHERE and not any(pattern.match(c.text) for pattern in known)]
    assert not left
    assert set(ELSEWHERE) <= {command.text for command in ALL}, "an excuse for a command that no longer exists"


class Harness:
    """A folder as the README's reader has it: tasks.yaml, tasks.db with tasks in every state, a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir()
        tasks = next(block for block in blocks("yaml") if block.text.startswith("# tasks.yaml"))
        (folder / "tasks.yaml").write_text(tasks.text, encoding="utf-8")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SWARM_", "SUPERVISOR_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), clean.get("PATH", os.defpath)])
        self.env = {**clean, "PATH": path, "SWARM_AGENT_CLI": "command", "SWARM_DASHBOARD_PORT": str(free_port())}

    def fill(self, *specs: TaskSpec) -> None:
        with TaskDatabase(self.folder / "tasks.db") as database:
            database.imports.run(specs, source="a test", actor="test")

    def shell(self, text: str) -> str:
        """The command with this harness's paths in it."""
        text = text.replace("/path/to/project", str(self.project))
        return re.sub(r"(?<=--dashboard-port )\d+|(?<=--port )\d+", lambda _: str(free_port()), text)

    def run(self, text: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/bash", "-c", self.shell(text)],
            cwd=self.folder,
            env={**self.env, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )


@pytest.fixture
def harness(tmp_path: Path) -> Harness:
    return Harness(tmp_path)


@pytest.mark.parametrize("command", those(SINGLE), ids=label)
def test_a_single_command_succeeds(harness: Harness, command: Command) -> None:
    if "import-tasks" not in command.text:
        harness.fill(
            TaskSpec(id="2.6.1.a", name="One that failed", status=Status.FAILED),
            TaskSpec(id="3.1", name="One that waits for it", dependencies=("2.6.1.a",)),
        )
    ended = harness.run(command.text)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("command", those(RUNS), ids=label)
def test_a_run_completes_the_tasks_and_ends_by_itself(harness: Harness, command: Command) -> None:
    harness.fill(TaskSpec(id="1", name="Leave a trace", run="touch trace"))
    project = harness.project if "/path/to/project" in command.text else harness.folder
    ended = harness.run(command.text)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (project / "trace").exists()


@pytest.mark.parametrize("command", those(PROGRAMS), ids=label)
def test_a_single_service_starts_and_exits_when_asked(harness: Harness, command: Command) -> None:
    harness.fill(TaskSpec(id="1", name="Held back", status=Status.HELD))
    with TaskDatabase(harness.folder / "tasks.db") as database:
        log = (harness.folder / "log").open("w")
        process = subprocess.Popen(
            ["/bin/bash", "-c", "exec " + harness.shell(command.text)],
            cwd=harness.folder,
            env=harness.env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: is_up(database), (harness.folder / "log").read_text, DEADLINE_S)
            process.send_signal(signal.SIGTERM)
            assert process.wait(DEADLINE_S) == 0, (harness.folder / "log").read_text()
        finally:
            process.kill()
            process.wait()
            log.close()


def is_up(database: TaskDatabase) -> bool:
    """Whether the one running service has reported that it is up; the dashboard must also respond."""
    services = database.swarm.services()
    if "dashboard" not in services:
        return bool(services or database.workers.alive())
    try:
        return bool(urlopen(services["dashboard"].detail["url"] + "healthz", timeout=DEADLINE_S).status == 200)
    except OSError:
        return False


@contextmanager
def service(harness: Harness) -> Iterator[None]:
    """The folder of a service: the configuration as it is checked in. Whatever runs at the end is ended."""
    (harness.folder / "supervisord.conf").write_bytes((TOP / "supervisord.conf").read_bytes())
    (harness.folder / "supervisord.d").mkdir()
    (harness.folder / "supervisord.d" / "50-quick.conf").write_text("[program:swarm-worker]\nstartsecs=0\n")
    (harness.folder / "var" / "log").mkdir(parents=True)
    try:
        yield
    finally:
        end_supervisord(harness.folder)


def end_supervisord(folder: Path) -> None:
    try:
        pid = int((folder / "var" / "supervisord.pid").read_text())
        process = ProcessId.of(pid)
    except (OSError, ValueError):
        return
    if process is None or str(folder) not in Path(f"/proc/{pid}/environ").read_text(errors="replace"):
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DEADLINE_S
    while ProcessId.of(pid) == process and time.monotonic() < deadline:
        time.sleep(POLL_S)


def is_served(harness: Harness) -> bool:
    with TaskDatabase(harness.folder / "tasks.db") as database:
        return {"reaper", "dashboard"} <= set(database.swarm.services()) and len(database.workers.alive()) >= 3


def test_the_commands_of_the_service_work_in_order(harness: Harness) -> None:
    steps = [c for c in those(SERVICE) if not c.text.startswith("amplifier-swarm stop")]
    chapter = steps[next(i for i, c in enumerate(steps) if c.text.startswith("supervisord ")) :]
    end = next(i for i, c in enumerate(chapter) if c.text.endswith("shutdown"))
    with service(harness):
        for command in [*chapter[:end], *chapter[end + 1 :], chapter[end]]:
            ended = harness.run(command.text)
            assert ended.returncode == 0, f"{label(command)}\n{ended.stdout}{ended.stderr}"
            if command.text.startswith("supervisord "):
                wait_until(
                    lambda: is_served(harness), lambda: harness.run("tail -n 50 var/log/*.log").stdout, DEADLINE_S
                )


@pytest.mark.parametrize("command", [c for c in those(SERVICE) if "swarm stop" in c.text], ids=label)
def test_stop_ends_a_running_service(harness: Harness, command: Command) -> None:
    with service(harness):
        assert harness.run("supervisord -c supervisord.conf").returncode == 0
        wait_until(lambda: is_served(harness), lambda: harness.run("tail -n 50 var/log/*.log").stdout, DEADLINE_S)
        ended = harness.run(command.text)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        wait_until(
            lambda: not (harness.folder / "var" / "supervisord.pid").exists(),
            lambda: "supervisord is still there",
            DEADLINE_S,
        )


def test_the_emergency_signal_finds_a_run_by_the_name_in_the_readme(harness: Harness) -> None:
    pkill = next(c for c in ALL if c.text.startswith("pkill"))
    signal_word, pattern = pkill.words[1], pkill.words[-1]
    harness.fill(TaskSpec(id="1", name="Long", run="sleep 600"))
    process = subprocess.Popen(
        ["amplifier-swarm", "start", "--no-dashboard", "--project-root", str(harness.project)],
        executable=str(Path(sys.executable).parent / "amplifier-swarm"),
        cwd=harness.folder,
        env=harness.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with TaskDatabase(harness.folder / "tasks.db") as database:
            wait_until(
                lambda: database.tasks.get("1")["status"] == Status.IN_PROGRESS,
                lambda: database.tasks.get("1"),
                DEADLINE_S,
            )
        line = Path(f"/proc/{process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        assert re.search(pattern, line)
        process.send_signal(getattr(signal, signal_word.removeprefix("-")))
        assert process.wait(DEADLINE_S) == 9
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DEADLINE_S)


def test_the_commands_of_the_page_on_landing_show_and_merge_the_work_of_a_task(harness: Harness) -> None:
    git = "git -C project -c user.name=Me -c user.email=me@example.invalid"
    harness.fill(TaskSpec(id="2.6.1.a", name="A file", run="echo made > made.txt"))
    harness.run(f"git init -q -b main project && {git} commit -q --allow-empty -m begin").check_returncode()
    there = {"SWARM_PROJECT_ROOT": str(harness.project)}
    run = harness.run("amplifier-swarm start --no-dashboard", **there)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not (harness.project / "made.txt").exists()
    printed = ""
    for command in those(LANDING):
        done = harness.run(command.text, **there)
        assert done.returncode == 0, (command.text, done.stdout, done.stderr)
        printed += done.stdout
    assert "made.txt" in printed
    assert (harness.project / "made.txt").read_text() == "made\n"
