"""How a run begins: checks that report everything together, one run at a time, the dashboard, the exec of the CLI."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from amplifier_harness import make_harness
from free_port import free_port
from start_harness import Harness, harness, task, until

from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status

pytestmark = pytest.mark.integration


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_all_problems_are_reported_together_and_nothing_is_started(at: Harness, taken_port: int) -> None:
    at.add(task("a", agent_cli="nonesuch"))
    code = at.run(
        *("--dashboard", "--dashboard-port", str(taken_port), "--isolation", "worktree", "--workers", "0"),
        SWARM_MIN_FREE_MB="900000000",
    )
    assert code == 3, at.everything()
    for text in (
        "no workers",
        "worktree",
        "free on the disk",
        f"port {taken_port}",
        "'nonesuch' is not known",
    ):
        assert text in at.notices
    assert at.notices.count("error: ") == at.notices.count("hint: ") == 5
    assert not (at.folder / "tasks.db.swarm" / "supervisord.conf").exists()


def test_a_project_root_that_is_not_a_folder_exits_3(at: Harness) -> None:
    at.add(task("a"))
    assert at.run("--project-root", "nowhere") == 3
    assert "project root" in at.notices


@pytest.mark.parametrize(
    ("words", "code"),
    [(("--workers", "257"), 2), (("--isolation", "magic"), 2), (("--no-such-option",), 2), (("--retry-delay", "x"), 2)],
)
def test_a_wrong_option_is_a_usage_error(at: Harness, words: tuple[str, ...], code: int) -> None:
    assert at.run(*words) == code


def test_a_second_run_on_the_same_database_is_refused_and_changes_nothing(at: Harness) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"))
    first = at.start()
    at.wait_marker("begun")
    assert at.run() == 6, at.everything()
    assert f"another run already works on {at.db} (process {first.pid})" in at.notices
    at.marker("go").touch()
    assert at.wait_end(first) == 0
    with TaskDatabase(at.db) as database:
        assert len(database.tasks.attempts(database.tasks.get("a")["seq"])) == 1


def test_two_runs_on_two_databases_of_one_folder_do_not_affect_each_other(at: Harness) -> None:
    with harness() as other:
        at.add(task("a", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"))
        other.add(task("b"))
        first = at.start("--dashboard")
        at.wait_marker("begun")
        assert other.run("--dashboard") == 0, other.everything()
        at.marker("go").touch()
        assert at.wait_end(first) == 0, at.everything()


def dashboard_link(at: Harness) -> str:
    def find() -> str | None:
        whole = at.notices.rpartition("\n")[0]
        found = [line for line in whole.splitlines() if "dashboard: http" in line]
        return found[0].partition("dashboard: ")[2] if found else None

    return at.wait_for("the link", find)


def test_the_dashboard_runs_with_the_run_and_its_link_opens_it(at: Harness) -> None:
    at.add(task("a", until(at.folder, "go")))
    run = at.start("--dashboard")
    url, _, token = dashboard_link(at).partition("/#t=")
    request = urllib.request.Request(f"{url}/api/status", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["tasks"]["total"]["count"] == 1
    at.marker("go").touch()
    assert at.wait_end(run) == 0, at.everything()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"{url}/healthz", timeout=10)


def test_a_configured_port_is_used(at: Harness) -> None:
    port = free_port()
    at.add(task("a", until(at.folder, "go")))
    run = at.start("--dashboard-port", str(port), SWARM_DASHBOARD="on")
    assert f":{port}/" in dashboard_link(at)
    at.marker("go").touch()
    assert at.wait_end(run) == 0


def test_the_orchestrator_started_directly_has_no_dashboard(at: Harness) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"))
    run = at.start()
    at.wait_marker("begun")
    assert at.pids_of("swarm-dashboard") == []
    at.marker("go").touch()
    assert at.wait_end(run) == 0


def test_the_start_command_becomes_the_orchestrator_with_all_its_options(at: Harness) -> None:
    at.add(task("a", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"))
    run = at.start(
        *("--no-validation", "--graceful-timeout", "7", "-n", "2"),
        program=("-m", "amplifier_swarm", "start"),
        SWARM_DASHBOARD="off",
    )
    at.wait_marker("begun")
    words = Path(f"/proc/{run.pid}/cmdline").read_text().split("\0")
    assert words[1:4] == ["-P", "-m", "amplifier_swarm.orchestrator"]
    assert {"--no-validation", "--no-dashboard", "--graceful-timeout"} <= set(words)
    supervisord = at.pid_of("supervisor.supervisord")
    assert os.getsid(supervisord) == supervisord, "a Ctrl+C in the terminal would reach it"
    (worker, *_) = at.pids_of("swarm-worker")
    environment = dict(entry.partition("=")[::2] for entry in Path(f"/proc/{worker}/environ").read_text().split("\0"))
    assert environment["SWARM_VALIDATION"] == "off"
    assert environment["SWARM_GRACEFUL_TIMEOUT_S"] == "7.0"
    assert environment["SWARM_DB"] == str(at.db)
    assert environment["SWARM_PROJECT_ROOT"] == str(at.folder)
    assert environment["SWARM_WORKERS"] == "2"
    # The README's own command finds it.
    pattern = subprocess.run(["pgrep", "-f", "amplifier_swarm.orchestrator"], capture_output=True, text=True)
    assert str(run.pid) in pattern.stdout.split()
    run.send_signal(signal.SIGUSR1)
    assert at.wait_end(run) == 9, at.everything()


def test_a_worker_that_cannot_start_ends_the_run_with_the_end_of_its_log(at: Harness) -> None:
    at.install(swarm_worker="echo first line; echo ImportError: no module named brain; exit 1")
    at.add(task("a"))
    assert at.run() == 7, at.everything()
    assert "swarm-worker-1 does not start: ImportError: no module named brain" in at.notices
    assert "  first line" in at.notices
    assert at.alive() == {}


def test_verbose_shows_the_logs_of_the_services(at: Harness) -> None:
    at.add(task("a"))
    assert at.run("--verbose") == 0
    assert "[swarm-worker-1]" in at.notices


def test_stale_files_of_a_killed_supervisord_do_not_matter(at: Harness) -> None:
    state = at.folder / "tasks.db.swarm"
    (state / "supervisord.d").mkdir(parents=True)
    (state / "supervisord.d" / "50-scale.conf").write_text("[program:swarm-worker]\nnumprocs=nonsense\n")
    (state / "var").mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(state / "var" / "supervisor.sock"))
    at.add(task("a"))
    assert at.run() == 0, at.everything()


def test_on_a_terminal_the_run_is_displayed_live_and_outlives_the_terminal(at: Harness) -> None:
    at.add(task("long [red]name", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"), task("short"))
    leader, follower = pty.openpty()
    run = subprocess.Popen(
        [at.python, "-m", "amplifier_swarm.orchestrator", "--db", str(at.db), "--agent-cli", "command"],
        cwd=at.folder,
        env=at.environment(TERM="xterm", COLUMNS="100", LINES="40"),
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
        text=True,
    )
    at.started.append(run)
    os.close(follower)
    shown = b""  # a chunk may end in the middle of a character
    while b"long [red]name" not in shown or b"running" not in shown:
        shown += os.read(leader, 65536)
    os.close(leader)
    run.send_signal(signal.SIGHUP)  # what a closed terminal sends to its own session
    at.marker("go").touch()
    assert run.wait(60) == 9
    assert at.status("long [red]name") == Status.COMPLETED
    assert at.alive() == {}


def amplifier_environment(at: Harness, *, fetched: bool, step: dict[str, object]) -> dict[str, str]:
    made = make_harness(at.folder / "amplifier", fetched=fetched)
    return {**made.env(), "FAKE_AMPLIFIER": json.dumps({"builder": [step], "validator": [step]})}


PASS: dict[str, object] = {"response": '{"status": "success", "tests_passed": true, "verdict": "PASS"}'}


def test_a_cold_agent_cli_is_warmed_up_once_and_remembered(at: Harness) -> None:
    environ = amplifier_environment(at, fetched=False, step={**PASS, "ledger": str(at.marker("ledger"))})
    at.add(task("a"))
    assert at.run("--no-validation", agent_cli="amplifier", **environ) == 0, at.everything()
    assert "warming up" in at.notices
    assert ledger_events(at) == ["prepared", "start", "end"]  # no session, so no model, for the warm-up
    at.add(task("b"))
    assert at.run("--no-validation", agent_cli="amplifier", **environ) == 0, at.everything()
    assert "warming up" not in at.notices


def test_a_missing_cache_is_filled_again_before_the_workers_start(at: Harness) -> None:
    environ = amplifier_environment(at, fetched=False, step={**PASS, "ledger": str(at.marker("ledger"))})
    home = Path(environ["HOME"]) / ".amplifier"
    for name in ("a", "b"):
        at.add(task(name))
        assert at.run(agent_cli="amplifier", **environ) == 0, at.everything()
        assert "warming up" in at.notices
        shutil.rmtree(home / "cache")
        (home / "registry.json").unlink()
    assert ledger_events(at)[:2] == ["prepared", "prepared"]  # builder and validator
    assert ledger_events(at).count("prepared") == 4


def test_an_agent_missing_after_the_warm_up_ends_the_start(at: Harness) -> None:
    environ = amplifier_environment(at, fetched=False, step=PASS)
    at.add(task("a", validator_agent="recipes:result-validater"))
    assert at.run(agent_cli="amplifier", **environ) == 3, at.everything()
    assert "agent recipes:result-validater not found; nearest: recipes:result-validator" in at.notices


def ledger_events(at: Harness) -> list[str]:
    return [json.loads(line)["event"] for line in at.marker("ledger").read_text().splitlines()]


def test_a_warm_up_that_cannot_start_exits_10(at: Harness) -> None:
    environ = amplifier_environment(at, fetched=False, step={"startup": "git clone failed"})
    at.add(task("a"))
    assert at.run(agent_cli="amplifier", **environ) == 10, at.everything()
    assert "git clone failed" in at.notices
    assert not (at.folder / "tasks.db.swarm" / "supervisord.conf").exists()


def test_a_signal_ends_a_warm_up_and_everything_it_started(at: Harness) -> None:
    environ = amplifier_environment(at, fetched=False, step={"hang": True, "ledger": str(at.marker("ledger"))})
    at.add(task("a"))
    run = at.start(agent_cli="amplifier", **environ)
    at.wait_marker("ledger")
    run.send_signal(signal.SIGINT)
    assert at.wait_end(run) == 9, at.everything()
    assert at.alive() == {}


def test_an_unknown_agent_is_named_with_the_nearest_one(at: Harness) -> None:
    environ = amplifier_environment(at, fetched=True, step=PASS)
    at.add(task("a"))
    code = at.run("--builder-agent", "foundation:modula-builder", agent_cli="amplifier", **environ)
    assert code == 3, at.everything()
    assert "nearest: foundation:modular-builder" in at.notices
