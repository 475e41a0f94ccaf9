"""Maintenance and setup: backup, orphans, doctor, settings, the dashboard's link, supervisorctl."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_harness import CliHarness, ended_process

from amplifier_swarm.command_line.app import App
from amplifier_swarm.command_line.supervision import supervision
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import SupervisorError
from swarm_shared.domain.models import TaskSpec
from swarm_shared.processes.identity import ProcessId
from swarm_shared.supervisor import files as supervisor_files


def test_a_backup_is_a_private_working_copy(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    target = harness.folder / "copy.db"
    with harness.open() as busy:  # it is open elsewhere, and some rows are only in the write-ahead log
        busy.swarm.set_meta("late", "yes")
        ran = harness.run("backup", str(target), "--json")
    assert set(ran.json) == {"file", "size_bytes"}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with TaskDatabase(target, read_only=True) as copy:
        assert copy.tasks.get("a")["name"] == "A"
        assert copy.swarm.meta("late") == "yes"


def test_a_backup_replaces_a_file_only_when_forced(harness: CliHarness) -> None:
    harness.queue()
    target = harness.folder / "copy.db"
    target.write_text("mine")
    assert harness.run("backup", str(target)).code == 3
    assert target.read_text() == "mine"
    assert harness.run("backup", str(target), "--force").code == 0
    assert harness.run("backup", str(harness.db), "--force").code == 3
    assert harness.run("backup", str(harness.folder / "no" / "copy.db")).code == 3
    assert harness.run("status").code == 0


def test_reset_orphans_reclaims_the_tasks_of_a_dead_worker(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim(worker=ended_process(), stage=None)
    ran = harness.run("reset-orphans", "--json")
    assert (ran.code, ran.json["reset"], ran.json["found"]) == (0, 1, ["a"])
    assert harness.status_of("a") == "not_started"


def test_reset_orphans_leaves_living_attempts_alone(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    harness.claim()
    assert harness.run("reset-orphans", "--json").json["reset"] == 0
    assert harness.status_of("a") == "in_progress"


def checks(harness: CliHarness) -> dict[str, list[dict[str, str]]]:
    shown = harness.run("doctor", "--json").json
    assert set(shown) == {"healthy", "checks"}
    found: dict[str, list[dict[str, str]]] = {}
    for check in shown["checks"]:
        assert set(check) == {"code", "part", "name", "level", "text", "advice", "target"}
        found.setdefault(check["name"], []).append(check)
    return found


@pytest.fixture
def command_cli(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The preset that needs no agent installed."""
    monkeypatch.setenv("SWARM_AGENT_CLI", "command")


@pytest.mark.usefixtures("command_cli")
def test_doctor_finds_nothing_wrong_with_a_healthy_queue(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    assert harness.run("doctor").code == 0
    found = checks(harness)
    for name in ("settings", "engine", "database", "write-ahead log", "disk", "write lock", "agent CLI"):
        assert found[name][0]["level"] == "ok", found[name]
    for name in ("reaper", "dashboard", "workers", "supervisord"):
        assert found[name][0]["level"] == "warn"
        assert found[name][0]["advice"]


@pytest.mark.usefixtures("command_cli")
def test_doctor_reports_services_workers_and_orphans(harness: CliHarness) -> None:
    harness.queue(TaskSpec(id="a", name="A"))
    with harness.open() as database:
        database.swarm.register_service("reaper", ProcessId.mine())
    harness.claim(worker=ended_process())
    found = checks(harness)
    assert found["reaper"][0]["level"] == "ok"
    assert "a" in found["orphans"][0]["text"]
    assert found["crashes"][0] | {"advice": None} == {
        "code": "worker_crashed", "part": "swarm", "name": "crashes", "level": "warn", "text": "worker-1 crashed",
        "advice": None, "target": "worker-1",
    }  # fmt: skip


@pytest.mark.usefixtures("command_cli")
def test_doctor_names_the_process_that_holds_the_write_lock(harness: CliHarness) -> None:
    harness.queue()
    with harness.open() as database, database.connection.transaction():
        process = harness.spawn("doctor", "--json")  # a process sees only the locks of others
        out, _ = process.communicate(timeout=30)
    lock = next(check for check in json.loads(out)["checks"] if check["name"] == "write lock")
    assert lock["level"] == "warn"
    assert str(os.getpid()) in lock["text"]


def test_doctor_fails_on_a_serious_finding(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_AGENT_CLI", "no-such-cli")
    ran = harness.run("doctor")
    assert ran.code == 3
    assert "bad  database: no database at" in ran.out
    assert "bad  agent CLI:" in ran.out


@pytest.mark.usefixtures("command_cli")
def test_doctor_detects_damage(harness: CliHarness) -> None:
    harness.queue(*(TaskSpec(id=f"t{n}", name="T" * 500) for n in range(500)))
    with harness.open() as database:
        database.connection.checkpoint(truncate=True)
    content = bytearray(harness.db.read_bytes())
    content[200_000:260_000] = os.urandom(60_000)
    harness.db.write_bytes(content)
    ran = harness.run("doctor", "--json")
    assert ran.code == 3
    assert any(check["level"] == "bad" and check["name"] in ("database", "whole") for check in ran.json["checks"])


def test_config_shows_each_settings_origin(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    (harness.folder / "swarm.yaml").write_text("max_retries: 7\nworkers: 2\n")
    monkeypatch.setenv("SWARM_WORKERS", "5")
    shown = harness.run("config", "--json").json["settings"]
    assert set(shown["workers"]) == {"value", "origin", "variable", "help"}
    shown = {
        name: (shown[name]["value"], shown[name]["origin"]) for name in ("db", "workers", "max_retries", "validation")
    }
    assert shown == {
        "db": (str(harness.db), "flag"),
        "workers": (5, "SWARM_WORKERS"),
        "max_retries": (7, "swarm.yaml"),
        "validation": (True, "default"),
    }
    assert "SWARM_WORKERS" in harness.run("config").out


def test_config_redacts_secrets(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_DASHBOARD_TOKEN", "s3cret-token")
    (harness.folder / "swarm.yaml").write_text("agent_clis:\n  mine: {like: command, env: {API_KEY: s3cret-key}}\n")
    for words in (("config",), ("config", "--json")):
        ran = harness.run(*words)
        assert ran.code == 0
        assert "s3cret" not in ran.out + ran.err


def test_the_dashboards_link_comes_from_its_service_or_the_default_port(harness: CliHarness) -> None:
    harness.queue()
    ran = harness.run("dashboard")
    with harness.open() as database:
        token = database.swarm.dashboard_token()
        assert ran.out == f"http://127.0.0.1:8765/#t={token}\n"
        assert "it is not running" in ran.err
        database.swarm.register_service("dashboard", ProcessId.mine(), {"port": 8770, "url": "http://127.0.0.1:8770/"})
    shown = harness.run("dashboard", "--json").json
    assert shown == {"url": f"http://127.0.0.1:8770/#t={token}", "running": True}


def test_the_link_has_no_token_if_none_is_required(harness: CliHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SWARM_DASHBOARD_AUTH", "none")
    harness.queue()
    assert harness.run("dashboard").out == "http://127.0.0.1:8765/\n"


def test_version_names_the_engine(harness: CliHarness) -> None:
    shown = harness.bare("version", "--json").json
    assert set(shown) == {"amplifier-swarm", "python", "sqlite", "supervisor", "system"}


# ───── supervisord ─────


def test_ctl_without_any_supervisord_is_an_error(harness: CliHarness) -> None:
    ran = harness.run("ctl", "status")
    assert ran.code == 7
    assert "amplifier-swarm start" in ran.err


def test_a_configuration_in_the_folder_takes_precedence_over_that_of_an_ended_run(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(db=harness.db)
    state_dir = harness.folder / "tasks.db.swarm"
    supervisor_files.prepare(state_dir)
    assert supervision(app).configuration.resolve() == state_dir / "supervisord.conf"
    here = Path.cwd() / "supervisord.conf"
    here.write_text(supervisor_files.configuration_text())
    assert supervision(app).configuration.resolve() == here


def test_a_missing_supervisord_is_a_supervisor_error(harness: CliHarness) -> None:
    with pytest.raises(SupervisorError):
        supervision(App(db=harness.db))


def test_ctl_and_doctor_talk_to_the_supervisord_of_the_state_directory(harness: CliHarness) -> None:
    harness.queue()
    files = supervisor_files.prepare(harness.folder / "tasks.db.swarm")
    # Only supervisord itself: its programs are not part of this test.
    text = files.configuration.read_text().split("[program:")[0]
    files.configuration.write_text(text)
    server = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(files.configuration)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while not supervision(App(db=harness.db)).answers():
            assert server.poll() is None, "supervisord has ended"
            assert time.monotonic() < deadline, "supervisord never answered"
        out, err = harness.spawn("ctl", "pid").communicate(timeout=20)
        assert (out.strip(), err) == (str(server.pid), "")
        unknown = harness.spawn("ctl", "status", "--no-such", "nobody")
        unknown.communicate(timeout=20)
        assert unknown.returncode == 4  # a command of supervisorctl itself
        assert checks(harness)["supervisord"][0]["level"] == "ok"
    finally:
        server.terminate()
        server.wait(20)


def test_config_shows_a_setup_command_with_what_it_depends_on(harness: CliHarness) -> None:
    (harness.folder / "swarm.yaml").write_text("setup: [make, {run: npm ci, inputs: [lock], keep: [node_modules]}]\n")
    shown = harness.run("config", "--json").json["settings"]["setup"]["value"]
    assert shown == ["make", {"run": "npm ci", "inputs": ["lock"], "keep": ["node_modules"]}]
    assert "make, npm ci" in " ".join(harness.run("config").out.split())


def test_settings_that_hold_several_values_are_json_too(harness: CliHarness) -> None:
    settings = harness.run("config", "--json").json["settings"]
    assert settings["budget"]["value"]["run"] == {"usd": None, "tokens": None, "minutes": None}
    assert settings["runners"]["value"]["bwrap"]["network"] is True
