"""How a user ends a run, and how it ends when a process below or above it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from start_harness import Harness, harness, task, until
from stopwatch import Stopwatch
from trees import alive, fresh_token

from swarm_shared.carry_out import carry_out_now
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.models import Status, Verb

pytestmark = pytest.mark.integration


@pytest.fixture
def at() -> Iterator[Harness]:
    with harness() as made:
        yield made


def begun(at: Harness, *words: str, then: str = "true") -> subprocess.Popen[str]:
    """A run whose only worker is in the middle of task `long`; `short` waits behind it."""
    wait = until(at.folder, "go")
    at.add(task("long", f"touch {at.marker('begun')}; {wait}; {then}", priority=1), task("short"))
    run = at.start("--workers", "1", *words)
    at.wait_marker("begun")
    return run


def attempts_of(at: Harness, task_id: str) -> list[dict[str, object]]:
    with TaskDatabase(at.db) as database:
        return database.tasks.attempts(int(database.tasks.get(task_id)["seq"]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_lets_running_tasks_finish_and_starts_no_other(at: Harness, number: signal.Signals) -> None:
    run = begun(at)
    # As a terminal does: to its whole foreground group, which may contain only the run.
    os.killpg(run.pid, number)
    at.wait_notice("waiting for long, at most 300 s; do it again to stop everything immediately")
    at.marker("go").touch()
    assert at.wait_end(run) == 9, at.everything()
    assert at.status("long") == Status.COMPLETED
    assert at.status("short") == Status.NOT_STARTED
    assert f"stopped by {number.name} to start" in at.output
    assert at.alive() == {}


def test_a_drained_run_continues_with_the_next_start(at: Harness) -> None:
    run = begun(at)
    run.send_signal(signal.SIGINT)
    at.wait_notice("draining")
    at.marker("go").touch()
    assert at.wait_end(run) == 9
    assert at.run() == 0, at.everything()
    assert "Cleared the earlier drain" in at.notices


def test_a_drain_interrupts_tasks_beyond_the_graceful_timeout_and_costs_no_attempt(at: Harness) -> None:
    run = begun(at, "--graceful-timeout", "0.5")
    run.send_signal(signal.SIGINT)
    assert at.wait_end(run) == 9, at.everything()
    assert at.status("long") == Status.NOT_STARTED
    assert [a["failure_class"] for a in attempts_of(at, "long")] == ["interrupted"]


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGINT), (signal.SIGUSR1,)])
def test_a_second_ctrl_c_or_sigusr1_ends_everything_at_once(at: Harness, numbers: tuple[signal.Signals, ...]) -> None:
    run = begun(at)
    watch = Stopwatch()
    for position, number in enumerate(numbers, start=1):
        run.send_signal(number)
        at.wait_notice("emergency stop" if position == len(numbers) else "draining")
    assert at.wait_end(run) == 9, at.everything()
    assert watch.own_s() < 6.0
    assert at.status("long") == Status.NOT_STARTED
    assert at.alive() == {}


def test_two_signals_at_the_same_moment_count_as_two(at: Harness) -> None:
    run = begun(at)
    os.kill(run.pid, signal.SIGSTOP)
    run.send_signal(signal.SIGINT)
    run.send_signal(signal.SIGTERM)
    os.kill(run.pid, signal.SIGCONT)
    at.wait_notice("emergency stop")
    assert at.wait_end(run) == 9, at.everything()


@pytest.mark.parametrize("verb", [Verb.DRAIN, Verb.EMERGENCY_STOP])
def test_a_stop_requested_elsewhere_ends_the_run_with_9(at: Harness, verb: Verb) -> None:
    run = begun(at)
    with TaskDatabase(at.db) as database:
        carry_out_now(database, verb, "", {}, actor="ada (dashboard)")
    if verb is Verb.DRAIN:
        at.marker("go").touch()
    assert at.wait_end(run) == 9, at.everything()
    assert "stopped by ada (dashboard)" in at.output
    assert at.run("--no-validation") == 0 if verb is Verb.DRAIN else True


def test_a_resume_during_the_drain_makes_the_run_continue(at: Harness) -> None:
    run = begun(at)
    run.send_signal(signal.SIGTERM)
    at.wait_notice("draining")
    with TaskDatabase(at.db) as database:
        carry_out_now(database, Verb.RESUME, "", {}, actor="ada")
    at.wait_notice("swarm resumed")
    at.marker("go").touch()
    assert at.wait_end(run) == 0, at.everything()


def test_a_session_that_ignores_signals_and_hides_in_other_sessions_is_killed_by_an_emergency_stop(
    at: Harness,
) -> None:
    token = fresh_token()
    hidden = f"trap '' TERM INT HUP; setsid sleep {token} & (setsid env -i sleep {token} &); "
    at.add(task("deaf", f"{hidden} touch {at.marker('begun')}; while :; do sleep 0.1; done"))
    run = at.start()
    at.wait_marker("begun")
    at.wait_for("both sleepers", lambda: len(alive(token)) == 2)
    run.send_signal(signal.SIGUSR1)
    assert at.wait_end(run) == 9, at.everything()
    assert at.alive() == {}
    assert not alive(token)


def test_kill_9_of_the_run_leaves_nothing_and_the_next_start_completes_the_rest(at: Harness) -> None:
    run = begun(at, "--dashboard")
    run.kill()
    at.wait_nothing_left()
    at.marker("go").touch()
    assert at.run() == 0, at.everything()
    assert [a["failure_class"] for a in attempts_of(at, "long")][-1] is None
    assert at.alive() == {}


def test_a_start_right_after_a_kill_9_waits_for_the_rest_of_the_old_run(at: Harness) -> None:
    run = begun(at, "--dashboard")
    run.kill()
    at.marker("go").touch()
    assert at.run() == 0, at.everything()
    assert at.alive() == {}


def test_a_start_waits_for_a_supervisord_that_waits_for_the_last_program_of_the_old_run(at: Harness) -> None:
    run = begun(at, "--dashboard")
    dashboards = at.pids_of("swarm-dashboard")
    for pid in dashboards:
        os.kill(pid, signal.SIGSTOP)
    run.kill()
    supervisord = at.pid_of("supervisor.supervisord")
    at.wait_for("the end of all others", lambda: at.alive().keys() == {supervisord, *dashboards} or None)
    at.marker("go").touch()
    second = at.start()
    at.wait_notice("waiting for the end of an earlier run: supervisord")
    for pid in dashboards:
        os.kill(pid, signal.SIGCONT)
    assert at.wait_end(second) == 0, at.everything()
    assert at.alive() == {}


def test_kill_9_of_supervisord_ends_everything_with_7(at: Harness) -> None:
    run = begun(at, "--dashboard")
    supervisord = at.pid_of("supervisor.supervisord")
    os.kill(supervisord, signal.SIGKILL)
    assert at.wait_end(run) == 7, at.everything()
    assert "supervisord was killed by SIGKILL" in at.notices
    assert at.alive() == {}


def test_kill_9_of_a_worker_costs_the_run_nothing(at: Harness) -> None:
    run = begun(at)
    (worker, *_) = at.pids_of("swarm-worker")
    os.kill(worker, signal.SIGKILL)
    at.marker("go").touch()
    assert at.wait_end(run) == 0, at.everything()
    assert at.alive() == {}


def test_a_shutdown_of_supervisord_is_a_stop_by_a_user(at: Harness) -> None:
    run = begun(at, "--graceful-timeout", "0.5")
    supervisord = at.pid_of("supervisor.supervisord")
    os.kill(supervisord, signal.SIGTERM)
    assert at.wait_end(run) == 9, at.everything()
    assert at.alive() == {}


def test_a_run_under_nohup_outlives_its_terminal(at: Harness) -> None:
    at.add(task("long", f"touch {at.marker('begun')}; {until(at.folder, 'go')}"))
    words = ("--db", str(at.db), "--agent-cli", "command")
    run = subprocess.Popen(
        ["nohup", at.python, "-m", "amplifier_swarm.orchestrator", *words],
        cwd=at.folder,
        env=at.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    at.started.append(run)
    at.wait_marker("begun")
    os.killpg(run.pid, signal.SIGHUP)
    at.marker("go").touch()
    assert at.wait_end(run) == 0


def test_frozen_services_do_not_keep_a_user_from_stopping(at: Harness) -> None:
    at.add(task("a"))
    with TaskDatabase(at.db) as database:
        carry_out_now(database, Verb.PAUSE, "", {}, actor="ada")
        run = at.start()
        at.wait_for("the worker", lambda: database.workers.alive() or None)
        at.wait_for("the reaper", lambda: "reaper" in database.swarm.services() or None)
    at.freeze("swarm-worker", "swarm-reaper")
    at.wait_notice("paused by ada; to continue")  # by now the last commit of the others has been seen
    watch = Stopwatch()
    run.send_signal(signal.SIGINT)
    assert at.wait_end(run) == 9, at.everything()
    assert watch.own_s() < 8.0
    assert at.alive() == {}


def test_a_third_signal_kills_whatever_hangs(at: Harness) -> None:
    run = begun(at)
    at.freeze("swarm-worker", "swarm-reaper")
    watch = Stopwatch()
    for notice in ("draining", "emergency stop", "killing everything"):
        run.send_signal(signal.SIGINT)
        at.wait_notice(notice)
    assert at.wait_end(run) == 9, at.everything()
    assert watch.own_s() < 4.0
    assert at.alive() == {}
